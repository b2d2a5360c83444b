"""The omniscient optimum: equal to trying every plan, and to the referee's, and below every policy."""

import importlib.util
import itertools
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from shoestring.market.optimum import KnownMarket, optimum_usd
from tests.market.ticks import chains, flat, simulate

REFEREE = Path(__file__).parents[3] / "shared/bench/spot/referee.py"


def market(zones: int = 1, move_usd: float = 0.0, **more: object) -> KnownMarket:
    fields: dict[str, object] = {
        "step_s": 600, "work_s": 1800, "restart_s": 120, "on_demand_usd_per_hour": 3.0,
        "spot_usd_per_hour": tuple(1.0 + 0.1 * z for z in range(zones)), "move_usd": flat(zones, move_usd),
    }  # fmt: skip
    return KnownMarket(**(fields | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(("zones", "steps"), [(1, 7), (2, 5)])
def test_it_equals_the_best_of_all_plans(zones: int, steps: int) -> None:
    rng = np.random.default_rng(zones)
    for _ in range(6):
        known = market(zones, move_usd=float(rng.choice([0.0, 0.2])), restart_s=int(rng.choice([60, 240, 720])),
                       work_s=int(rng.integers(1, steps - 1)) * 600 - 300)  # fmt: skip
        up = rng.random((steps, zones)) < 0.6
        choices = [
            [
                ("wait", 0),
                *(("on_demand", z) for z in range(zones)),
                *(("spot", z) for z in range(zones) if row[z]),
            ]
            for row in up
        ]
        best = np.inf
        for plan in itertools.product(*choices):
            usd, took = simulate(known, up, lambda s, plan=plan: plan[s.tick], steps)
            best = min(best, usd if took is not None else np.inf)

        assert optimum_usd(known, up, [steps])[0] == pytest.approx(best, abs=1e-9)


def test_a_later_deadline_never_costs_more() -> None:
    up = chains(np.random.default_rng(1), 80, 2)
    costs = optimum_usd(market(2, 0.3, work_s=9 * 3600), up, [56, 60, 70, 80])

    assert costs == sorted(costs, reverse=True)


def test_no_way_in_time_is_infinite() -> None:
    assert optimum_usd(market(), np.ones((3, 1), bool), [3]) == [np.inf]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"work_s": 0}, "work 0 s"),
        ({"move_usd": ((0.0, 1.0), (1.0, 0.5))}, "0 on the diagonal"),
        ({"move_usd": ((0.0,),)}, "2 x 2"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(market(2), **change)  # type: ignore[arg-type]


def test_a_detour_may_not_be_cheaper_than_the_direct_move() -> None:
    with pytest.raises(ValueError, match="detour"):
        replace(market(3), move_usd=((0.0, 1.0, 9.0), (1.0, 0.0, 1.0), (9.0, 1.0, 0.0)))


def test_availability_must_cover_the_deadline() -> None:
    with pytest.raises(ValueError, match="does not cover"):
        optimum_usd(market(), np.ones((3, 1), bool), [4])


def _referee() -> ModuleType:
    if not REFEREE.exists():
        pytest.skip("the referee (../shared/bench/spot) is not here")
    spec = importlib.util.spec_from_file_location("spot_referee", REFEREE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("zones", [1, 3])
def test_it_equals_the_referees(zones: int) -> None:
    referee = _referee()
    rng = np.random.default_rng(zones)
    for move_usd in (0.0, 5.0):
        known = market(zones, move_usd, work_s=12 * 3600, restart_s=720)
        up, ends = chains(rng, 120, zones), [75, 90, 120]
        names = tuple("abc"[:zones])
        theirs = referee.MultiProblem(
            600.0, known.work_s, 120 * 600.0, known.restart_s, dict(zip(names, known.spot_usd_per_hour, strict=True)),
            3.0, np.zeros((0, zones), bool), names, referee.egress_matrix(names, move_usd),
        )  # fmt: skip

        assert optimum_usd(known, up, ends) == pytest.approx(
            referee.optimum_multi(theirs, up, ends), abs=1e-9
        )


def test_moves_between_pairs_of_zones_may_cost_differently() -> None:
    """Spot is up in zone 0, then in zones 1 and 2; the move to the dearer zone 2 costs a tenth of that to zone 1."""
    up = np.array([[True, False, False], [True, False, False], [False, True, True], [False, True, True]])
    known = market(3, work_s=4 * 600 - 2 * 120)  # four steps, two of them begin with a restart
    moves = ((0.0, 1.0, 0.1), (1.0, 0.0, 1.0), (0.1, 1.0, 0.0))
    hours = 2 * (1.0 + 1.2) / 6  # two steps at 1.0 $/h and two at 1.2 $/h
    assert optimum_usd(replace(known, move_usd=moves), up, [4]) == [pytest.approx(hours + 0.1)]
    nearer = ((0.0, 0.01, 0.1), (0.01, 0.0, 0.1), (0.1, 0.1, 0.0))
    assert optimum_usd(replace(known, move_usd=nearer), up, [4]) == [pytest.approx(2 * 2.1 / 6 + 0.01)]


def test_prices_cover_the_same_steps_and_zones() -> None:
    with pytest.raises(ValueError, match=r"prices of shape \(3, 1\) for availability of \(4, 1\)"):
        optimum_usd(market(), np.ones((4, 1), bool), [4], spot_prices=np.ones((3, 1)))
