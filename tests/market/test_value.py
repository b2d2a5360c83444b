"""The tables: what they say a job will cost is what it costs in the market they model.

The grid smears the last step of a job: up to a quarter of a step's price, the same for every choice.
"""

import numpy as np
import pytest

from shoestring.market.estimate import Learning, outlook
from shoestring.market.memory import blank, extended, observe
from shoestring.market.value import Outlook, ValueTables, slack_grid, solve
from tests.market.test_estimate import terms

STEP_S, RESTART_S = 600.0, 300.0


def chain(loss: float, back: float, spot_usd: float = 1.0) -> Outlook:
    """One zone without memory; dollars per step."""
    ages = blank(1, STEP_S).ages
    none, one = np.zeros(1), np.zeros((1, 1, ages.count))
    one[0, 0, 0] = 1
    return Outlook(
        step_s=STEP_S, restart_s=RESTART_S,
        hazard=np.array([[np.full(ages.count, loss), np.full(ages.count, back)]]), advance=ages.advance,
        spot_usd=np.array([spot_usd]), on_demand_usd=np.array([3.0]), lands=none, landing=one, lit=none,
        lighting=one, landing_move_usd=none, lighting_move_usd=none,
    )  # fmt: skip


def test_spot_that_is_never_lost_costs_its_price() -> None:
    tables = solve(chain(1e-9, 0.5), 30, 4 * 3600.0)
    left, slack_s = 19, 5 * STEP_S  # 20 steps left, spot running, 15 steps of work

    assert 1.0 + tables.after(tables.spot, left, 0, 0, slack_s) == pytest.approx(15.0, abs=0.25)


def test_a_dead_zone_leaves_on_demand() -> None:
    tables = solve(chain(0.5, 1e-9), 30, 4 * 3600.0)
    down = blank(1, STEP_S).ages.count

    assert 3.0 + tables.after(tables.on_demand, 19, 0, down, 5 * STEP_S) == pytest.approx(45.0, abs=0.75)


def test_more_slack_never_costs_more() -> None:
    tables = solve(chain(0.1, 0.1), 60, 5 * 3600.0)
    usable = np.array(tables.slack_s) >= RESTART_S

    for table in (tables.idle, tables.on_demand):
        row = table[40, 0, 3][usable & (np.array(tables.slack_s) < 40 * STEP_S)]
        assert np.all(np.diff(row) <= 1e-3)


def test_what_the_tables_promise_is_what_a_run_pays() -> None:
    """Play the tables' own choices in the market that they model, 3,000 times."""
    loss, back, steps, work = 0.12, 0.08, 48, 30.0
    tables = solve(chain(loss, back), steps, (steps - work) * STEP_S)
    rng = np.random.default_rng(7)
    paid = [_play(tables, rng, loss, back, steps, work) for _ in range(3000)]
    up_old = tables.idle.shape[2] // 2 - 1
    promised = min(
        tables.after(tables.idle, steps - 1, 0, up_old, (steps - 1 - work) * STEP_S),
        1.0 + tables.after(tables.spot, steps - 1, 0, up_old, (steps - work) * STEP_S - RESTART_S),
    )

    assert np.mean(paid) == pytest.approx(promised, abs=4 * np.std(paid) / np.sqrt(len(paid)) + 0.15)


def _play(
    tables: ValueTables, rng: np.random.Generator, loss: float, back: float, steps: int, work: float
) -> float:
    up, running, usd, owed = True, None, 0.0, 0.0
    half = tables.idle.shape[2] // 2
    for left in range(steps - 1, -1, -1):
        slack = (left + 1 - work) * STEP_S - owed
        phase = 0 if up else half
        cost = {"wait": tables.after(tables.idle, left, 0, phase, slack - STEP_S + owed)}
        for kind, table, price in (("spot", tables.spot, 1.0), ("on_demand", tables.on_demand, 3.0)):
            if kind == "spot" and not up:
                continue
            after = slack if running == kind else slack + owed - RESTART_S
            if after < 0 or (kind == "spot" and after < RESTART_S):
                continue
            cost[kind] = price + tables.after(table, left, 0, phase, after)
        if slack + owed - STEP_S < RESTART_S:
            cost.pop("wait")
        choice = min(cost, key=lambda k: cost[k])
        if choice == "wait":
            running, owed = None, 0.0
        else:
            owed = owed if running == choice else RESTART_S
            running, usd = choice, usd + (1.0 if choice == "spot" else 3.0)
            used = min(owed, STEP_S)
            owed, work = owed - used, work - (STEP_S - used) / STEP_S
            if work <= 1e-9:
                return usd
        up = bool(rng.random() >= loss) if up else bool(rng.random() < back)
        if running == "spot" and not up:
            running, owed = None, 0.0
    raise AssertionError("late")


def test_two_zones_cost_no_more_than_one() -> None:
    seen = observe(blank(1, STEP_S), np.array([True]), 0.0)
    one = solve(outlook(seen, terms(1), Learning()), 60, 3 * 3600.0)
    two = solve(outlook(extended(seen, (0, 0)), terms(2), Learning()), 60, 3 * 3600.0)

    assert np.all(two.idle[40, 0, :, 5:] <= one.idle[40, 0, :, 5:] + 1e-3)


def test_the_grid_has_the_borders_of_feasibility() -> None:
    grid = slack_grid(4 * 3600.0, 600.0, 720.0).tolist()

    assert {0.0, 720.0, 1320.0, 1440.0, 14400.0} <= set(grid)
    assert grid == sorted(grid)
