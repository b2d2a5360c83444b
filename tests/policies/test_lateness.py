"""Who a late run is owed to, on worlds where one thing at a time goes beyond its bound."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from shoestring.domain.errors import NoCapacity
from shoestring.domain.facts import Asked
from shoestring.domain.fleet import Bounds
from shoestring.domain.lateness import LateCause, Lateness
from shoestring.domain.run import Observation, RunState
from shoestring.domain.workload import Steps
from shoestring.policies.base import Policy
from shoestring.policies.deadline import Deadline
from shoestring.policies.lateness import lateness
from shoestring.policies.spot_failover import SpotFailover
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.ports import JobSpec
from shoestring.sim.clock import SimClock
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob
from shoestring.supervisor import Options
from shoestring.supervisor.view import Assumptions
from shoestring.testing import HOUR, World, a_workload, submit

TICK_S = 60.0
OPTIONS = Options(tick_s=TICK_S, assumptions=Assumptions(bounds=Bounds(boot_s=600.0, poll_gap_s=TICK_S)))
ZONE = "us-east-1a"
EVER = [(0.0, 1000.0)]


def world(ups: list[tuple[float, float]], *, policy: Policy | None = None, speed: float = 1.0) -> World:
    """One zone, a job of ten declared hours."""
    return World(
        {ZONE: ups}, policy=policy, options=OPTIONS, job=SimJob(steps=36_000, steps_per_s={"cpu": speed})
    )


def lived(
    given: World,
    deadline_h: float,
    *,
    away_h: tuple[float, float] | None = None,
    each: Callable[[World, float], None] = lambda world, at_h: None,
) -> Lateness | None:
    """Supervise to the end, nobody leading between the two hours of ``away_h``; what the journal says then."""
    work = Steps(steps=36_000, steps_per_s={"cpu": 1.0})
    submit(given.journal, a_workload(work=work, deadline_s=deadline_h * HOUR))
    leader = given.supervisor()
    for _ in range(int(60 * HOUR / TICK_S)):
        at_h = given.clock.elapsed_s / HOUR
        each(given, at_h)
        if away_h is not None and away_h[0] <= at_h < away_h[1]:
            given.clock.sleep((away_h[1] - at_h) * HOUR)
            given.journal.release(leader.lease)
            leader = given.supervisor("the next")
        leader.lease = given.journal.renew(leader.lease, 3600.0)
        leader.tick()
        if all(run.done for run in leader.book.runs.values()):
            break
        given.clock.sleep(TICK_S)
    facts = [entry.fact for entry in given.journal.read()]
    return lateness(facts, "run", given.clock.now())


def test_in_time_there_is_nothing_to_explain() -> None:
    assert lived(world(EVER), 12.0) is None


@pytest.mark.parametrize("policy", [UniformProgress(), Deadline()], ids=lambda p: p.name)
def test_a_fleet_that_nobody_led_is_late_by_its_supervisor(policy: Policy) -> None:
    found = lived(world([(0.0, 2.0)], policy=policy), 14.0, away_h=(1.9, 9.0))

    assert found is not None and found.late_s > 2 * HOUR
    assert found.cause is LateCause.SUPERVISOR
    assert 2 * HOUR < found.seconds[LateCause.SUPERVISOR] < 7.2 * HOUR
    assert LateCause.POLICY not in found.seconds


def test_an_absence_that_cost_nothing_is_not_blamed() -> None:
    """Nobody led while there was slack, and hours later the job turned out to be twice as long."""
    found = lived(world(EVER, speed=0.5), 16.0, away_h=(2.0, 3.0))

    assert found is not None and found.cause is LateCause.JOB
    assert LateCause.SUPERVISOR not in found.seconds


class OutOfCapacity(SimExecutor):
    """On-demand is listed and refused until an hour."""

    until_h = 0.0

    def submit(self, spec: JobSpec) -> Observation:
        if not spec.offer.market.preemptible and self.clock.elapsed_s < self.until_h * HOUR:
            raise NoCapacity("insufficient capacity")
        return super().submit(spec)


@pytest.mark.parametrize("policy", [UniformProgress(), Deadline()], ids=lambda p: p.name)
def test_on_demand_that_is_refused_for_hours_is_late_by_capacity(policy: Policy) -> None:
    given = world([(0.0, 1.0)], policy=policy)
    engine = OutOfCapacity(given.clock, given.engine.offers(), given.engine.zones, given.job)
    engine.until_h = 8.0
    given.executor = given.engine = engine

    found = lived(given, 13.0)

    assert found is not None and found.late_s > HOUR
    assert found.cause is LateCause.CAPACITY
    assert set(found.seconds) == {LateCause.CAPACITY}


def test_guaranteed_capacity_that_boots_for_hours_is_late_by_capacity() -> None:
    given = World(
        {ZONE: [(0.0, 0.1)]},
        options=OPTIONS,
        job=SimJob(steps=36_000, steps_per_s={"cpu": 1.0}, boot_s=3 * HOUR),
    )

    found = lived(given, 12.5)

    assert found is not None and found.cause is LateCause.CAPACITY


def test_a_policy_that_knows_no_deadline_is_late_by_itself() -> None:
    found = lived(world([(0.0, 3.0), (9.0, 1000.0)], policy=SpotFailover()), 12.0)

    assert found is not None and found.late_s > 3 * HOUR
    assert found.cause is LateCause.POLICY


def test_a_job_that_is_slower_than_it_says_is_late_by_itself() -> None:
    found = lived(world(EVER, speed=0.6), 12.0)

    assert found is not None and found.cause is LateCause.JOB


def test_a_deadline_that_nobody_could_meet_was_asked_for() -> None:
    found = lived(world(EVER), 8.0)

    assert found is not None and found.cause is LateCause.ASKED
    assert found.seconds[LateCause.ASKED] == pytest.approx(2 * HOUR, rel=0.1)


def test_a_run_that_people_stopped_is_late_by_request() -> None:
    asks = {2.0: "suspend", 9.0: "resume"}

    def each(given: World, at_h: float) -> None:
        for hour in [h for h in asks if h <= at_h]:
            given.journal.ask(Asked(run_id="run", at=given.clock.now(), what=asks.pop(hour), user="me"))

    found = lived(world(EVER), 12.0, each=each)

    assert found is not None and found.cause is LateCause.ASKED
    assert found.seconds[LateCause.ASKED] > 4 * HOUR


def test_a_run_that_never_came_to_an_end_is_late_by_what_ended_it() -> None:
    def each(given: World, at_h: float) -> None:
        if at_h == 2.0:
            given.journal.ask(Asked(run_id="run", at=given.clock.now(), what="cancel", user="me"))

    given = world(EVER)
    found = lived(given, 12.0, each=each)

    assert found is not None and found.cause is LateCause.ASKED
    assert f"{RunState.CANCELLED}" in found.text


def test_a_supervisor_whose_clock_was_a_day_behind_is_late_by_it() -> None:
    given = world([(0.0, 2.0)])
    right = given.clock.now

    class Behind(SimClock):
        def now(self) -> datetime:
            return right() - timedelta(hours=24) if 1.5 * HOUR < given.clock.elapsed_s < 8 * HOUR else right()

    submit(given.journal, a_workload(deadline_s=13 * HOUR))
    leader = given.supervisor()
    leader.clock = Behind()
    for _ in range(int(30 * HOUR / TICK_S)):
        leader.lease = given.journal.renew(leader.lease, 3600.0)
        leader.tick()
        given.clock.sleep(TICK_S)

    found = lateness([entry.fact for entry in given.journal.read()], "run", given.clock.now())

    assert found is not None and found.cause is LateCause.SUPERVISOR


def test_a_run_that_nobody_ever_took_is_late_by_its_supervisor() -> None:
    given = world(EVER)
    submit(given.journal, a_workload(deadline_s=11 * HOUR))
    lease = given.journal.acquire("nobody", 10.0)
    assert lease is not None
    [(number, fact)] = given.journal.asked()
    given.journal.take(lease, [number], [fact])
    given.clock.sleep(12 * HOUR)

    found = lateness([entry.fact for entry in given.journal.read()], "run", given.clock.now())

    assert found is not None and found.cause is LateCause.SUPERVISOR and found.late_s == HOUR
