"""Two leaders contend for one journal: paused, skewed, resumed. The fenced one never writes.

Each schedule is drawn from its seed and compared, step by step, with a model of a few lines.
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from shoestring.domain.errors import StaleLeader
from shoestring.domain.facts import Fact
from shoestring.ports import Journal, Lease
from tests.contract.journals import KINDS, Times, a_request, done, opener

SCHEDULES = int(os.environ.get("SHOESTRING_LEADER_SCHEDULES", "200"))
STEPS = 40
TTL_S = 10.0


class Contest:
    """Two leaders on one journal, and what it must hold by the model.

    Args:
        after: entries of the contests before. epoch: the highest so far.
    """

    def __init__(self, seed: int, handles: list[Journal], times: Times, *, after: int, epoch: int) -> None:
        self.after = after
        self.random = random.Random(seed)
        self.handles, self.times = handles, times
        self.skews = [self.random.choice([0.0, 0.0, -TTL_S, TTL_S, 86_400.0, -86_400.0]) for _ in range(2)]
        self.leases: list[Lease | None] = [None, None]
        self.leader: tuple[int, int] | None = None  # who, and with which epoch
        self.epochs = [epoch]
        self.facts: list[tuple[int, Fact]] = []
        self.waiting: list[Fact] = []
        self.number = 0
        self.seen: Counter[str] = Counter()

    def step(self) -> None:
        who = self.random.randrange(2)
        self.times.skew_s = self.skews[who]
        lease = self.leases[who]
        name = self.random.choice(
            ("pause", "jump", "ask", *["acquire"] * 2, *["write"] * 4, "renew", "release")
        )
        if name == "pause":  # nobody runs for a while, as after SIGSTOP or a suspended laptop
            self.times.passed_s += self.random.choice((0.1, TTL_S / 2, TTL_S, 2 * TTL_S))
        elif name == "jump":
            self.skews[who] += self.random.choice((-1, 1)) * self.random.choice((1.0, TTL_S, 86_400.0))
        elif name == "ask":
            self.waiting.append(a_request(self._next()))
            self.handles[who].ask(self.waiting[-1])  # type: ignore[arg-type]
        elif name == "acquire":
            self.acquire(who)
        elif lease is not None:
            self.lead(who, lease, name)
        self.times.passed_s += self.random.random()

    def acquire(self, who: int) -> None:
        lease = self.handles[who].acquire(f"leader-{who}", TTL_S)
        if lease is None:
            assert self.leader is not None and self.leader[0] != who, "a free lease was refused"
            self.seen["refused"] += 1
            return
        assert lease.epoch > max(self.epochs), "epochs grow"
        self.seen["taken over"] += self.leader is not None and self.leader[0] != who
        self.epochs.append(lease.epoch)
        self.leases[who], self.leader = lease, (who, lease.epoch)

    def lead(self, who: int, lease: Lease, name: str) -> None:
        """Do what a leader does, with whatever lease it believes to hold."""
        journal, leads = self.handles[who], self.leader == (who, lease.epoch)
        requests = list(journal.asked()) if name == "write" and self.random.random() < 0.5 else []
        facts = [done(self._next()) for _ in range(self.random.randrange(1, 4))]
        taken = [fact for _, fact in requests]
        try:
            if name == "renew":
                self.leases[who] = journal.renew(lease, TTL_S)
            elif name == "release":
                journal.release(lease)
            elif requests:
                journal.take(lease, [number for number, _ in requests], [*taken, *facts])
            else:
                journal.append(lease, facts)
        except StaleLeader:
            assert not leads, "the leader was fenced"
            self.seen[f"fenced {name}"] += 1
            return
        assert leads or name == "release", "a fenced leader wrote"
        if name == "write":
            self.waiting = [fact for fact in self.waiting if fact not in taken]
            self.facts += [(lease.epoch, fact) for fact in (*taken, *facts)]
        elif name == "release" and leads:
            self.leases[who], self.leader = None, None

    def check(self) -> None:
        for journal in self.handles:
            entries = list(journal.read(self.after))
            assert [(entry.epoch, entry.fact) for entry in entries] == self.facts
            assert [entry.seq for entry in entries] == [self.after + n for n in range(1, len(entries) + 1)]
            assert [fact for _, fact in journal.asked()] == self.waiting
        assert [epoch for epoch, _ in self.facts] == sorted(epoch for epoch, _ in self.facts)

    def end(self) -> tuple[int, int]:
        """Leave a journal without leader or requests; its number of entries and its highest epoch."""
        self.times.skew_s, self.times.passed_s = 0.0, self.times.passed_s + 10 * 86_400.0
        lease = self.handles[0].acquire("janitor", TTL_S)
        assert lease is not None
        self.handles[0].take(lease, [number for number, _ in self.handles[0].asked()], [])
        self.handles[0].release(lease)
        return self.after + len(self.facts), lease.epoch

    def _next(self) -> int:
        self.number += 1
        return self.number


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "network"])
def test_two_leaders_never_write_at_once(
    kind: str, quick_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    times = Times()
    reopen = opener(kind, quick_folder, times, monkeypatch)
    handles = [reopen(), reopen()]
    after = epoch = 0
    for seed in range(SCHEDULES):
        contest = Contest(seed, handles, times, after=after, epoch=epoch)
        try:
            for _ in range(STEPS):
                contest.step()
            contest.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        after, epoch = contest.end()
        seen += contest.seen
    for handle in handles:
        handle.close()  # type: ignore[attr-defined]

    assert all(
        seen[name] >= SCHEDULES / 10 for name in ("refused", "taken over", "fenced write", "fenced renew")
    )
