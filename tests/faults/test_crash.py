"""Wherever the supervisor dies, and dies again while recovering, nothing is doubled, lost or billed twice."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from shoestring.domain.facts import Asked
from shoestring.domain.offer import BillingRule
from shoestring.sim.instance import SimJob
from shoestring.supervisor import Options, RunBook
from shoestring.testing import HOUR, World, a_workload, submit
from tests.faults.crash import Plan, live_through, violations

SOAK = int(os.environ.get("SHOESTRING_SOAK", "1"))
JOB = SimJob(steps=3600, steps_per_s={"cpu": 1.0}, boot_s=180, interval_s=600)
OPTIONS = Options(tick_s=300.0, grace_s=60.0, sweep_s=600.0, orphan_grace_s=30.0)


@dataclass(frozen=True)
class Scenario:
    """A market, a job, and what people ask at which tick."""

    ups: dict[str, list[tuple[float, float]]]
    job: dict[str, Any]
    asks: dict[int, dict[str, Any]]
    states: frozenset[str]


SCENARIOS = {
    "plain": Scenario({"us-east-1a": [(0, 99)]}, {}, {}, frozenset({"succeeded"})),
    "preempted": Scenario(
        {"us-east-1a": [(0, 0.5), (0.8, 99)]}, {}, {}, frozenset({"succeeded"})
    ),
    "moved": Scenario(
        {"us-east-1a": [(0, 0.5)], "us-east-1b": [(0.4, 99)]},
        {"deadline_s": 5 * HOUR}, {}, frozenset({"succeeded"}),
    ),
    "fell_back": Scenario(
        {"us-east-1a": [(0, 0.4)]}, {"deadline_s": 2.5 * HOUR}, {}, frozenset({"succeeded"})
    ),
    "suspended": Scenario(
        {"us-east-1a": [(0, 99)]},
        {"budget_usd": Decimal("0.70")},
        {18: {"what": "resume", "budget_usd": Decimal(9)}},
        frozenset({"succeeded"}),
    ),
    "cancelled": Scenario(
        {"us-east-1a": [(0, 99)]}, {}, {6: {"what": "cancel"}}, frozenset({"cancelled"})
    ),
}  # fmt: skip


def a_world(scenario: Scenario) -> World:
    world = World(scenario.ups, job=JOB, options=OPTIONS)
    for offer_id, offer in world.engine._offers.items():
        exact = BillingRule(granularity_s=1, minimum_s=60)
        world.engine._offers[offer_id] = type(offer)(
            **{f: getattr(offer, f) for f in offer.__slots__} | {"billing": exact}
        )
    submit(world.journal, a_workload(**({"work": None} | scenario.job)))
    return world


def engine_spend(world: World) -> Callable[[RunBook, Any], float]:
    return lambda run, now: float(sum(line.amount_usd for line in world.engine.bill()))


def lived(scenario: Scenario, points: list[tuple[int, bool]]) -> tuple[World, Any, Plan]:
    """The scenario lived through with these crashes; asks are left once, at their tick."""
    world, plan, asked = a_world(scenario), Plan(points), set[int]()

    def between(world: World, tick: int) -> None:
        for when, request in scenario.asks.items():
            if tick >= when and when not in asked:
                asked.add(when)
                world.journal.ask(Asked(run_id="run", at=world.clock.now(), user="me", **request))

    original = World.supervisor

    def with_spend(self: World, holder: str = "test") -> Any:
        supervisor = original(self, holder)
        supervisor.spent_usd = engine_spend(self)
        return supervisor

    world.supervisor = with_spend.__get__(world)  # type: ignore[method-assign]
    pending = max(scenario.asks, default=0)
    supervisor = None
    for _ in range(3):  # a parked run ends the loop; what people ask later wakes it
        supervisor = live_through(world, plan, max_ticks=120, between=between)
        if len(asked) == len(scenario.asks) and not list(world.journal.asked()):
            break
        world.clock.sleep(pending * OPTIONS.tick_s)
        between(world, pending)
    return world, supervisor, plan


def check(name: str, points: list[tuple[int, bool]]) -> int:
    """Live through a scenario; the number of door calls. Any violation fails with the points that show it."""
    scenario = SCENARIOS[name]
    world, supervisor, plan = lived(scenario, list(points))
    broken = list(violations(world, supervisor))
    state = supervisor.book.runs["run"].state.value if "run" in supervisor.book.runs else "absent"
    if state not in scenario.states:
        broken.append(f"ended as {state}")
    assert broken == [], f"{name} with crashes at {points}: {broken}"
    return plan.calls


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_single_crash_at_every_door_call(name: str) -> None:
    calls = check(name, [])

    for call in range(1, calls + 1):
        for after in (False, True):
            check(name, [(call, after)])


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_second_crash_while_the_first_is_mended(name: str) -> None:
    calls = check(name, [])

    for call in range(1, calls + 1):
        for later in range(1, 4 * SOAK):
            check(name, [(call, True), (call + later, bool(later % 2))])


def test_there_are_as_many_crash_points_as_claimed() -> None:
    single = sum(2 * check(name, []) for name in SCENARIOS)
    double = sum(check(name, []) * (4 * SOAK - 1) for name in SCENARIOS)

    assert single + double >= 2000
