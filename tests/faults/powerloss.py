"""Power fails at any moment of a journal's life; what is on the disk then is compared with what was said."""

import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from shoestring.domain.errors import JournalUnavailable, ShoestringError
from shoestring.domain.facts import Fact
from shoestring.store.journal import SqlJournal
from tests.contract.journals import a_request, done, facts_of
from tests.faults.images import History, Image, Loss
from tests.faults.recording import record

ROOT = Path(__file__).parents[2]


def history_of(folder: Path, settings: str, commits: int = 25) -> History:
    """Record one life of a journal in an empty ``folder``; for ``settings`` see journal_workload."""
    command = [sys.executable, "-m", "tests.faults.journal_workload", str(folder), settings, str(commits)]
    env = dict(os.environ) | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return History(record(command, folder, env=env, ignore=["-shm"]))


def disks(history: History, images: int, seed: int) -> Iterator[tuple[Image, list[str]]]:
    """States of the disk after a power failure, each with what had been said by then.

    Every moment with all of the unsynced lost, every moment with all of it kept, then random parts of it at
    random moments. A state that comes again with the same words is passed over: it would pass again.
    """
    seen: set[tuple[bytes, int]] = set()
    moments = len(history.operations) + 1
    for number in range(images):
        draw = Random(f"{seed} {number}")
        if number < 2 * moments:
            crash, loss = number % moments, (Loss.ALL, Loss.NONE)[number // moments]
        else:
            crash, loss = draw.randrange(moments), (Loss.SOME, Loss.TORN)[number % 2]
        image, marks = history.image(crash, loss, draw), history.marks(crash)
        key = (image.digest(), len(marks))
        if key not in seen:
            seen.add(key)
            yield image, marks


def broken_promises(history: History, folder: Path, images: int, seed: int) -> Counter[str]:
    """Open the journal of ``images`` failed disks and count what is wrong in them."""
    found: Counter[str] = Counter()
    for number, (image, marks) in enumerate(disks(history, images, seed)):
        image.write(folder)
        found.update(wrongs(folder / "journal.db", marks, go_on=number % 10 == 0))
    return found


def wrongs(file: Path, marks: list[str], *, go_on: bool) -> Iterator[str]:
    """What this journal lacks or has too much, given what was acknowledged.

    Args:
        go_on: also lead, append and read again, as after a restart.
    """
    try:
        journal = SqlJournal(file)
        facts = facts_of(journal)
        waiting = [request for _, request in journal.asked()]
    except (ShoestringError, sqlite3.Error):
        yield "unreadable"
        return
    acknowledged = [int(mark) for mark in marks if mark.isdecimal()]
    asked = [int(mark.removeprefix("asked ")) for mark in marks if mark.startswith("asked ")]
    commits = len(facts) // 2
    if len(facts) % 2:
        yield "half a transaction"
    if facts != [done(n) for n in range(len(facts))]:
        yield "not a prefix"
    if commits < len(acknowledged) or any((a_request(n) in waiting) == (n < commits) for n in asked):
        yield "lost"
    if commits > len(acknowledged) + 1:
        yield "more than was written"
    if not _sound(file):
        yield "corrupt"
    if go_on:
        yield from _going_on(journal, facts, epoch=2 if marks else None)
    journal.close()


def _going_on(journal: SqlJournal, facts: list[Fact], epoch: int | None) -> Iterator[str]:
    try:
        lease = journal.acquire("leader", 60)
        assert lease is not None
        journal.append(lease, [done(-1)])
        if facts_of(journal) != [*facts, done(-1)]:
            yield "does not go on"
        if epoch is not None and lease.epoch != epoch:
            yield "epoch did not grow"
    except JournalUnavailable:
        yield "does not go on"


def _sound(file: Path) -> bool:
    raw = sqlite3.connect(file)
    try:
        return bool(raw.execute("PRAGMA integrity_check").fetchone()[0] == "ok")
    except sqlite3.DatabaseError:
        return False
    finally:
        raw.close()
