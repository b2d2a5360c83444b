"""A gang of sixteen loses a node: the rest is held while that pays, and released when it does not."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from shoestring.domain.errors import NoCapacity
from shoestring.domain.facts import Intended
from shoestring.domain.fleet import Action, Hold, Launch, Release, Replace
from shoestring.domain.run import RunState
from shoestring.ledger.rate import rate_all
from shoestring.ledger.usage import usage_of_run
from shoestring.market.ages import age_classes
from shoestring.policies.base import Policy
from shoestring.policies.deadline import Deadline
from shoestring.policies.gang import expected_wait_s
from shoestring.policies.greedy import Greedy
from shoestring.policies.spot_failover import SpotFailover
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.sim.executor import SimExecutor
from shoestring.sim.zones import SpotZone
from shoestring.supervisor import Options, RunBook, Supervisor
from shoestring.testing import HOUR, World, a_workload

EAST, WEST = "us-east-1a", "us-west-1a"
NODES, TICK_S = 16, 60.0
LOST_S = 3 * HOUR + 500.0  # between two saves


class Reluctant(SimExecutor):
    """Lists capacity, and refuses single nodes until a moment."""

    until_s = 0.0

    def replace(self, token: str, epoch: int) -> None:
        if self.clock.elapsed_s < self.until_s:
            raise NoCapacity("no single node now")
        super().replace(token, epoch)


def lived(
    policy: Policy,
    *,
    full: tuple[tuple[float, float], ...] = (),
    refused_until_s: float = 0.0,
    deadline_h: float = 30.0,
    zones: tuple[str, ...] = (EAST, WEST),
) -> tuple[World, Supervisor, RunBook]:
    """Ten hours of work on sixteen nodes; the first zone takes one of them back after three hours."""
    world = World(
        {zone: [(0.0, 1000.0)] for zone in zones},
        policy=policy,
        options=Options(tick_s=TICK_S, backoff_s=120.0),
    )
    engine = Reluctant(world.clock, world.engine.offers(), world.engine.zones, world.job)
    engine.until_s = refused_until_s
    spot = f"sim/{EAST}/spot"
    seconds = tuple((a * HOUR, b * HOUR) for a, b in full)
    engine.zones = {
        **engine.zones,
        spot: SpotZone(price=Decimal(1), ups=((0.0, 4e6),), node_losses=((LOST_S, 1),), full=seconds),
    }
    world.executor = world.engine = engine
    supervisor = world.run(a_workload(num_nodes=NODES, deadline_s=deadline_h * HOUR), max_hours=60)
    return world, supervisor, supervisor.book.runs["run"]


def decided(world: World) -> list[Action]:
    facts = (entry.fact for entry in world.journal.read())
    return [fact.action for fact in facts if isinstance(fact, Intended)]


def charged(run: RunBook) -> Decimal:
    attempts = [attempt.value("run") for attempt in run.attempts]
    until = max(a.observation.terminated_at for a in attempts if a.observation.terminated_at)
    usage = usage_of_run(attempts, until=until, state=run.state, nodes=NODES)
    return sum(
        (c.amount_usd for c in rate_all([u for u in usage if u.kind == "compute"]).charges), Decimal(0)
    )


def test_a_node_that_can_be_had_is_replaced_and_the_rest_is_held() -> None:
    world, _, run = lived(Deadline())

    [replaced] = [a for a in decided(world) if isinstance(a, Replace)]
    assert replaced.reason.code == "replace_nodes" and replaced.reason.runner_up is not None
    assert replaced.reason.numbers["hold_usd"] <= replaced.reason.numbers["release_usd"]
    assert run.state is RunState.SUCCEEDED and len(run.attempts) == 1
    [lost] = run.attempts[0].observation.nodes_lost
    assert lost.count == 1 and lost.end is not None


def test_missing_nodes_are_not_billed_and_work_that_was_not_saved_is_paid_for_twice() -> None:
    world, _, run = lived(Deadline(), refused_until_s=LOST_S + 300, zones=(EAST,))

    [line] = world.engine.bill()
    [lost] = run.attempts[0].observation.nodes_lost
    assert lost.end is not None
    assert charged(run) == pytest.approx(line.amount_usd, abs=Decimal("1e-9"))
    whole = NODES * (line.end - line.start).total_seconds()
    assert float(line.amount_usd) == pytest.approx((whole - (lost.end - lost.start).total_seconds()) / 3600)
    seen = run.attempts[0].observation
    assert seen.spans[1].step_from < seen.spans[0].step_to  # goes on from what was saved


def test_a_node_refused_for_minutes_is_waited_for() -> None:
    world, _, run = lived(Deadline(), refused_until_s=LOST_S + 600, zones=(EAST,))

    actions = decided(world)
    assert len(run.attempts) == 1 and run.state is RunState.SUCCEEDED
    assert any(isinstance(a, Hold) and a.reason.code == "hold_gang" for a in actions)
    assert sum(isinstance(a, Replace) for a in actions) > 1


def test_a_node_refused_for_hours_is_waited_for_only_so_long() -> None:
    world, _, run = lived(Deadline(), refused_until_s=1000 * HOUR, zones=(EAST,))

    [released] = [a for a in decided(world) if isinstance(a, Release)]
    held_s = run.attempts[0].observation.terminated_at - run.attempts[0].observation.nodes_lost[0].start  # type: ignore[operator]
    assert released.reason.code == "release_gang"
    assert released.reason.numbers["hold_usd"] > released.reason.numbers["release_usd"]
    assert HOUR / 4 < held_s.total_seconds() < 4 * HOUR  # idle, it has cost no more than it could have saved
    assert run.state is RunState.SUCCEEDED


def test_without_capacity_in_its_zone_the_gang_goes_where_there_is() -> None:
    world, _, run = lived(Deadline(), full=((LOST_S / HOUR, 20.0),))

    [released] = [a for a in decided(world) if isinstance(a, Release)]
    assert released.reason.code == "release_gang" and released.to_offer_id == f"sim/{WEST}/spot"
    assert released.reason.numbers["idle_usd"] > 0
    assert [a.offer.place for a in run.attempts] == [EAST, WEST]
    lines = world.engine.bill()
    assert charged(run) == pytest.approx(sum(line.amount_usd for line in lines), abs=Decimal("1e-9"))


def test_without_time_the_gang_goes_to_guaranteed_capacity_whole() -> None:
    world, _, run = lived(Deadline(), full=((LOST_S / HOUR, 20.0),), deadline_h=11.0, zones=(EAST,))

    released = next(a for a in decided(world) if isinstance(a, Release))
    assert released.reason.code in ("release_gang", "deadline_guard")
    assert run.attempts[-1].offer.id == f"sim/{EAST}/on_demand"
    assert run.state is RunState.SUCCEEDED
    end = run.attempts[-1].observation.terminated_at
    assert run.deadline is not None and end is not None and end <= run.deadline


def test_uniform_progress_replaces_and_managed_jobs_start_again() -> None:
    world, _, kept = lived(UniformProgress())
    assert len(kept.attempts) == 1 and any(isinstance(a, Replace) for a in decided(world))

    for policy in (SpotFailover(), Greedy()):
        world, _, again = lived(policy)
        assert len(again.attempts) == 2 and again.state is RunState.SUCCEEDED
        assert sum(isinstance(a, Launch) for a in decided(world)) == 2


def test_the_expected_wait_is_longer_where_capacity_returns_more_seldom() -> None:
    ages = age_classes(600.0)
    waits = [expected_wait_s(np.full(ages.count, chance), ages, 0.0) for chance in (1.0, 0.5, 0.1, 0.0)]

    assert waits[:2] == pytest.approx([600.0, 1200.0])
    assert waits == sorted(waits) and waits[-1] == pytest.approx(24 * HOUR)


def test_a_leader_that_dies_while_the_gang_is_short_is_followed_by_one_that_decides_the_same() -> None:
    world, _, _ = lived(Deadline(), refused_until_s=LOST_S + 600)
    from tests.swarm.golden import rederived

    pairs = list(rederived([entry.fact for entry in world.journal.read()], replace(world.policy)))  # type: ignore[type-var]
    assert [(was, now) for was, now in pairs if was != now] == []
