"""Who a late run is owed to, on worlds where one thing at a time goes beyond its bound."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shoestring.domain.errors import NoCapacity
from shoestring.domain.facts import (
    Asked,
    Completed,
    Fact,
    Intended,
    MarketSeen,
    Observed,
    RunSubmitted,
    StateChanged,
)
from shoestring.domain.fleet import Action, AttemptView, Bounds, Hold, Launch, Phase, Reason, Release
from shoestring.domain.lateness import LateCause, Lateness
from shoestring.domain.offer import Market
from shoestring.domain.run import CheckpointFact, Exit, ExitKind, Observation, Outcome, ProgressSpan, RunState
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
from tests.policies.game import START, offer, run_view

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


# -- from facts alone: one cause at a time ----------------------------------------------------------------------

SAFE = offer("east-1a", Market.ON_DEMAND, 3.0)
SPOT = offer("east-1a", usd=1.0)
WHY = Reason(code="test", text="test")
BOUNDS = Bounds(boot_s=600.0, poll_gap_s=300.0, launch_retries=0, save_s=0.0)


def moment(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def told(*later: Fact, deadline_h: float = 10.0, now_h: float = 20.0) -> Lateness | None:
    """A run of eight hours that was submitted at hour 0, and what came after."""
    market = MarketSeen(at=START, offers=(SAFE, SPOT))
    sent = RunSubmitted(
        run_id="job", at=START, workload=a_workload(deadline_s=deadline_h * HOUR), executor="cloud",
        policy="p", code_sha256="0" * 64,
    )  # fmt: skip
    return lateness([market, sent, *later], "job", moment(now_h))


def decided(hours: float, action: Action, left_h: float, number: int = 1, **more: Any) -> Intended:
    view = run_view(
        8.0, 10.0, (SAFE.id, SPOT.id), work_left_s={"G": left_h * HOUR}, bounds=BOUNDS, restart_s=0.0, **more
    )
    launch = isinstance(action, Launch)
    return Intended(
        run_id="job", at=moment(hours), action_id=f"job-{number}", action=action, view_digest="", view=view,
        attempt_id=f"job-{number}" if launch else None, offer=SAFE if launch else None,
    )  # fmt: skip


def hold(hours: float, left_h: float, **more: Any) -> Intended:
    return decided(hours, Hold(run_id="job", reason=WHY), left_h, **more)


def launch(hours: float, left_h: float, **more: Any) -> Intended:
    return decided(hours, Launch(run_id="job", offer_id=SAFE.id, reason=WHY), left_h, **more)


def ended(hours: float, kind: ExitKind, *, number: int = 1, launched_h: float = 1.0, **more: Any) -> Observed:
    seen = Observation(
        attempt_id=f"job-{number}", outcome=Outcome.ENDED, launched_at=moment(launched_h),
        exit=Exit(kind=kind, at=moment(hours)), **more,
    )  # fmt: skip
    return Observed(run_id="job", at=moment(hours), observation=seen)


def became(hours: float, state: RunState) -> StateChanged:
    return StateChanged(run_id="job", at=moment(hours), state=state, cause="")


def test_without_a_deadline_nobody_is_late() -> None:
    sent = RunSubmitted(
        run_id="job", at=START, workload=a_workload(), executor="cloud", policy="p", code_sha256="0" * 64
    )
    assert lateness([sent], "job", moment(99)) is None


@pytest.mark.parametrize(
    ("state", "cause"), [(RunState.FAILED, LateCause.JOB), (RunState.CANCELLED, LateCause.ASKED)]
)
def test_what_will_never_be_done_is_late_by_what_ended_it(state: RunState, cause: LateCause) -> None:
    after = told(became(12.0, state))
    assert after is not None and (after.cause, after.late_s) == (cause, 2 * HOUR)
    before = told(became(3.0, state))
    assert before is not None and (before.cause, before.late_s) == (cause, 0.0)


def test_the_newest_deadline_counts() -> None:
    later = Asked(run_id="job", at=moment(1), what="resume", deadline=moment(19))
    found = told(hold(0.0, 8.0), later)
    assert found is not None and found.late_s == HOUR
    assert told(hold(0.0, 8.0), later, now_h=19.0) is None


def test_the_work_is_done_when_it_ended_whoever_noticed_it_when() -> None:
    done = [launch(0.0, 8.0), ended(10.0, ExitKind.DONE), became(15.0, RunState.SUCCEEDED)]
    assert told(*done) is None
    unseen = told(launch(0.0, 8.0), became(15.0, RunState.SUCCEEDED))
    assert unseen is not None and unseen.late_s == 5 * HOUR


def test_a_policy_that_waits_without_slack_answers_for_all_of_it() -> None:
    """Slack at hour 1 is 9 h - (8 h + 5 min + 10 min); at hour 2 there is none, and it waits until hour 14."""
    found = told(hold(1.0, 8.0), hold(2.0, 8.0), launch(14.0, 8.0, number=2), now_h=14.1)
    assert found is not None and found.cause is LateCause.POLICY
    assert found.seconds[LateCause.POLICY] == pytest.approx(
        12 * HOUR + 600.0
    )  # at hour 2 ten minutes had passed


def test_a_launch_that_was_refused_or_never_came_is_capacity() -> None:
    refused = Completed(run_id="job", at=moment(1.0), action_id="job-1", result="no_capacity")
    for facts in ([launch(1.0, 8.0), refused], [launch(1.0, 8.0)]):
        found = told(*facts, now_h=12.0)
        assert found is not None and found.cause is LateCause.CAPACITY
        assert found.seconds == {LateCause.CAPACITY: 11 * HOUR}


@pytest.mark.parametrize(
    ("kind", "cause"),
    [(ExitKind.FAILED, LateCause.JOB), (ExitKind.HUNG, LateCause.JOB), (ExitKind.LOST, LateCause.CAPACITY)],
)
def test_what_ended_guaranteed_capacity_owes_the_work_that_was_not_saved(
    kind: ExitKind, cause: LateCause
) -> None:
    """It trained from hour 1 to hour 6, saved at hour 2, and the next launch came at hour 6."""
    span = ProgressSpan(start=moment(1.1), end=moment(6.0), step_from=0, step_to=9)
    save = CheckpointFact(
        id="c",
        uri="u",
        manifest_sha256="0" * 64,
        at=moment(2.0),
        step=3,
        size_bytes=1,
        save_s=1.0,
        blocked_s=1.0,
    )
    gone = ended(6.0, kind, spans=(span,), checkpoints=(save,))
    found = told(launch(1.0, 8.0), gone, launch(6.0, 7.0, number=2), now_h=13.0)
    assert found is not None
    assert found.seconds[cause] - (7 * HOUR if cause is LateCause.CAPACITY else 0.0) == pytest.approx(
        4 * HOUR
    )


def test_a_job_that_takes_longer_than_was_known_answers_for_the_rest() -> None:
    span = ProgressSpan(start=moment(1.1), end=moment(12.1), step_from=0, step_to=9)
    found = told(
        launch(1.0, 8.0), ended(12.1, ExitKind.DONE, spans=(span,)), became(12.2, RunState.SUCCEEDED)
    )
    assert found is not None and found.cause is LateCause.JOB
    assert found.seconds[LateCause.JOB] == pytest.approx(3 * HOUR - 300.0)  # eleven hours instead of eight


def test_a_job_that_does_not_let_go_of_its_spot_answers_for_it() -> None:
    """It was told at hour 2 to make room for guaranteed capacity, and ended at hour 5."""
    held = AttemptView(
        attempt_id="job-1", offer_id=SPOT.id, place="east-1a", phase=Phase.TRAINING, age_s=HOUR
    )
    move = Release(run_id="job", to_offer_id=SAFE.id, reason=WHY)
    asked = decided(2.0, move, 8.0, number=2, attempt=held)
    came = ended(5.0, ExitKind.STOPPED, launched_h=0.5)
    found = told(hold(1.0, 8.0), asked, came, launch(5.0, 8.0, number=3), now_h=5.1, deadline_h=5.0)
    assert found is not None
    assert found.seconds[LateCause.JOB] == pytest.approx(3 * HOUR - 300.0)
    elsewhere = decided(2.0, replace(move, to_offer_id=SPOT.id), 8.0, number=2, attempt=held)
    blamed = told(hold(1.0, 8.0), elsewhere, came, launch(5.0, 8.0, number=3), now_h=5.1, deadline_h=5.0)
    assert blamed is not None and blamed.cause is LateCause.POLICY
    nobody_saw = told(hold(1.0, 8.0), asked, launch(5.0, 8.0, number=3), now_h=5.1, deadline_h=5.0)
    assert nobody_saw is not None and LateCause.JOB not in nobody_saw.seconds


def test_what_no_guaranteed_capacity_could_have_met_was_asked_for() -> None:
    found = told(launch(4.0, 8.0), now_h=12.2)  # six hours were left for eight hours of work
    assert found is not None and found.seconds[LateCause.ASKED] == pytest.approx(2 * HOUR)


def test_where_nothing_guaranteed_is_to_be_had_it_is_capacity() -> None:
    alone = replace(hold(1.0, 8.0), view=replace(hold(1.0, 8.0).view, eligible=(SPOT.id,)))  # type: ignore[type-var]
    found = told(alone, now_h=12.0)
    assert found is not None and found.seconds == {LateCause.CAPACITY: 11 * HOUR}
