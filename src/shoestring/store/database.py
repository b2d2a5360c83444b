"""Opening the database behind journal and records: an SQLite file, or any SQLAlchemy URL such as Postgres.

On a disk of this machine SQLite runs with a write-ahead log and ``synchronous=FULL``. On a network file
system that log is unsafe: there it runs with a rollback journal and ``synchronous=EXTRA`` (which also makes
the removal of that journal durable, see sqlite.org/pragma.html), and one host at a time may write.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    column,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from shoestring.domain.errors import BadInput, JournalUnavailable
from shoestring.store import filesystem
from shoestring.store.schema import VERSION, VERSION_TABLE

BUSY_S = 10.0  # how long to wait for another process's write
LOCAL = {"journal_mode": "WAL", "synchronous": "FULL"}
NETWORK = {"journal_mode": "DELETE", "synchronous": "EXTRA"}
OTHER_PLACE = "set SHOESTRING_HOME to a local disk, or journal: postgresql://... in the settings"
_MIGRATION_LOCK = 0x5305  # Postgres: one migration at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An opened database with today's tables.

    Attributes:
        name: for messages: the file's path, or the URL without its password.
        reader: for looking; for a local SQLite file it can't write at all.
        network: type of the network file system that holds the file, e.g. ``nfs4``; None otherwise.
    """

    name: str
    writer: Engine
    reader: Engine
    network: str | None = None

    def close(self) -> None:
        self.reader.dispose()
        self.writer.dispose()


def open_database(place: str | Path) -> Database:
    """Open a file by its path or any database by its SQLAlchemy URL; bring its tables up to date.

    Raises:
        BadInput: not a URL we can use, or tables of a newer shoestring; says what to do.
        JournalUnavailable: it can't be opened or read; says which, why and what to do.
    """
    database = _connectable(place)
    try:
        _update_tables(database)
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        database.close()
        raise unavailable(database.name, "could not be opened", reason(error)) from error
    except BadInput:
        database.close()
        raise
    return database


def unavailable(name: str, what: str, why: str) -> JournalUnavailable:
    """The error to raise when a database fails."""
    return JournalUnavailable(
        f"journal {name} {what}: {why}",
        next_step="mend its disk or connection, then `shoestring resume RUN`; running jobs train and save on",
    )


def reason(error: BaseException) -> str:
    """What the driver said, without SQLAlchemy's additions (statement, parameters)."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {original}"


def _connectable(place: str | Path) -> Database:
    if isinstance(place, str) and "://" in place:
        url = _url(place)
        if url.get_backend_name() != "sqlite":
            return _server(url)
        if not url.database or url.database == ":memory:":
            raise BadInput(f"{place}: a journal must outlive its process", next_step="name a file")
        place = url.database
    return _file(Path(place).absolute())


def _url(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):  # the text may hold a password: it is not repeated
        raise BadInput("journal: not an SQLAlchemy URL", next_step="see sqlalche.me/e/20/rfc1738") from None


def _server(url: URL) -> Database:
    name = url.render_as_string(hide_password=True)
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except NoSuchModuleError:
        raise BadInput(f"{name}: no such database dialect", next_step="postgresql+psycopg://...") from None
    except ImportError as error:
        raise BadInput(f"{name}: {error}", next_step="install that driver beside shoestring") from None
    if url.get_backend_name() == "postgresql":
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("SET LOCAL synchronous_commit = on"))
    return Database(name=name, writer=engine, reader=engine)


def _file(path: Path) -> Database:
    network = filesystem.network_filesystem(path)
    pragmas = LOCAL if network is None else NETWORK
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives its side files the same mode
    except OSError as error:
        raise unavailable(str(path), "could not be opened", reason(error)) from error
    writer = _sqlite(lambda: _connect(path, "rw", pragmas))
    event.listen(writer, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    if (
        network is not None
    ):  # a reader there may have to roll a crashed writer back: it needs a true connection
        return Database(name=str(path), writer=writer, reader=writer, network=network)
    return Database(name=str(path), writer=writer, reader=_sqlite(lambda: _connect(path, "ro", {})))


def _sqlite(connect: Callable[[], sqlite3.Connection]) -> Engine:
    """One connection, kept open: closing the last one of a WAL file would move the log at every write."""
    return create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_size=1, max_overflow=0, hide_parameters=True
    )


def _connect(path: Path, mode: str, pragmas: dict[str, str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,  # transactions begin where SQLAlchemy says so, DDL included
        check_same_thread=False,
    )
    try:
        for pragma, value in pragmas.items():
            _set(connection, pragma, value)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _set(connection: sqlite3.Connection, pragma: str, value: str) -> None:
    """Set a pragma and see that it holds. Changing the journal mode does not wait for locks by itself."""
    if pragma != "journal_mode":
        connection.execute(f"PRAGMA {pragma}={value}")
        return
    give_up = time.monotonic() + BUSY_S
    while (mode := connection.execute("PRAGMA journal_mode").fetchone()[0]) != value.lower():
        try:
            mode = connection.execute(f"PRAGMA journal_mode={value}").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
            continue
        if mode != value.lower():
            raise sqlite3.OperationalError(f"its file system can't do journal_mode={value}; {OTHER_PLACE}")


def _update_tables(database: Database) -> None:
    try:
        with database.reader.connect() as connection:
            if _is_current(connection, database.name):
                return
    except OperationalError:
        pass  # a crash may leave what only a writer can roll back; if it is worse, the writer will say so
    with database.writer.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        if not _is_current(connection, database.name):  # another process may have been faster
            from shoestring.store.migrations import upgrade  # Alembic is slow to import and rarely needed

            upgrade(connection)


def _is_current(connection: Connection, name: str) -> bool:
    """Whether the tables are today's; False if there are none, or older ones."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return False
    version: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    found = int(version) if version is not None and version.isdecimal() else 0
    if found > VERSION:
        raise BadInput(
            f"{name} has tables of version {found}, this shoestring knows {VERSION}",
            next_step="use the version of shoestring that wrote it, or a newer one",
        )
    return found == VERSION
