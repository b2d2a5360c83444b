"""Orphans and paused leaders, in numbers: whatever an engine loses or a leader sleeps through, nothing is left over."""

import os
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from shoestring.domain.errors import ExecutorUnavailable, StaleLeader
from shoestring.domain.facts import Intended
from shoestring.domain.run import Observation
from shoestring.ports import JobSpec, LiveInstance
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob
from shoestring.store.memory import MemoryJournal
from shoestring.supervisor import Options
from shoestring.testing import World, a_workload, submit
from tests.faults.crash import violations

SOAK = int(os.environ.get("SHOESTRING_SOAK", "1"))
BATCHES, BATCH = 10, 100 * SOAK
JOB = SimJob(steps=1800, steps_per_s={"cpu": 1.0}, boot_s=120, interval_s=600)
OPTIONS = Options(tick_s=120.0, grace_s=60.0, sweep_s=240.0, orphan_grace_s=30.0, visible_s=120.0)


class LossyEngine:
    """An engine that loses answers after acting, shows instances late, and is slow to obey.

    Answers are lost while ``faults`` is on; instances show up to 60 s late throughout, as in real clouds.
    """

    def __init__(self, engine: SimExecutor, rng: random.Random) -> None:
        self._engine, self._rng, self.faults = engine, rng, True
        self._late: dict[str, float] = {}
        self.lost_answers = self.lost_cancels = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def submit(self, spec: JobSpec) -> Observation:
        seen = self._engine.submit(spec)
        self._late.setdefault(spec.token, self._engine.clock.elapsed_s + self._rng.uniform(0, 60))
        if self.faults and self._rng.random() < 0.5:
            self.lost_answers += 1
            raise ExecutorUnavailable("the answer was lost after the launch")
        return seen

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        if self.faults and self._rng.random() < 0.3:
            raise ExecutorUnavailable("no answer")
        return {t: s for t, s in self._engine.poll(tokens).items() if self._shows(t)}

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        if self.faults and self._rng.random() < 0.3:
            self.lost_cancels += 1
            raise ExecutorUnavailable("no answer, and not obeyed either")
        self._engine.cancel(token, epoch, grace_s=grace_s)

    def alive(self) -> tuple[LiveInstance, ...]:
        if self.faults and self._rng.random() < 0.3:
            raise ExecutorUnavailable("no answer")
        return tuple(i for i in self._engine.alive() if self._shows(i.token))

    def _shows(self, token: str) -> bool:
        return self._engine.clock.elapsed_s >= self._late.get(token, 0.0)


def orphan_case(seed: int) -> LossyEngine:
    """One run on a lossy engine, whose journal may even forget a launch; then the faults end."""
    rng = random.Random(seed)
    hours = sorted(rng.uniform(0, 4) for _ in range(6))
    ups = list(zip(hours[::2], hours[1::2], strict=True))
    world = World({"us-east-1a": [*ups, (5, 99)]}, job=JOB, options=OPTIONS)
    lossy = LossyEngine(world.engine, rng)
    world.executor = lossy  # type: ignore[assignment]
    submit(world.journal, a_workload(work=None))
    supervisor = world.supervisor()
    stray = f"gone-{seed}"  # launched by a leader whose journal was lost for ever
    for tick in range(400):
        if tick == 3:
            offer = next(o for o in world.engine.offers() if o.market.value == "on_demand")
            workload = a_workload(work=None)
            spec = JobSpec(
                run_id=stray, attempt_id=stray, attempt_number=1, token=stray, epoch=1, workload=workload, offer=offer
            )  # fmt: skip
            world.engine.submit(spec)
        if tick == 60:
            lossy.faults = False
        report = supervisor.tick()
        world.clock.sleep(OPTIONS.tick_s)
        if report.finished and tick > 80:
            break
    broken = list(violations(world, supervisor))
    left = [i.token for i in world.engine.alive()]
    assert left == [] and broken == [], f"seed {seed}: alive {left}, {broken}"
    return lossy


@pytest.mark.parametrize("batch", range(BATCHES))
def test_no_instance_outlives_the_sweep(batch: int) -> None:
    cases = [orphan_case(batch * BATCH + n) for n in range(BATCH)]

    assert sum(c.lost_answers for c in cases) > BATCH / 4, "the faults must have happened"


def paused_leader_case(seed: int) -> int:
    """Two leaders take turns being paused past their lease; acts of a fenced one that took effect (must be 0)."""
    rng = random.Random(seed)
    real = [0.0]
    world = World({"us-east-1a": [(0, 2), (2.5, 99)]}, job=JOB, options=OPTIONS)
    base = world.clock.start
    journal = MemoryJournal(now=lambda: base + timedelta(seconds=real[0]), monotonic=lambda: real[0])
    world.journal = journal
    submit(journal, a_workload(work=None))
    leaders: dict[str, Any] = {}
    fenced = 0
    for _ in range(60):
        name = rng.choice(("a", "b"))
        leader = leaders.get(name)
        try:
            if leader is None:
                lease = journal.acquire(name, 10.0)
                if lease is None:
                    real[0] += rng.uniform(0, 8)
                    continue
                leaders[name] = leader = world.supervisor.__func__(_leased(world, lease), name)  # type: ignore[attr-defined]
            before = (len(list(journal.read())), len(world.engine.instances))
            newest = max(other.lease.epoch for other in leaders.values() if other is not None)
            leader.tick()
            if leader.lease.epoch < newest:
                after = (len(list(journal.read())), len(world.engine.instances))
                fenced += after != before
        except StaleLeader:
            leaders[name] = None
        real[0] += rng.choice((1.0, 3.0, 15.0))  # 15 s is past the lease
        world.clock.sleep(OPTIONS.tick_s)
    tokens = [f.token for e in journal.read() if isinstance(f := e.fact, Intended) and f.token]
    assert len(tokens) == len(set(tokens)), f"seed {seed}: a token was used twice"
    return fenced


class _leased:
    def __init__(self, world: World, lease: Any) -> None:
        self._world, self._lease = world, lease

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    @property
    def journal(self) -> Any:
        lease, journal = self._lease, self._world.journal

        class Handed:
            def acquire(self, holder: str, ttl_s: float) -> Any:
                return lease

            def __getattr__(self, name: str) -> Any:
                return getattr(journal, name)

        return Handed()


def test_a_leader_that_slept_past_its_lease_writes_and_launches_nothing() -> None:
    assert sum(paused_leader_case(seed) for seed in range(200 * SOAK)) == 0
