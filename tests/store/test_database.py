"""Opening the database: private files, tables brought up to date, clear words when it can't be used."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from shoestring.domain.errors import BadInput, JournalUnavailable
from shoestring.store import database
from shoestring.store.database import open_database
from shoestring.store.journal import SqlJournal
from shoestring.store.schema import VERSION, VERSION_TABLE, metadata
from tests.contract.journals import done, facts_of


def pragma(file: Path, name: str) -> object:
    connection = sqlite3.connect(file)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "new" / "journal.db"
    journal = SqlJournal(file)
    journal.acquire("me", 10)

    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert file.parent.stat().st_mode & 0o777 == 0o700
    journal.close()


@pytest.mark.parametrize("name", ["a b.db", "what?.db", "50%25.db", "#1.db", "ü'\".db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    SqlJournal(tmp_path / name).close()

    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(("-wal", "-shm"))] == [name]


def test_a_url_and_a_path_name_the_same_file(tmp_path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    lease = journal.acquire("me", 10)
    assert lease is not None
    journal.append(lease, [done(1)])

    assert facts_of(SqlJournal(str(tmp_path / "journal.db"))) == [done(1)]


def test_commits_are_durable_on_a_local_disk_and_logless_on_a_network_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settings() -> tuple[object, object]:
        opened = open_database(tmp_path / "journal.db")
        with opened.writer.connect() as connection:
            found = tuple(
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous")
            )
        opened.close()
        return found[0], found[1]

    assert settings() == ("wal", 2)  # FULL
    monkeypatch.setattr(database.filesystem, "network_filesystem", lambda path: "nfs4")
    assert settings() == ("delete", 3)  # EXTRA; and a file that moved there is converted
    assert not (tmp_path / "journal.db-wal").exists()
    monkeypatch.undo()
    assert settings() == ("wal", 2)


# -- tables -------------------------------------------------------------------------------------------------


def test_migrations_end_in_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    open_database(tmp_path / "journal.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'journal.db'}")

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == f"{VERSION:04}"
        indexes = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index'").scalars()
        assert "profiles_by_code" in set(indexes)
    engine.dispose()


def test_an_empty_file_is_the_oldest_version_of_all(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch()

    journal = SqlJournal(tmp_path / "journal.db")

    assert facts_of(journal) == [] and journal.acquire("me", 10) is not None


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: object) -> None:
        upgrade(connection)  # type: ignore[arg-type]
        raise sqlite3.OperationalError("the lights went out")

    from shoestring.store import migrations

    upgrade = migrations.upgrade
    monkeypatch.setattr(migrations, "upgrade", broken)
    with pytest.raises(JournalUnavailable, match="lights went out"):
        SqlJournal(tmp_path / "journal.db")
    connection = sqlite3.connect(tmp_path / "journal.db")
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()

    monkeypatch.undo()
    assert SqlJournal(tmp_path / "journal.db").acquire("me", 10) is not None


def test_tables_of_a_newer_shoestring_are_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    SqlJournal(file).close()
    connection = sqlite3.connect(file)
    connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{VERSION + 1:04}'")
    connection.commit()
    connection.close()
    before = file.read_bytes()

    with pytest.raises(BadInput, match=rf"journal\.db has tables of version {VERSION + 1}") as refused:
        SqlJournal(file)

    assert "version of shoestring that wrote it" in str(refused.value.next_step)
    assert file.read_bytes() == before


def test_many_processes_may_open_a_new_journal_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from shoestring.store.journal import SqlJournal; sys.stdin.readline();"
        "lease = SqlJournal(sys.argv[1]).acquire(sys.argv[2], 60); print(lease is not None)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "journal.db")]
    processes = [
        subprocess.Popen([*command, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    answers = [process.communicate(timeout=120)[0].strip() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(answers) == ["False", "False", "True"], "one of them leads"


def test_a_journal_of_today_opens_without_alembic(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    SqlJournal(file).close()
    script = (
        "import sys; from shoestring.store.journal import SqlJournal; "
        "SqlJournal(sys.argv[1]).acquire('me', 10); sys.exit('alembic' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script, str(file)], timeout=120).returncode == 0


# -- what can't be used -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "outlive its process"),
        ("sqlite:///:memory:", "outlive its process"),
        ("nosuchbase://user:canary@host/x", "no such database dialect"),
        ("mysql+oursql://user:canary@host/x", "no such database dialect"),
        ("oracle+cx_oracle://user:canary@host/x", "cx_Oracle"),
        ("://canary", "not an SQLAlchemy URL"),
        ("postgresql://user:canary@host:port/x", "not an SQLAlchemy URL"),
    ],
)
def test_a_url_that_can_not_be_used_is_refused_without_showing_its_password(url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        SqlJournal(url)

    assert refused.value.next_step
    assert "canary" not in f"{refused.value} {refused.value.next_step} {refused.value.__cause__!r}"


@pytest.mark.parametrize(
    "content", [b"not a database, but a text that is long enough" * 100, b"SQLite format 3\0junk"]
)
def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(content)

    with pytest.raises(JournalUnavailable, match=r"journal\.db could not be opened") as refused:
        SqlJournal(file)

    assert "resume RUN" in str(refused.value.next_step)
    assert file.read_bytes() == content


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JournalUnavailable, match=r"file/journal\.db could not be opened"):
        SqlJournal(tmp_path / "file" / "journal.db")
