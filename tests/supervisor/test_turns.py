"""One turn of the loop at a time: what is refused, who is away, what people asked for in between."""

from collections.abc import Sequence
from typing import Any

import pytest

from shoestring.domain.errors import BadInput, ExecutorUnavailable, StaleLeader
from shoestring.domain.facts import Asked, Completed, Fact, Intended, MarketSeen, StateChanged
from shoestring.domain.fleet import Action, FleetView, Launch, Reason, Save
from shoestring.domain.run import ExitKind, Outcome, RunState
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.supervisor import Options
from shoestring.testing import World, a_workload, submit

UP = {"us-east-1a": [(0.0, 1000.0)]}
WHY = Reason(code="test", text="test")


class Wants:
    """A policy that wants something first, and then decides as ever."""

    name, version = "wants", 1

    def __init__(self, *first: Action) -> None:
        self.first, self.usual = list(first), UniformProgress()

    def start(self) -> Any:
        return self.usual.start()

    def update(self, belief: Any, view: FleetView) -> Any:
        return self.usual.update(belief, view)

    def decide(self, belief: Any, view: FleetView) -> Sequence[Action]:
        return (self.first.pop(0),) if self.first and view.runs else self.usual.decide(belief, view)


def facts(world: World, kind: type[Fact]) -> list[Any]:
    return [e.fact for e in world.journal.read() if isinstance(e.fact, kind)]


def ask(world: World, what: str) -> None:
    world.journal.ask(Asked(run_id="run", at=world.clock.now(), what=what, user="me"))


def test_a_launch_that_the_recheck_refuses_is_told_and_nothing_starts() -> None:
    wrong = Launch(run_id="run", offer_id="sim/us-east-1a/spot", reason=WHY)
    world = World(UP, policy=Wants(wrong))
    submit(world.journal, a_workload(), allow_unproven_resume=False)
    supervisor = world.supervisor()
    report = supervisor.tick()

    run = supervisor.book.runs["run"]
    (came,) = facts(world, Completed)
    assert came.result == "refused" and "resume" in came.detail
    assert report.actions == (wrong,) and report.decisions == 1 and not report.finished
    assert world.engine.instances == {} and run.state is RunState.WAITING and run.refused == {}
    end = run.attempts[0].observation.exit
    assert end is not None and (end.kind, end.detail) == (ExitKind.NO_START, f"refused: {came.detail}")
    supervisor.tick()
    assert [a.offer.id for a in run.attempts] == ["sim/us-east-1a/spot", "sim/us-east-1a/on_demand"]


@pytest.mark.parametrize(
    ("error", "result", "attempts"),
    [
        (BadInput("no such image", next_step="x"), "refused", 0),
        (ExecutorUnavailable("no answer"), "unknown", 1),
    ],
)
def test_what_an_engine_says_to_a_launch(
    error: Exception, result: str, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(UP)
    submit(world.journal, a_workload())
    supervisor = world.supervisor()

    def says(spec: object) -> None:
        raise error

    monkeypatch.setattr(world.engine, "submit", says)
    supervisor.tick()
    (came,) = facts(world, Completed)
    run = supervisor.book.runs["run"]
    assert (came.result, came.detail) == (result, str(error))
    assert run.state is (RunState.RUNNING if attempts else RunState.WAITING)
    assert (run.live is not None) == bool(attempts), "what may have started is looked for"


def test_capacity_that_is_not_there_is_told_and_the_offer_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(UP, options=Options(tick_s=60.0, backoff_s=100.0))
    submit(world.journal, a_workload())
    supervisor = world.supervisor()
    spot = world.engine.zones["sim/us-east-1a/spot"]
    monkeypatch.setattr(type(spot), "available", lambda zone, at_s: True)
    supervisor.lookout.market(world.clock.now())
    monkeypatch.setattr(world.engine, "refused", {"run-1": "sold out"})
    supervisor.tick()
    run = supervisor.book.runs["run"]
    (came,) = facts(world, Completed)
    assert (came.result, came.detail) == ("no_capacity", "sold out")
    assert run.refused == {"sim/us-east-1a/spot": (1, world.clock.now())}
    assert run.state is RunState.WAITING and facts(world, StateChanged) == []
    view = supervisor.tick().view
    assert view.runs[0].eligible == ("sim/us-east-1a/on_demand",)


def test_a_leader_that_is_told_that_it_is_none_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(UP)
    submit(world.journal, a_workload())
    supervisor = world.supervisor()

    def stale(spec: object) -> None:
        raise StaleLeader("another leads")

    monkeypatch.setattr(world.engine, "submit", stale)
    with pytest.raises(StaleLeader):
        supervisor.tick()
    assert facts(world, Completed) == []


def test_an_engine_that_is_away_is_named_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(UP)
    submit(world.journal, a_workload())
    supervisor = world.supervisor()
    supervisor.tick()
    offers, poll = world.engine.offers, world.engine.poll

    def silent(*args: object) -> None:
        raise ExecutorUnavailable("timed out")

    monkeypatch.setattr(world.engine, "offers", silent)
    monkeypatch.setattr(world.engine, "poll", silent)
    supervisor.tick()
    live = supervisor.book.runs["run"].live
    assert supervisor.away == {"sim": "timed out"}
    assert live is not None and live.observation.outcome is Outcome.UNKNOWN
    assert live.observation.detail == "timed out" and live.observation.launched_at is not None
    monkeypatch.setattr(world.engine, "offers", offers)
    monkeypatch.setattr(world.engine, "poll", poll)
    supervisor.tick()
    assert supervisor.away == {} and live.observation.outcome is Outcome.RUNNING


def test_a_run_that_waits_is_cancelled_or_suspended_at_once_and_hears_nothing_afterwards() -> None:
    world = World({"us-east-1a": [(500.0, 1000.0)]})
    submit(world.journal, a_workload())
    supervisor = world.supervisor()
    supervisor.tick()
    ask(world, "suspend")
    assert supervisor.tick().finished, "parked"
    run = supervisor.book.runs["run"]
    assert (run.state, run.cause) == (RunState.SUSPENDED, "asked by me")
    ask(world, "resume")
    assert not supervisor.tick().finished and run.state is RunState.WAITING
    ask(world, "cancel")
    assert supervisor.tick().finished and run.state is RunState.CANCELLED
    ask(world, "resume")
    supervisor.tick()
    assert run.state is RunState.CANCELLED
    assert [a.what for a in facts(world, Asked)] == ["suspend", "resume", "cancel"]
    assert world.journal.asked() == (), "a request to a run that is over is taken and not written down"


def test_a_request_about_a_run_nobody_knows_is_taken_and_forgotten() -> None:
    world = World(UP)
    ask(world, "cancel")
    assert world.supervisor().tick().finished
    assert world.journal.asked() == () and facts(world, Asked) == []


def test_the_loop_ends_with_the_fleet_or_with_its_ticks_and_shows_each() -> None:
    world = World(UP)
    submit(world.journal, a_workload())
    supervisor, shown = world.supervisor(), []
    assert not supervisor.run(max_ticks=5, each=lambda s, report: shown.append((s, report.now)))
    assert [(now - shown[0][1]).total_seconds() for _, now in shown] == [0, 60, 120, 180, 240]
    assert {s for s, _ in shown} == {supervisor}
    assert supervisor.run(max_ticks=2000)


def test_decisions_that_change_nothing_leave_no_line() -> None:
    world = World({"us-east-1a": [(500.0, 1000.0)]})
    submit(world.journal, a_workload())
    supervisor = world.supervisor()
    for _ in range(5):
        supervisor.tick()
    assert len(facts(world, Intended)) == 1 and len(facts(world, MarketSeen)) == 1


def test_a_job_is_asked_to_save_through_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(UP, policy=Wants())
    submit(world.journal, a_workload())
    supervisor, saved = world.supervisor(), []
    supervisor.run(max_ticks=30)
    monkeypatch.setattr(world.engine, "save", lambda token, epoch: saved.append((token, epoch)))
    supervisor.policy.first.append(Save(run_id="run", reason=WHY))  # type: ignore[attr-defined]
    supervisor.tick()
    assert saved == [("run-1", supervisor.lease.epoch)]
    assert [c.result for c in facts(world, Completed)] == ["done", "done"]
    run = supervisor.book.runs["run"]
    assert run.state is RunState.RUNNING and run.live is not None and run.live.stopping is None


def test_each_launch_is_told_by_number_token_and_offer() -> None:
    world = World({"us-east-1a": [(0, 3)], "us-east-1b": [(2, 1000)]})
    world.run(a_workload())
    launches = [i for i in facts(world, Intended) if isinstance(i.action, Launch)]
    assert [(i.attempt_number, i.attempt_id, i.token, i.action_id) for i in launches] == [
        (1, "run-1", "run-1", "run-1"),
        (2, "run-2", "run-2", "run-2"),
    ]
    others = [i.action_id for i in facts(world, Intended) if not isinstance(i.action, Launch)]
    assert len(set(others)) == len(others) and all(o.startswith("run:") for o in others)
    first = launches[0]
    assert first.view is not None and first.view.run_id == "run" and len(first.view_digest) == 16


def test_a_stop_that_is_said_again_is_said_only_by_a_leader_that_still_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing new is to be written then, so the lease is renewed first; any other turn's journal write tells."""
    world = World(UP)
    submit(world.journal, a_workload())
    supervisor, renewed, told = world.supervisor(), [], []
    supervisor.run(max_ticks=30)
    renew = world.journal.renew
    monkeypatch.setattr(world.journal, "renew", lambda *a: renewed.append(a) or renew(*a))

    def deaf(token: str, epoch: int, *, grace_s: float) -> None:
        told.append(len(renewed))
        raise ExecutorUnavailable("no answer")

    monkeypatch.setattr(world.engine, "cancel", deaf)
    supervisor.tick()
    assert renewed == [] == told, "without a stop there is nothing to renew for"
    ask(world, "cancel")
    for _ in range(4):
        supervisor.tick()
    assert told == [1, 2, 3, 4]


def test_what_holds_where_nobody_says_otherwise() -> None:
    told = Options()
    assert (told.tick_s, told.lease_s, told.grace_s, told.hang_s, told.linger_s) == (10, 10, 120, 1800, 600)
    assert (told.failures_max, told.backoff_s, told.backoff_max_s) == (3, 30, 1800)
    assert (told.sweep_s, told.orphan_grace_s, told.heartbeat_s, told.visible_s) == (120, 30, 600, 120)
    assert told.checkpoint_interval_s is None and told.retry_s == told.assumptions.bounds.retry_s
