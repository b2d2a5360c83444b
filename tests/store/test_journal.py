"""The journal in SQL, beyond the common contract: damage, failed writes, other hosts, other processes."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoestring.domain.errors import BadInput, JournalUnavailable, StaleLeader
from shoestring.ports import Lease
from shoestring.store import database, limits
from shoestring.store.journal import SqlJournal
from tests.contract.journals import NOON, Times, a_request, done, facts_of


def led(file: Path, **more: Any) -> tuple[SqlJournal, Lease]:
    """A journal and the lease of its leader."""
    journal = SqlJournal(file, **more)
    lease = journal.acquire("me", 60)
    assert lease is not None
    return journal, lease


def change(file: Path, statement: str) -> None:
    """Alter the file behind the journal's back."""
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


# -- damage -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE journal_entries SET body = replace(body, 'done', 'dome') WHERE seq = 3", "entry 3 was"),
        ("UPDATE journal_entries SET epoch = 7 WHERE seq = 2", "entry 2 was altered"),
        ("UPDATE journal_entries SET body = (SELECT body FROM journal_entries) WHERE seq = 4", "entry 4 was"),
        ("DELETE FROM journal_entries WHERE seq = 1", "entry 1 is missing"),
        ("DELETE FROM journal_entries WHERE seq = 3", "entry 3 is missing"),
    ],
)  # fmt: skip
def test_damage_is_found_and_named_and_nothing_behind_it_is_believed(
    tmp_path: Path, damage: str, said: str
) -> None:
    journal, lease = led(tmp_path / "journal.db")
    journal.append(lease, [done(n) for n in range(5)])
    change(tmp_path / "journal.db", damage)

    with pytest.raises(JournalUnavailable, match=said) as found:
        facts_of(journal)
    assert found.value.next_step


@pytest.mark.parametrize("value", ["NULL", "'soon'"])
def test_a_damaged_lease_is_named(tmp_path: Path, value: str) -> None:
    file = tmp_path / "journal.db"
    SqlJournal(file).close()
    change(file, "ALTER TABLE journal_lease DROP COLUMN expires_at")
    change(file, "ALTER TABLE journal_lease ADD COLUMN expires_at VARCHAR(40)")
    change(file, f"UPDATE journal_lease SET expires_at = {value}")

    with pytest.raises(JournalUnavailable, match="the lease was altered") as found:
        SqlJournal(file).acquire("me", 10)
    assert "backup" in str(found.value.next_step)


def test_a_fact_of_a_newer_shoestring_is_not_guessed_at(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db")
    journal.ask(a_request(1))
    change(tmp_path / "journal.db", "UPDATE journal_requests SET body = replace(body, 'Asked', 'Foretold')")

    with pytest.raises(BadInput, match=r"request 1 is no fact this shoestring knows.*Foretold"):
        journal.asked()


# -- failed and interrupted writes ------------------------------------------------------------------------


def test_after_a_failed_write_the_object_writes_no_more_but_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, lease = led(tmp_path / "journal.db")
    journal.append(lease, [done(1)])
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    short, _ = led(tmp_path / "other.db")
    other = sqlite3.connect(tmp_path / "other.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(JournalUnavailable, match="database is locked"):
        short.ask(a_request(1))
    other.execute("ROLLBACK")
    other.close()

    with pytest.raises(JournalUnavailable, match=r"no more writes since one failed: .*database is locked"):
        short.ask(a_request(1))
    assert facts_of(short) == [] and list(short.asked()) == []
    assert SqlJournal(tmp_path / "other.db").acquire("me", 60) is not None
    journal.append(lease, [done(2)])  # the other journal is none the worse for it


def test_a_write_that_was_interrupted_counts_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, lease = led(tmp_path / "journal.db")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shoestring.store.journal._append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.append(lease, [done(1)])
    monkeypatch.undo()

    with pytest.raises(JournalUnavailable, match="interrupted"):
        journal.append(lease, [done(1)])
    assert facts_of(SqlJournal(tmp_path / "journal.db")) == []


@pytest.mark.parametrize(
    "refused",
    [
        lambda journal, lease: journal.append(Lease(holder="you", epoch=1, expires_at=NOON), [done(1)]),
        lambda journal, lease: journal.take(lease, [99], [done(1)]),
        lambda journal, lease: journal.acquire("", 10),
        lambda journal, lease: journal.append(lease, [done(1)] * 4),
        lambda journal, lease: journal.append(lease, [replace(done(1), detail="x" * 999)]),
        lambda journal, lease: journal.append(lease, [replace(done(1), run_id="x" * 201)]),
        lambda journal, lease: journal.ask(replace(a_request(1), run_id="run\udc80")),
    ],
)  # fmt: skip
def test_a_refusal_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[[SqlJournal, Lease], object]
) -> None:
    monkeypatch.setattr("shoestring.store.journal.FACTS_MAX", 3)
    monkeypatch.setattr("shoestring.store.journal.FACT_BYTES_MAX", 999)
    journal, lease = led(tmp_path / "journal.db")

    with pytest.raises((BadInput, StaleLeader)):
        refused(journal, lease)

    journal.append(lease, [done(2)])
    assert facts_of(journal) == [done(2)]
    assert limits.FACTS_MAX >= 10_000 and limits.FACT_BYTES_MAX >= 1 << 20


# -- other hosts --------------------------------------------------------------------------------------------


def test_on_a_network_disk_one_host_writes_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database.filesystem, "network_filesystem", lambda path: "nfs4")
    times = Times()
    here, lease = led(tmp_path / "journal.db", host="login1", now=times.now, monotonic=times.monotonic)
    there = SqlJournal(tmp_path / "journal.db", host="login2", now=times.now, monotonic=times.monotonic)
    here.append(lease, [done(1)])

    for write in (lambda: there.ask(a_request(1)), lambda: there.acquire("you", 10)):
        with pytest.raises(BadInput, match=r"nfs4 and is led from login1.*this is login2") as refused:
            write()
        assert "login1" in str(refused.value.next_step) and "SHOESTRING_HOME" in str(refused.value.next_step)
    assert facts_of(there) == [done(1)], "reading is free"

    times.passed_s = 60.0
    taken = there.acquire("you", 60)
    assert taken is not None
    with pytest.raises(BadInput, match="led from login2"):
        here.append(lease, [done(2)])
    there.release(taken)
    here.ask(a_request(2))  # nobody leads: anybody may write


def test_on_a_local_disk_host_names_do_not_matter(tmp_path: Path) -> None:
    led(tmp_path / "journal.db", host="before")
    SqlJournal(tmp_path / "journal.db", host="renamed").ask(a_request(1))


# -- other processes ----------------------------------------------------------------------------------------

LEADER = """
import os, signal, sys
from shoestring.domain.errors import StaleLeader
from shoestring.store.journal import SqlJournal
from tests.contract.journals import done
journal = SqlJournal(sys.argv[1])
lease = journal.acquire("sleeper", 0.2)
journal.append(lease, [done(1)])
print("leads", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
for write in (lambda: journal.append(lease, [done(2)]), lambda: journal.renew(lease, 10),
              lambda: journal.take(lease, [n for n, _ in journal.asked()], [done(3)])):
    try:
        write()
        print("wrote")
    except StaleLeader:
        print("stale")
"""


def test_a_stopped_leader_wakes_up_fenced(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    root = str(Path(__file__).parents[2])
    sleeper = subprocess.Popen(
        [sys.executable, "-c", LEADER, str(file)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert sleeper.stdout is not None and sleeper.stdout.readline() == "leads\n"
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
    times = Times()
    successor = SqlJournal(file, monotonic=times.monotonic)
    successor.acquire("successor", 60)
    times.passed_s = 1.0  # the lease stood still for longer than it was given
    lease = successor.acquire("successor", 60)
    assert lease is not None
    successor.ask(a_request(1))
    successor.append(lease, [done(4)])

    os.kill(sleeper.pid, signal.SIGCONT)
    said = sleeper.communicate(timeout=120)[0].split()

    assert said == ["stale", "stale", "stale"]
    assert facts_of(successor) == [done(1), done(4)]
    assert [fact for _, fact in successor.asked()] == [a_request(1)]


def test_a_reader_needs_no_lock_of_the_writer(tmp_path: Path) -> None:
    journal, lease = led(tmp_path / "journal.db")
    journal.append(lease, [done(1)])
    writing = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    writing.execute("DELETE FROM journal_entries")

    assert facts_of(SqlJournal(tmp_path / "journal.db")) == [done(1)]
    writing.execute("ROLLBACK")
    writing.close()


texts = st.text(max_size=40)


@given(st.lists(st.lists(texts, max_size=3), max_size=5))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_as_it_was(tmp_path: Path, batches: list[list[str]]) -> None:
    file = tmp_path / "journal.db"
    file.unlink(missing_ok=True)
    for side in ("-wal", "-shm"):
        Path(f"{file}{side}").unlink(missing_ok=True)
    journal, lease = led(file)
    facts = []
    for batch in batches:
        new = [replace(done(1), action_id=text, detail=text) for text in batch]
        journal.append(lease, new)
        facts += new

    assert facts_of(SqlJournal(file)) == facts
    journal.close()
