"""Every journal we have, opened the same way: in memory, in SQLite (local, on NFS), in Postgres if given."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shoestring.domain.facts import Asked, Completed, Fact
from shoestring.ports import Journal
from shoestring.store import database, schema
from shoestring.store.journal import SqlJournal
from shoestring.store.memory import MemoryJournal

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POSTGRES = "SHOESTRING_TEST_POSTGRES"  # SQLAlchemy URL of a database of its own, which tests empty and fill
KINDS = ("memory", "sqlite", "network", *(["postgres"] if POSTGRES in os.environ else []))


@dataclass
class Times:
    """Real time, as a test wants it: what has passed, and by how much the wall clock of the actor is off."""

    passed_s: float = 0.0
    skew_s: float = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s + self.skew_s)

    def monotonic(self) -> float:
        return self.passed_s


def opener(kind: str, folder: Path, times: Times, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Journal]:
    """A function that opens one and the same journal anew at each call, as another process would."""
    if kind == "memory":
        journal = MemoryJournal(now=times.now, monotonic=times.monotonic)
        return lambda: journal
    place: str | Path = folder / "journal.db"
    if kind == "network":
        monkeypatch.setattr(database.filesystem, "network_filesystem", lambda path: "nfs4")
    if kind == "postgres":
        place = os.environ[POSTGRES]
        empty(place)
    return lambda: SqlJournal(place, now=times.now, monotonic=times.monotonic)


def empty(url: str) -> None:
    """Remove our tables from a server's test database."""
    from sqlalchemy import create_engine, text

    engine = create_engine(url)
    with engine.begin() as connection:
        schema.metadata.drop_all(connection)
        connection.execute(text(f"DROP TABLE IF EXISTS {schema.VERSION_TABLE}"))
    engine.dispose()


def done(number: int) -> Completed:
    """A small fact that can be told from others."""
    return Completed(run_id="run", at=NOON, action_id=f"a{number}", result="done")


def a_request(number: int) -> Asked:
    return Asked(run_id="run", at=NOON, what="save", user=f"u{number}")


def facts_of(journal: Journal, after: int = 0) -> list[Fact]:
    return [entry.fact for entry in journal.read(after)]
