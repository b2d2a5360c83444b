"""Given a market, when the production loop runs a job on it, then the job ends well. No processes."""

from datetime import timedelta
from decimal import Decimal

import pytest

from shoestring.domain.facts import Intended
from shoestring.domain.fleet import Hold, Launch
from shoestring.domain.run import ExitKind, RunState
from shoestring.domain.workload import Steps
from shoestring.sim.clock import EPOCH
from shoestring.sim.instance import Instance
from shoestring.supervisor import Supervisor
from shoestring.testing import World, a_workload, submit
from shoestring.workflows.status import moves, preemptions


def test_a_job_on_steady_spot_ends_on_its_first_instance() -> None:
    world = World({"us-east-1a": [(0, 1000)]})

    run = world.run(a_workload()).book.runs["run"]

    assert run.state is RunState.SUCCEEDED
    assert len(run.attempts) == 1
    assert run.attempts[0].offer.id == "sim/us-east-1a/spot"


def test_preempted_work_goes_on_from_the_newest_checkpoint_in_another_zone() -> None:
    world = World({"us-east-1a": [(0, 3)], "us-east-1b": [(2, 1000)]})

    run = world.run(a_workload()).book.runs["run"]

    assert run.state is RunState.SUCCEEDED
    assert preemptions(run) == 1 and moves(run) == 1
    first, second = run.attempts
    assert second.observation.restores[0].step == first.observation.checkpoints[-1].step


def test_with_a_deadline_the_job_falls_back_to_on_demand_and_is_in_time() -> None:
    world = World({"us-east-1a": [(0, 2)]})

    run = world.run(a_workload(deadline_s=14 * 3600)).book.runs["run"]

    assert run.state is RunState.SUCCEEDED
    end = run.attempts[-1].observation.terminated_at
    assert end is not None and end <= EPOCH + timedelta(hours=14)
    assert run.attempts[-1].offer.id == "sim/us-east-1a/on_demand"


def test_every_decision_is_journaled_with_its_reason_before_it_is_carried_out() -> None:
    world = World({"us-east-1a": [(0, 3), (5, 1000)]})
    world.run(a_workload(deadline_s=40 * 3600))

    intents = [e.fact for e in world.journal.read() if isinstance(e.fact, Intended)]

    assert {type(i.action) for i in intents} == {Hold, Launch}
    assert all(i.action.reason.text and i.view is not None for i in intents)
    launched = {i.token for i in intents if isinstance(i.action, Launch)}
    assert set(world.engine.instances) <= launched


def test_cancel_saves_gives_the_instance_back_and_is_final() -> None:
    from shoestring.domain.facts import Asked

    world = World({"us-east-1a": [(0, 1000)]})
    submit(world.journal, a_workload())
    supervisor = world.supervisor()
    supervisor.run(max_ticks=90)
    world.journal.ask(Asked(run_id="run", at=world.clock.now(), what="cancel", user="me"))
    supervisor.run(max_ticks=20)
    world.journal.ask(Asked(run_id="run", at=world.clock.now(), what="resume", user="me"))
    supervisor.run(max_ticks=5)

    run = supervisor.book.runs["run"]
    assert run.state is RunState.CANCELLED
    assert run.attempts[-1].observation.exit is not None
    assert run.attempts[-1].observation.exit.kind is ExitKind.STOPPED
    assert run.attempts[-1].observation.checkpoints[-1].trigger == "sigterm"
    assert world.engine.alive() == ()


def test_a_run_that_would_pass_its_budget_is_suspended_saved_and_goes_on_with_a_higher_one() -> None:
    from shoestring.domain.facts import Asked

    world = World({"us-east-1a": [(0, 1000)]}, spot_usd="1.00")
    submit(world.journal, a_workload(budget_usd=Decimal(4)))
    supervisor = world.supervisor()
    supervisor.spent_usd = lambda run, now: float(sum(line.amount_usd for line in world.engine.bill()))
    assert supervisor.run(max_ticks=600)
    run = supervisor.book.runs["run"]

    assert run.state is RunState.SUSPENDED and run.cause == "budget"
    assert run.attempts[-1].observation.checkpoints[-1].trigger == "sigterm"
    assert sum(line.amount_usd for line in world.engine.bill()) <= Decimal(4)

    world.journal.ask(
        Asked(run_id="run", at=world.clock.now(), what="resume", user="me", budget_usd=Decimal(40))
    )
    assert supervisor.run(max_ticks=1200)
    assert run.state is RunState.SUCCEEDED


def test_a_leader_that_dies_is_followed_by_one_that_adopts_the_running_attempt() -> None:
    world = World({"us-east-1a": [(0, 1000)]})
    submit(world.journal, a_workload())
    first = world.supervisor("first")
    first.run(max_ticks=60)
    world.journal.release(first.lease)  # what a lease's end amounts to

    second = world.supervisor("second")
    second.run(max_ticks=2000)

    assert second.book.runs["run"].state is RunState.SUCCEEDED
    assert len(world.engine.instances) == 1


def test_the_same_market_gives_the_same_journal() -> None:
    def journal() -> list[object]:
        world = World({"us-east-1a": [(0, 3), (6, 9), (12, 1000)], "us-east-1b": [(4, 7)]})
        world.run(a_workload(deadline_s=30 * 3600))
        return [e.fact for e in world.journal.read()]

    assert journal() == journal()


def test_replaying_the_journal_decides_the_same_again() -> None:
    world = World({"us-east-1a": [(0, 3), (6, 9), (12, 1000)], "us-east-1b": [(4, 7)]})
    world.run(a_workload(deadline_s=20 * 3600))

    assert replayed_differently(world) == []


def replayed_differently(world: World) -> list[Intended]:
    """Intents that the policy, given what it saw then, would not decide again."""
    from shoestring.domain.facts import MarketSeen
    from shoestring.domain.fleet import FleetView

    offers, belief, different = {}, world.policy.start(), []
    for entry in world.journal.read():
        fact = entry.fact
        if isinstance(fact, MarketSeen):
            offers = offers | {o.id: o for o in fact.offers}
            belief = world.policy.update(belief, FleetView(now=fact.at, runs=(), offers=offers))
        elif isinstance(fact, Intended):
            assert fact.view is not None
            view = FleetView(now=fact.at, runs=(fact.view,), offers=offers)
            if world.policy.decide(belief, view) != (fact.action,):
                different.append(fact)
    return different


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_user_code_that_fails_is_retried_as_often_as_the_file_says_and_no_more(
    fails: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shoestring.domain.run import Exit, Observation, Outcome

    world = World({"us-east-1a": [(0, 1000)]})
    look = Instance.look
    broken = {f"run-{n}" for n in range(1, fails + 1)}

    def crashing(instance: Instance) -> Observation:
        seen = look(instance)
        if instance.spec.token in broken and world.clock.elapsed_s > instance.launched_s + 300:
            instance.ended_s = instance.ended_s or world.clock.elapsed_s
            end = Exit(kind=ExitKind.FAILED, at=world.clock.at(instance.ended_s), code=1)
            return Observation(
                attempt_id=instance.spec.attempt_id, outcome=Outcome.ENDED, exit=end,
                launched_at=world.clock.at(instance.launched_s), terminated_at=end.at,
            )  # fmt: skip
        return seen

    monkeypatch.setattr(Instance, "look", crashing)
    run = world.run(a_workload(max_restarts_on_errors=2)).book.runs["run"]

    assert run.state is (RunState.FAILED if fails > 2 else RunState.SUCCEEDED)
    assert len(run.attempts) == min(fails, 2) + 1


def test_unknown_speed_with_a_deadline_starts_where_nothing_is_taken_away() -> None:
    world = World({"us-east-1a": [(0, 1000)]})
    submit(world.journal, a_workload(work=Steps(steps=36_000), deadline_s=30 * 3600))
    supervisor: Supervisor = world.supervisor()
    supervisor.tick()

    assert supervisor.book.runs["run"].attempts[0].offer.id == "sim/us-east-1a/on_demand"
