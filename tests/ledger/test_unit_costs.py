"""Unit costs: sums for work, the best for a metric, and nothing made up where a run is silent."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoestring.domain.run import Heartbeat
from shoestring.ledger.unit_costs import RunWork, UnitCost, Use, leaderboard, unit_costs
from tests.ledger.making import at


def beat(seconds=60, *, samples=None, **metrics):
    return Heartbeat(at=at(seconds), step=10, samples=samples, metrics=metrics)


def run(name, usd, *beats, team="vision"):
    return RunWork(run_id=name, keys=(team,), usd=None if usd is None else Decimal(usd), beats=beats)


def test_work_adds_up_over_the_runs_of_a_group():
    runs = [run("a", 3, beat(samples=1_000_000)), run("b", 5, beat(samples=3_000_000))]
    (line,) = unit_costs(runs, "million_samples")
    assert (line.usd, line.units, line.usd_per_unit) == (8, 4.0, 2.0)


def test_a_run_that_is_silent_or_unpriced_is_left_out_and_counted():
    runs = [run("a", 3, beat(epoch=2)), run("b", 100, beat()), run("c", None, beat(epoch=1)), run("d", 9)]
    (line,) = unit_costs(runs, "epoch")
    assert (line.runs, line.left_out, line.usd_per_unit) == (4, 3, 1.5)


@pytest.mark.parametrize("unit", ["epoch", "million_samples", "million_tokens", "metric:accuracy"])
def test_nothing_reported_is_unknown_not_zero(unit):
    (line,) = unit_costs([run("a", 3, beat())], unit)
    assert line.usd_per_unit is None
    assert line.units_per_usd is None


def test_no_work_done_has_no_price():
    (line,) = unit_costs([run("a", 3, beat(samples=0))], "million_samples")
    assert (line.units, line.usd_per_unit) == (0.0, None)


def test_the_newest_heartbeat_that_knows_counts():
    (line,) = unit_costs([run("a", 6, beat(120), beat(60, tokens=2e6))], "million_tokens")
    assert line.usd_per_unit == 3.0


def test_all_runs_of_an_experiment_pay_for_its_best_points():
    runs = [run("a", 4, beat(accuracy=0.9)), run("b", 4, beat(accuracy=0.5)), run("c", 2)]
    (line,) = unit_costs(runs, "metric:accuracy")
    assert (line.usd, line.units) == (10, 0.9)
    (unknown,) = unit_costs([*runs, run("d", None)], "metric:accuracy")
    assert (unknown.usd, unknown.usd_per_unit, unknown.left_out) == (None, None, 1)


def test_the_leaderboard_ranks_by_points_per_dollar_and_puts_the_unknown_last():
    runs = [
        run("a", 10, beat(accuracy=0.9), team="dear"),
        run("b", 1, team="silent"),
        run("c", 2, beat(accuracy=0.8), team="cheap"),
        run("d", 0, beat(accuracy=0.8), team="free"),
    ]
    assert [line.keys[0] for line in leaderboard(runs, "accuracy")][:2] == ["cheap", "dear"]
    assert {line.keys[0] for line in leaderboard(runs, "accuracy")[2:]} == {"silent", "free"}


@pytest.mark.parametrize("unit", ["step", "metric:", ""])
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(ValueError, match="no unit"):
        unit_costs([], unit)


def test_units_for_a_dollar():
    (line,) = unit_costs([run("a", 4, beat(samples=1_000_000))], "million_samples")
    assert (line.usd_per_unit, line.units_per_usd) == (4.0, 0.25)
    (free,) = unit_costs([run("a", 0, beat(samples=1_000_000))], "million_samples")
    assert (free.usd_per_unit, free.units_per_usd) == (0.0, None)
    (cheap,) = unit_costs([run("a", "0.50", beat(samples=500_000))], "million_samples")
    assert (cheap.usd_per_unit, cheap.units_per_usd) == (1.0, 1.0)


def test_runs_are_counted_one_by_one():
    (line,) = unit_costs([run("a", 3), run("b", 6)], "run")
    assert (line.units, line.usd_per_unit, line.units_per_usd) == (2.0, 4.5, pytest.approx(2 / 9))


def test_the_dearest_group_comes_first_and_the_unknown_last():
    runs = [
        run("a", 1, team="cheap"),
        run("b", None, team="unknown"),
        run("c", 9, team="dear"),
        run("d", 0, team="free"),
    ]
    assert [line.keys[0] for line in unit_costs(runs, "run")] == ["dear", "cheap", "free", "unknown"]


def test_energy_is_told_for_each_unit_where_it_is_known():
    metered = UnitCost(keys=("a",), runs=1, left_out=0, usd=None, units=4.0, use=Use(energy_kwh=2.0))
    assert metered.kwh_per_unit == 0.5
    for silent in ({"units": None}, {"units": 0.0}, {"use": Use()}):
        assert replace(metered, **silent).kwh_per_unit is None
