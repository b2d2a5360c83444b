"""The journal in SQL: facts in order, one leader at a time, and an inbox that any process may fill.

Each write is one transaction that first compares the writer's epoch with the stored one. After a write that
failed, what is on disk is unknown (a later fsync may succeed although pages were lost), so this object
refuses every later write: stop, open the journal anew, read it, go on from there.
"""

import socket
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from shoestring.domain import codec
from shoestring.domain.errors import BadInput, JournalUnavailable, StaleLeader
from shoestring.domain.facts import Asked, Fact
from shoestring.ports import Entry, Lease
from shoestring.store.database import OTHER_PLACE, open_database, reason, unavailable
from shoestring.store.lease import LeaseRow, Monotonic, Now, Watch, check_terms, granted, utc_now
from shoestring.store.limits import FACT_BYTES_MAX, FACTS_MAX, REQUESTS_MAX, RUN_ID_MAX
from shoestring.store.schema import entries, requests
from shoestring.store.schema import lease as lease_table

BATCH = 1000  # entries fetched at once; no lock is held between batches


class SqlJournal:
    """See :class:`shoestring.ports.Journal` for the meaning of each method.

    Every method raises JournalUnavailable when the database fails; writes go on doing so once one has failed.

    Args:
        place: path of an SQLite file (made if missing, readable by its owner only), or an SQLAlchemy URL.
        now, monotonic: real time, for leases.
        host: this machine's name; matters for a file on a network file system, which one host may write.

    Raises:
        BadInput: a URL we can't use, or tables of a newer shoestring.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        now: Now = utc_now,
        monotonic: Monotonic = time.monotonic,
        host: str | None = None,
    ) -> None:
        self._database = open_database(place)
        self._watch = Watch(now, monotonic)
        self._host = host or socket.gethostname()
        self._lock = threading.Lock()
        self._broken: str | None = None

    # -- the lease ------------------------------------------------------------------------------------------

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        check_terms(holder, ttl_s)
        with self._write() as (connection, row):
            if row.holder not in ("", holder) and not self._watch.passed(row):
                return None
            taken = granted(holder, self._host, row.epoch + 1, ttl_s, self._watch.now())
            _store(connection, taken)
        return taken.lease()

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        check_terms(lease.holder, ttl_s)
        with self._write() as (connection, row):
            row.check(lease)
            renewed = granted(lease.holder, self._host, lease.epoch, ttl_s, self._watch.now())
            _store(connection, renewed)
        return renewed.lease()

    def release(self, lease: Lease) -> None:
        with self._write() as (connection, row):
            if (row.epoch, row.holder) == (lease.epoch, lease.holder):
                _store(connection, LeaseRow(epoch=lease.epoch))

    # -- the facts ------------------------------------------------------------------------------------------

    def append(self, lease: Lease, facts: Sequence[Fact]) -> None:
        bodies = _bodies(facts)
        with self._write() as (connection, row):
            row.check(lease)
            _append(connection, lease.epoch, facts, bodies)

    def read(self, after: int = 0) -> Iterator[Entry]:
        """Entries above ``after`` that are there when reading begins.

        Raises:
            JournalUnavailable: an entry is missing or altered; the message names it.
        """
        last = self._last()
        after = max(after, 0)
        while after < last:
            chosen = (entries.c.seq > after, entries.c.seq <= last)
            rows = self._look(select(entries).where(*chosen).order_by(entries.c.seq).limit(BATCH))
            if not rows:
                raise self._damaged(f"entry {after + 1} is missing")
            for row in rows:
                after += 1
                if row.seq != after:
                    raise self._damaged(f"entry {after} is missing")
                yield self._entry(row)

    def _last(self) -> int:
        return int(self._look(select(func.coalesce(func.max(entries.c.seq), 0)))[0][0])

    def _entry(self, row: Any) -> Entry:
        if row.crc != _crc(row.seq, row.epoch, row.body):
            raise self._damaged(f"entry {row.seq} was altered: its checksum differs")
        return Entry(seq=row.seq, epoch=row.epoch, fact=self._fact(row.body, f"entry {row.seq}"))

    def _fact(self, body: str, what: str) -> Fact:
        try:
            fact: Fact = codec.loads(Fact, body)
        except ValueError as error:
            raise BadInput(
                f"{self._database.name}: {what} is no fact this shoestring knows: {error}",
                next_step="use the version of shoestring that wrote it, or a newer one",
            ) from error
        return fact

    # -- the inbox ------------------------------------------------------------------------------------------

    def ask(self, request: Asked | Fact) -> None:
        """Raises BadInput when the inbox is full: nobody leads, or its leader takes nothing."""
        (body,) = _bodies([request])
        with self._write() as (connection, _):
            waiting = connection.execute(select(func.count()).select_from(requests)).scalar_one()
            if waiting >= REQUESTS_MAX:
                raise BadInput(
                    f"{waiting} requests wait in {self._database.name} already",
                    next_step="shoestring resume RUN: it starts a supervisor that takes them",
                )
            connection.execute(insert(requests).values(body=body))

    def asked(self) -> Sequence[tuple[int, Fact]]:
        rows = self._look(select(requests).order_by(requests.c.id))
        return tuple((row.id, self._fact(row.body, f"request {row.id}")) for row in rows)

    def take(self, lease: Lease, request_ids: Sequence[int], facts: Sequence[Fact]) -> None:
        """Raises BadInput, and nothing is written, if one of the requests is not waiting (any more)."""
        bodies = _bodies(facts)
        with self._write() as (connection, row):
            row.check(lease)
            gone = connection.execute(delete(requests).where(requests.c.id.in_(request_ids)))
            if gone.rowcount != len(request_ids):
                raise BadInput(f"requests {list(request_ids)} are not all waiting; nothing was written")
            _append(connection, lease.epoch, facts, bodies)

    def close(self) -> None:
        """Let go of the database; the journal can be opened again."""
        self._database.close()

    # -- the database ---------------------------------------------------------------------------------------

    @contextmanager
    def _write(self) -> Iterator[tuple[Connection, LeaseRow]]:
        """A transaction that holds the lease row, so that writers come one after another."""
        with self._lock:
            if self._broken is not None:
                raise unavailable(self._database.name, "takes no more writes since one failed", self._broken)
            self._broken = "a write was interrupted"  # stays if anything unforeseen happens within
            try:
                with self._database.writer.begin() as connection:
                    row = self._lease_row(connection)
                    self._refuse_second_host(row)
                    yield connection, row
            except (StaleLeader, BadInput):
                self._broken = None  # rolled back whole
                raise
            except JournalUnavailable as damage:
                self._broken = str(damage)
                raise
            except (SQLAlchemyError, OSError) as error:
                self._broken = reason(error)
                raise unavailable(self._database.name, "could not be written", self._broken) from error
            self._broken = None

    def _lease_row(self, connection: Connection) -> LeaseRow:
        row = connection.execute(select(lease_table).with_for_update()).one()
        try:
            expires_at = datetime.fromisoformat(row.expires_at)
        except (TypeError, ValueError):
            raise self._damaged(f"the lease was altered: it ends at {row.expires_at!r}") from None
        return LeaseRow(
            holder=row.holder, host=row.host, epoch=row.epoch, expires_at=expires_at, ttl_s=row.ttl_s
        )

    def _refuse_second_host(self, row: LeaseRow) -> None:
        if self._database.network is None or row.host in ("", self._host) or self._watch.passed(row):
            return
        raise BadInput(
            f"{self._database.name} lies on {self._database.network} and is led from {row.host}; "
            f"two hosts can't write it at once, and this is {self._host}",
            next_step=f"run the command on {row.host}, or {OTHER_PLACE}",
        )

    def _look(self, query: Any) -> Sequence[Any]:
        try:
            with self._database.reader.connect() as connection:
                return connection.execute(query).all()
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(self._database.name, "could not be read", reason(error)) from error

    def _damaged(self, what: str) -> JournalUnavailable:
        return JournalUnavailable(
            f"journal {self._database.name}: {what}",
            next_step="restore it from a backup; jobs that run train and save on by themselves",
        )


def _store(connection: Connection, row: LeaseRow) -> None:
    values = {
        "holder": row.holder,
        "host": row.host,
        "epoch": row.epoch,
        "expires_at": row.expires_at.isoformat(),
        "ttl_s": row.ttl_s,
    }
    connection.execute(update(lease_table).values(values))


def _append(connection: Connection, epoch: int, facts: Sequence[Fact], bodies: Sequence[str]) -> None:
    if not facts:
        return
    seq: int = connection.execute(select(func.coalesce(func.max(entries.c.seq), 0))).scalar_one()
    rows = [
        {
            "seq": number,
            "epoch": epoch,
            "run_id": fact.run_id,
            "kind": type(fact).__name__,
            "at": fact.at.isoformat(),
            "body": body,
            "crc": _crc(number, epoch, body),
        }
        for number, (fact, body) in enumerate(zip(facts, bodies, strict=True), start=seq + 1)
    ]
    connection.execute(insert(entries), rows)


def _bodies(facts: Sequence[Fact]) -> list[str]:
    """Facts as JSON, within bounds. Raises BadInput before anything is written."""
    if len(facts) > FACTS_MAX:
        raise BadInput(f"{len(facts)} facts in one transaction; at most {FACTS_MAX}")
    bodies = [codec.dumps(fact) for fact in facts]
    for fact, body in zip(facts, bodies, strict=True):
        if len(fact.run_id) > RUN_ID_MAX or not fact.run_id.isprintable():
            raise BadInput(f"run id {fact.run_id[:RUN_ID_MAX]!r}: at most {RUN_ID_MAX} printable characters")
        if len(body) > FACT_BYTES_MAX:
            raise BadInput(
                f"a {type(fact).__name__} of run {fact.run_id!r} takes {len(body)} bytes; "
                f"at most {FACT_BYTES_MAX}"
            )
    return bodies


def _crc(seq: int, epoch: int, body: str) -> int:
    return zlib.crc32(f"{seq} {epoch} {body}".encode())
