"""Each I/O call of a journal fails, once or for good: never a false success, and a restart goes on."""

import resource
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shoestring.domain.errors import JournalUnavailable
from shoestring.ports import Lease
from shoestring.store import database
from shoestring.store.journal import SqlJournal
from tests.contract.journals import a_request, done, facts_of
from tests.faults import sqlite_faults
from tests.faults.sqlite_faults import FAILURES, Faults, failing

ASKED = 3  # the commit that takes a request


class Life:
    """A journal's life up to its first failure, and what it had acknowledged by then."""

    def __init__(self, file: Path, commits: int) -> None:
        self.file, self.commits = file, commits
        self.committed = 0
        self.asked = False
        self.failure: JournalUnavailable | None = None
        self.journal: SqlJournal | None = None
        self.lease: Lease | None = None

    def live(self) -> None:
        try:
            self._live()
        except JournalUnavailable as error:
            self.failure = error
        if self.journal is not None:
            self.journal.close()

    def _live(self) -> None:
        self.journal = journal = SqlJournal(self.file)
        self.lease = lease = journal.acquire("leader", 60)
        assert lease is not None
        for number in range(self.commits):
            facts = [done(2 * number), done(2 * number + 1)]
            if number == ASKED:
                journal.ask(a_request(1))
                self.asked = True
                journal.take(lease, [request_id for request_id, _ in journal.asked()], facts)
            else:
                journal.append(lease, facts)
            self.committed += 1
        assert facts_of(journal) == [done(n) for n in range(2 * self.commits)]

    def check_restart(self) -> None:
        """On a disk that is well again: all that was acknowledged is there, and nothing is half there."""
        journal = SqlJournal(self.file)
        facts = facts_of(journal)
        assert facts == [done(n) for n in range(len(facts))] and len(facts) % 2 == 0
        assert self.committed <= len(facts) // 2 <= self.committed + 1
        taken = len(facts) // 2 > ASKED
        if self.asked:
            assert [fact for _, fact in journal.asked()] == ([] if taken else [a_request(1)])
        lease = journal.acquire("leader", 60)
        assert lease is not None and (self.lease is None or lease.epoch > self.lease.epoch)
        journal.append(lease, [done(-1)])
        assert facts_of(journal) == [*facts, done(-1)]
        journal.close()


@pytest.fixture(params=["local", "network"])
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The two ways in which SQLite is used; the log is moved often, so that this fails too."""
    monkeypatch.setitem(database.LOCAL, "wal_autocheckpoint", "10")
    if request.param == "network":
        monkeypatch.setattr(database.filesystem, "network_filesystem", lambda path: "nfs4")
    return str(request.param)


@pytest.mark.skipif(sqlite_faults.MISSING is not None, reason=str(sqlite_faults.MISSING))
@pytest.mark.parametrize("born", [False, True], ids=["from birth", "in life"])
def test_each_call_that_fails_is_owned_up_to(settings: str, born: bool, quick_folder: Path) -> None:
    model = quick_folder / "model.db"
    if born:
        SqlJournal(model).close()
    seen: Counter[str] = Counter()
    for kind, code, for_good in FAILURES:
        number = 1
        while True:  # fail the 1st, the 2nd ... until there is no such call: it counts itself
            life = Life(quick_folder / f"{kind}-{code}-{for_good}-{number}.db", commits=5 if born else 0)
            if born:
                shutil.copyfile(model, life.file)
            with failing(Faults(kind, number, code, for_good=for_good)) as faults:
                life.live()
            if not faults.fired:
                assert life.failure is None and life.committed == life.commits
                break
            life.check_restart()
            _check_refusal(life)
            seen[kind] += 1
            seen["told"] += life.failure is not None
            number += 1

    print(settings, "in life" if born else "from birth", dict(seen))
    assert seen["write"] >= 30 and seen["sync"] >= 4 and seen["read"] >= 5 and seen["open"] >= 2
    assert seen["told"] >= seen["sync"] / 2


def _check_refusal(life: Life) -> None:
    """After a failed write the object writes no more, although the disk is well again."""
    if life.failure is None:
        return
    assert str(life.file) in str(life.failure) and "resume RUN" in str(life.failure.next_step)
    journal, lease = life.journal, life.lease
    if journal is None or lease is None or "read" in str(life.failure).split(":")[0]:
        return
    for write in (
        lambda: journal.append(lease, [done(99)]),
        lambda: journal.renew(lease, 60),
        lambda: journal.acquire("leader", 60),
        lambda: journal.ask(a_request(9)),
        lambda: journal.release(lease),
    ):
        with pytest.raises(JournalUnavailable, match="since one failed"):
            write()
    journal.close()


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """No file of this process may grow past ``limit`` bytes; the kernel writes a part and answers EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_runs_full_at_any_size(settings: str, quick_folder: Path) -> None:
    told = 0
    for limit in range(0, 120_000, 2900):
        life = Life(quick_folder / f"{limit}.db", commits=5)
        with file_size_limit(limit):
            life.live()
        life.check_restart()
        told += life.failure is not None
        if life.failure is None:
            assert life.committed == 5

    assert told >= 10 and life.failure is None, "small disks fail, a large one does"


def test_an_error_says_what_the_disk_said(tmp_path: Path) -> None:
    journal = SqlJournal(tmp_path / "journal.db")
    lease = journal.acquire("leader", 60)
    assert lease is not None
    with (
        file_size_limit((tmp_path / "journal.db-wal").stat().st_size),
        pytest.raises(
            JournalUnavailable, match=r"journal\.db could not be written: OperationalError: "
        ) as failed,
    ):
        journal.append(lease, [done(1)])
    assert isinstance(failed.value.__cause__.orig, sqlite3.OperationalError)  # type: ignore[union-attr]
