"""Crashes at every door call: the loop dies before or after a journal write or an engine call, and is followed.

The doors are wrapped; the loop's code is untouched. `Plan` counts the calls, so a first run without a crash
tells how many points there are, and every one of them is then tried.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any

from shoestring.domain.facts import Completed, Intended, StateChanged
from shoestring.domain.fleet import Hold
from shoestring.ledger.rate import rate_all
from shoestring.ledger.usage import usage_of_run
from shoestring.supervisor import Supervisor
from shoestring.testing import World

JOURNAL_CALLS = ("append", "take", "renew")
ENGINE_CALLS = ("submit", "cancel", "poll", "save", "alive", "offers")
MAX_CRASHES = 8


class Crash(BaseException):
    """The process is gone; nothing may catch this."""


@dataclass
class Plan:
    """Where to die: sorted (call number, after it) pairs over the life of one world."""

    points: list[tuple[int, bool]] = field(default_factory=list)
    calls: int = 0

    def around(self, act: Callable[[], Any]) -> Any:
        """One door call, with a death before or after it if the plan says so."""
        self.calls += 1
        due = self.points[0] if self.points else None
        if due == (self.calls, False):
            self.points.pop(0)
            raise Crash
        result = act()
        if due == (self.calls, True):
            self.points.pop(0)
            raise Crash
        return result


class Mortal:
    """A door whose calls may be the last."""

    def __init__(self, door: Any, plan: Plan, calls: Sequence[str]) -> None:
        self._door, self._plan, self._calls = door, plan, frozenset(calls)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._door, name)
        if name not in self._calls:
            return value
        return lambda *a, **k: self._plan.around(lambda: value(*a, **k))


def live_through(
    world: World, plan: Plan, *, max_ticks: int, between: Callable[[World, int], None]
) -> Supervisor:
    """Supervise to the end, starting a new leader after each crash.

    Args:
        between: called before each tick with its number, for what people ask in a scenario.
    """
    plain_journal, plain_executor = world.journal, world.executor
    world.journal = Mortal(plain_journal, plan, JOURNAL_CALLS)  # type: ignore[assignment]
    world.executor = Mortal(plain_executor, plan, ENGINE_CALLS)  # type: ignore[assignment]
    supervisor, crashes, tick = None, 0, 0
    while tick < max_ticks:
        try:
            if supervisor is None:
                supervisor = world.supervisor()
            between(world, tick)
            tick += 1
            supervisor.lease = world.journal.renew(supervisor.lease, 3600.0)
            report = supervisor.tick()
        except Crash:
            crashes += 1
            assert crashes <= MAX_CRASHES, "crashes were planned for, but not so many"
            supervisor = None
            continue
        world.clock.sleep(world.options.tick_s)
        if report.finished and tick > 1:
            break
    world.journal, world.executor = plain_journal, plain_executor
    assert supervisor is not None, "the last leader lives"
    return supervisor


def violations(world: World, supervisor: Supervisor) -> Iterator[str]:
    """What broke, read from the engine's own books and the journal; empty when nothing did."""
    world.engine.alive()  # brings every instance up to now
    yield from _overlaps(world)
    facts = [entry.fact for entry in world.journal.read()]
    for run in supervisor.book.runs.values():
        if not (run.done or run.state.value == "suspended"):
            yield f"I8: {run.run_id} is {run.state} and never ended"
        attempts = [a.value(run.run_id) for a in run.attempts]
        records = usage_of_run(attempts, until=world.clock.now(), state=run.state)
        charged = sum(c.amount_usd for c in rate_all(records).charges)
        billed = sum(
            line.amount_usd for line in world.engine.bill() if line.token.startswith(f"{run.run_id}-")
        )
        if abs(charged - billed) >= Decimal("0.005"):
            yield f"I2: {run.run_id} charged {charged}, the engine billed {billed}"
    yield from _journal_rules(facts)


def _overlaps(world: World) -> Iterator[str]:
    lives: dict[str, list[tuple[float, float, str]]] = {}
    for token, i in world.engine.instances.items():
        if i.ended_s is None:
            yield f"I1: {token} is alive at the end"
        else:
            lives.setdefault(i.spec.run_id, []).append((i.launched_s, i.ended_s, token))
    for spans in lives.values():
        spans.sort()
        for (_, end, one), (start, _, other) in pairwise(spans):
            if start < end:
                yield f"I1: {one} and {other} were alive at once"


def _journal_rules(facts: list[Any]) -> Iterator[str]:
    terminal: set[str] = set()
    open_launches: dict[str, Intended] = {}
    tokens: set[str] = set()
    for fact in facts:
        if isinstance(fact, StateChanged):
            if fact.run_id in terminal:
                yield f"I5: {fact.run_id} changed after its end"
            if fact.state.terminal:
                terminal.add(fact.run_id)
        elif isinstance(fact, Intended) and not isinstance(fact.action, Hold):
            open_launches[fact.action_id] = fact
            if fact.token in tokens:
                yield f"I1: token {fact.token} was used twice"
            if fact.token is not None:
                tokens.add(fact.token)
        elif isinstance(fact, Completed) and fact.action_id not in open_launches:
            yield f"I7: {fact.action_id} completed without an intent"
