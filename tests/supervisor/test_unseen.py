"""Given an engine that hides an instance, when the loop looks for it, then nothing is doubled or left unpaid."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from shoestring.domain.run import ExitKind, Observation, Outcome, RunState
from shoestring.ports import JobSpec, LiveInstance
from shoestring.sim.clock import SimClock
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob
from shoestring.supervisor import Options, Supervisor
from shoestring.supervisor.book import AttemptBook
from shoestring.supervisor.unseen import Step, awaited, settle
from shoestring.testing import World, a_workload, submit
from tests.faults.crash import violations
from tests.ledger.making import at
from tests.supervisor.making import launch, run_of

OPTIONS = Options(tick_s=60.0, sweep_s=240.0, visible_s=120.0, backoff_s=300.0)
JOB = SimJob(steps=7200, steps_per_s={"cpu": 1.0})


class Hiding:
    """An engine that lists its first ``count`` instances only ``hidden_s`` seconds after they were launched."""

    def __init__(self, engine: SimExecutor, hidden_s: float, count: int = 1) -> None:
        self._engine, self._hidden_s, self._count = engine, hidden_s, count
        self._from: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def submit(self, spec: JobSpec) -> Observation:
        if len(self._from) < self._count:
            self._from.setdefault(spec.token, self._engine.clock.elapsed_s + self._hidden_s)
        seen = self._engine.submit(spec)
        return Observation(attempt_id=seen.attempt_id, outcome=seen.outcome)

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        return {t: seen for t, seen in self._engine.poll(tokens).items() if self._shows(t)}

    def alive(self) -> tuple[LiveInstance, ...]:
        return tuple(i for i in self._engine.alive() if self._shows(i.token))

    def _shows(self, token: str) -> bool:
        return self._engine.clock.elapsed_s >= self._from.get(token, 0.0)


def supervised(hidden_s: float, *, count: int = 1, crash_at: int | None = None) -> tuple[World, Supervisor]:
    """One job on steady spot, to its end; at tick ``crash_at`` a new leader takes over."""
    world = World({"us-east-1a": [(0, 1000)]}, job=JOB, options=OPTIONS)
    world.executor = Hiding(world.engine, hidden_s, count)  # type: ignore[assignment]
    submit(world.journal, a_workload(work=None))
    supervisor = world.supervisor()
    if crash_at is not None:
        supervisor.run(max_ticks=crash_at)
        supervisor = world.supervisor()
    assert supervisor.run(max_ticks=600)
    return world, supervisor


def test_an_instance_that_shows_late_is_waited_for() -> None:
    world, supervisor = supervised(hidden_s=100.0)

    (run,) = supervisor.book.runs.values()
    assert run.state is RunState.SUCCEEDED and len(run.attempts) == 1
    assert list(violations(world, supervisor)) == []


def test_one_that_shows_only_after_it_was_given_up_is_charged_and_never_doubled() -> None:
    world, supervisor = supervised(hidden_s=1200.0)

    (run,) = supervisor.book.runs.values()
    first, second = run.attempts[:2]
    assert run.state is RunState.SUCCEEDED
    assert first.observation.exit is not None and first.observation.exit.kind is ExitKind.STOPPED
    assert first.observation.launched_at is not None and second.observation.launched_at is not None
    assert list(violations(world, supervisor)) == []


def test_a_new_leader_goes_on_looking_for_it() -> None:
    world, supervisor = supervised(hidden_s=1200.0, crash_at=12)

    assert list(violations(world, supervisor)) == []
    assert supervisor.book.given_up == {}


def test_an_offer_whose_launches_never_show_is_left_alone_for_ever_longer() -> None:
    _, supervisor = supervised(hidden_s=1e9, count=5)

    (run,) = supervisor.book.runs.values()
    by_offer: dict[str, list[datetime]] = {}
    for attempt in run.attempts:
        by_offer.setdefault(attempt.offer.id, []).append(attempt.intended_at)
    for asked in by_offer.values():
        waits = [(b - a).total_seconds() for a, b in pairwise(asked)]
        given_up_after = 2 * OPTIONS.visible_s
        assert all(w >= given_up_after + OPTIONS.backoff_s * 2**n for n, w in enumerate(waits[:2]))
    assert len(run.attempts) >= 6 and run.state is RunState.SUCCEEDED


def test_one_launched_while_the_clock_was_a_day_behind_is_charged_too() -> None:
    """Once the clock is right again the launch looks a day old, and must be looked for all the same."""
    world = World({"us-east-1a": [(0, 1000)]}, job=JOB, options=OPTIONS)
    world.clock.sleep(25 * 3600.0)
    world.executor = Hiding(world.engine, 900.0)  # type: ignore[assignment]
    submit(world.journal, a_workload(work=None))
    supervisor = world.supervisor()

    class Behind(SimClock):
        def now(self) -> datetime:
            return world.clock.now() - timedelta(days=1)

    supervisor.clock = Behind()
    assert not supervisor.run(max_ticks=6)
    supervisor.clock = world.clock
    assert supervisor.run(max_ticks=600)

    (run,) = supervisor.book.runs.values()
    assert run.state is RunState.SUCCEEDED and run.attempts[0].observation.launched_at is not None
    assert list(violations(world, supervisor)) == []


def launched_at(second: float, **more: Any) -> AttemptBook:
    """A launch that was asked for at this second and is not listed."""
    (attempt,) = run_of(launch(1, second)).attempts
    for name, value in more.items():
        setattr(attempt, name, value)
    return attempt


def test_a_launch_is_waited_for_then_barred_then_waited_for_once_more() -> None:
    fresh, barred = launched_at(1000), launched_at(1000, stop_sent=True)
    assert settle(fresh, at(1119), 120.0) == (Step.WAIT, None)
    assert settle(fresh, at(1120), 120.0) == (Step.BAR, None)
    assert settle(fresh, at(9999), 120.0) == (Step.BAR, None), "never given up before its token is barred"
    assert settle(barred, at(1119), 120.0) == (Step.WAIT, None)
    assert settle(barred, at(1239), 120.0) == (Step.WAIT, None)
    step, taken_for = settle(barred, at(1240), 120.0)
    assert step is Step.GIVE_UP and taken_for is not None and taken_for.exit is not None
    assert (taken_for.outcome, taken_for.exit.kind, taken_for.exit.at) == (
        Outcome.ENDED,
        ExitKind.NO_START,
        at(1240),
    )
    assert taken_for.terminated_at is None, "nothing of it was ever billed"


def test_one_that_was_billed_and_is_no_longer_listed_is_lost_at_once() -> None:
    seen = Observation(attempt_id="r-1", outcome=Outcome.RUNNING, launched_at=at(1001))
    fresh, barred = launched_at(1000, observation=seen), launched_at(1000, observation=seen, stop_sent=True)
    assert settle(fresh, at(1002), 120.0) == (Step.BAR, None)
    step, taken_for = settle(barred, at(1003), 120.0)
    assert step is Step.GIVE_UP and taken_for is not None and taken_for.exit is not None
    assert (taken_for.exit.kind, taken_for.terminated_at) == (ExitKind.LOST, at(1003))
    assert taken_for.launched_at == at(1001), "what was seen of it stays"


def test_what_was_given_up_is_looked_for_so_many_seconds_and_so_many_looks() -> None:
    """Thirty times the ten seconds in which a launch is listed: 300 s, or thirty looks ten seconds apart."""
    running = launched_at(0)
    assert awaited(running, at(10_000), 10.0, 10.0) and running.looks == 0
    gone = Observation(attempt_id="r-1", outcome=Outcome.ENDED)
    assert awaited(launched_at(0, observation=gone, looks=500), at(299), 10.0, 10.0)
    assert not awaited(launched_at(0, observation=gone, looks=500), at(300), 10.0, 10.0)
    few = launched_at(0, observation=gone)
    looks = [awaited(few, at(10_000), 10.0, 10.0) for _ in range(40)]
    assert looks == [True] * 29 + [False] * 11
