"""A leader that dies right after it decided to suspend a waiting run leaves it suspended, not lost."""

from dataclasses import replace
from decimal import Decimal

from shoestring.domain.facts import Asked, Intended
from shoestring.domain.fleet import Reason, Suspend
from shoestring.domain.run import RunState
from shoestring.testing import HOUR, World, a_workload, submit


def test_the_next_leader_finishes_the_suspension_and_the_run_can_be_resumed() -> None:
    world = World({"us-east-1a": [(5.0, 1000.0)]})
    submit(world.journal, a_workload())
    first = world.supervisor()
    first.tick()
    [held] = [e.fact for e in world.journal.read() if isinstance(e.fact, Intended)]
    why = Reason(code="budget", text="no money is left")
    action = Suspend(run_id="run", cause="budget", reason=why)
    world.journal.append(first.lease, [replace(held, action=action, action_id="run:9", at=world.clock.now())])

    second = world.supervisor()
    second.tick()
    assert second.book.runs["run"].state is RunState.SUSPENDED and second.book.runs["run"].cause == "budget"

    world.journal.ask(Asked(run_id="run", at=world.clock.now(), what="resume", budget_usd=Decimal(100)))
    second.run(max_ticks=int(30 * HOUR / world.options.tick_s))
    assert second.book.runs["run"].state is RunState.SUCCEEDED
