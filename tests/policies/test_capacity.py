"""On-demand may be refused: where the chance is known, the fallback begins early enough; where not, some are late."""

import random
from dataclasses import replace

import pytest

from shoestring.domain.errors import NoCapacity
from shoestring.domain.facts import Completed, Intended
from shoestring.domain.fleet import Bounds, Launch
from shoestring.domain.lateness import LateCause
from shoestring.domain.run import Observation
from shoestring.domain.workload import Steps
from shoestring.policies.deadline import Deadline
from shoestring.policies.lateness import lateness
from shoestring.ports import JobSpec
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob
from shoestring.supervisor import Options
from shoestring.supervisor.view import Assumptions
from shoestring.testing import HOUR, World, a_workload, submit

GRANTED = 0.25  # of launches of on-demand capacity
TICK_S = 60.0
OPTIONS = Options(
    tick_s=TICK_S, assumptions=Assumptions(bounds=Bounds(boot_s=300.0, poll_gap_s=TICK_S, save_s=30.0))
)
SEEDS = range(24)


class Scarce(SimExecutor):
    """Grants a share of the launches of on-demand capacity."""

    dice = random.Random(0)

    def submit(self, spec: JobSpec) -> Observation:
        new = spec.token not in self.instances and spec.token not in self.refused
        if new and not spec.offer.market.preemptible and self.dice.random() >= GRANTED:
            self.refused[spec.token] = "insufficient capacity"
            raise NoCapacity(self.refused[spec.token])
        return super().submit(spec)


def lived(seed: int, *, known: bool) -> tuple[World, int]:
    """Spot for an hour and never again; how many launches were refused before the job ran on."""
    world = World({"us-east-1a": [(0.0, 1.0)]}, policy=Deadline(), options=OPTIONS,
                  job=SimJob(steps=3 * 3600, steps_per_s={"cpu": 1.0}, boot_s=120.0))  # fmt: skip
    offers = [
        o if o.market.preemptible or not known else replace(o, p_capacity=GRANTED)
        for o in world.engine.offers()
    ]
    engine = Scarce(world.clock, offers, world.engine.zones, world.job)
    engine.dice = random.Random(seed)
    world.executor = world.engine = engine
    work = Steps(steps=3 * 3600, steps_per_s={"cpu": 1.0})
    submit(world.journal, a_workload(work=work, deadline_s=6 * HOUR))
    world.supervisor().run(max_ticks=int(20 * HOUR / TICK_S))
    facts = [entry.fact for entry in world.journal.read()]
    return world, sum(isinstance(f, Completed) and f.result == "no_capacity" for f in facts)


def first_launch_h(world: World) -> float:
    """When on-demand was first asked for."""
    facts = (entry.fact for entry in world.journal.read())
    asked = (
        f for f in facts
        if isinstance(f, Intended) and isinstance(f.action, Launch) and f.offer and not f.offer.market.preemptible
    )  # fmt: skip
    return (next(asked).at - world.clock.start).total_seconds() / HOUR


def test_the_chance_of_an_offer_reaches_the_policy() -> None:
    world, _ = lived(0, known=True)

    views = [e.fact.view for e in world.journal.read() if isinstance(e.fact, Intended) and e.fact.view]
    assert {view.p_capacity.get("sim/us-east-1a/on_demand") for view in views} <= {GRANTED, None}
    assert any(view.p_capacity for view in views)


def test_where_the_chance_is_known_nobody_is_late_and_where_it_is_not_capacity_is_to_blame() -> None:
    late: dict[bool, list[LateCause]] = {True: [], False: []}
    refusals = 0
    for seed in SEEDS:
        for known in (True, False):
            world, refused = lived(seed, known=known)
            refusals += refused
            found = lateness([e.fact for e in world.journal.read()], "run", world.clock.now())
            if found is not None:
                late[known].append(found.cause)

    assert refusals > len(SEEDS)
    assert late[True] == []
    assert set(late[False]) == {LateCause.CAPACITY}


def test_the_fallback_begins_earlier_the_scarcer_it_is() -> None:
    assert first_launch_h(lived(1, known=True)[0]) < first_launch_h(lived(1, known=False)[0]) - 0.3


@pytest.mark.parametrize("times", [1, 3, 9])
def test_guaranteed_capacity_under_a_deadline_never_rests_longer_than_the_guard_counts_with(
    times: int,
) -> None:
    world, _ = lived(0, known=True)
    supervisor = world.supervisor()
    [run] = supervisor.book.runs.values()
    offer = next(o for o in supervisor.offers.values() if not o.market.preemptible)
    run.refused[offer.id] = (times, world.clock.now())
    world.clock.sleep(OPTIONS.retry_s)

    assert offer.id in supervisor.eligibility.offers_for(run, supervisor.offers, world.clock.now())
