"""A run's bill comes: it is matched by name, or by machine and time, and nothing is counted twice."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.run import MeterTotals
from shoestring.ledger.carbon import GridFactor
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import Booking, book_run, book_runs
from shoestring.store.reconcile import reconcile
from shoestring.workflows.bills import bring_in
from shoestring.workflows.unit_costs import cost_per_unit
from tests.ledger.test_receipt import paid, preempted_and_resumed
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    """The run of two hours: machine t1 from 0:00 to 1:00, machine t2 from 2:00 to 3:00."""
    store = ChargeStore(tmp_path / "ledger")
    book_run(store, paid(), state="a", now=NOW, user="ann")
    return store


def hour(resource, begin, usd, **changes):
    return focus(
        ResourceId=resource,
        BilledCost=usd,
        EffectiveCost=usd,
        ChargePeriodStart=f"2026-01-01T{begin:02d}:00:00Z",
        ChargePeriodEnd=f"2026-01-01T{begin + 1:02d}:00:00Z",
        Tags="",
        **changes,
    )


BOTH = [hour("t1", 0, "1.10"), hour("t2", 2, "2.05"), hour("other", 1, "7")]


def bill(store, tmp_path, rows, name="bill.csv"):
    bring_in(store, [write(tmp_path / name, rows)], now=NOW, user="ann")
    return reconcile(store)


def by_run(store):
    return {row.keys[0]: row.usd for row in ask(store, Question(by=("run",))).rows}


def test_without_a_bill_the_meter_counts(store):
    (drift,) = reconcile(store).runs
    assert (drift.billed, drift.covered, drift.billed_usd) == (False, 0.0, 0)
    assert by_run(store) == {"r1": paid().cost.total_usd}


def test_once_its_machines_are_billed_the_bill_counts_and_carries_the_runs_labels(store, tmp_path):
    (drift,) = bill(store, tmp_path, BOTH).runs
    assert (drift.billed, drift.covered) == (True, 1.0)
    assert drift.billed_usd == Decimal("3.15")
    assert drift.drift_usd == Decimal("3.15") - drift.metered_usd
    assert by_run(store) == {"r1": Decimal("3.15"), None: 7}
    teams = {row.keys[0]: row.usd for row in ask(store, Question(by=("team",))).rows}
    assert teams == {"vision": Decimal("3.15"), None: 7}


def test_half_a_bill_leaves_the_meter_counting_and_says_how_much_is_covered(store, tmp_path):
    (drift,) = bill(store, tmp_path, BOTH[:1]).runs
    assert (drift.billed, drift.covered) == (False, 0.5)


def test_lines_that_name_the_run_are_its_own_whatever_the_machine(store, tmp_path):
    named = {"Tags": '{"shoestring_run": "r1"}'}
    rows = [hour("vm-1", 0, "1.10") | named, hour("vm-2", 2, "2.05") | named]
    assert bill(store, tmp_path, rows).runs[0].billed


def test_the_same_machine_at_another_time_is_somebody_elses(store, tmp_path):
    told = bill(store, tmp_path, [hour("t1", 5, "1.10")])
    assert (told.lines_labelled, told.runs[0].billed_usd) == (0, 0)


def test_doing_it_again_changes_nothing_and_a_newer_bill_is_matched_anew(store, tmp_path):
    first = bill(store, tmp_path, BOTH)
    again = reconcile(store)
    assert (again.runs, again.lines_labelled) == (first.runs, 0)
    bill(store, tmp_path, [hour("t1", 0, "1.00"), hour("t2", 2, "2.00")], "newer.csv")
    assert by_run(store) == {"r1": 3}


def test_a_bill_that_no_longer_has_the_run_gives_it_back_to_the_meter(store, tmp_path):
    bill(store, tmp_path, BOTH)
    bill(store, tmp_path, [hour("other", 1, "7")], "newer.csv")
    assert by_run(store) == {"r1": paid().cost.total_usd, None: 7}


def use_of(store, *by):
    rows = ask(store, Question(by=by)).rows
    return {row.keys: (row.accelerator_hours, row.energy_kwh, row.carbon_kg) for row in rows}


@pytest.fixture
def metered(tmp_path):
    """The same run with energy, on a grid that is known."""
    first, second = (
        replace(a, observation=replace(a.observation, meter=MeterTotals(energy_j=j, sampled_s=3600)))
        for a, j in zip(preempted_and_resumed(), (1.8e6, 3.6e6), strict=True)
    )
    store = ChargeStore(tmp_path / "ledger")
    as_of = NOW.date()
    factor = GridFactor(kg_per_kwh=0.4, pue=1.25, source="test", as_of=as_of)
    told = Booking(paid=paid((first, second)), state="a")
    book_runs(store, [told], now=NOW, user="ann", grid={("rehearsal", "us-east-1"): factor})
    return store


@pytest.mark.parametrize("by", [("run",), ("team",), ("run", "resource"), ("day", "run"), ("accelerator",)])
def test_a_billed_run_keeps_its_hours_energy_and_carbon(metered, tmp_path, by):
    before = use_of(metered, *by)
    assert any(kwh is not None for _, kwh, _ in before.values())
    assert all(d.billed for d in bill(metered, tmp_path, BOTH[:2]).runs)
    after = use_of(metered, *by)
    for keys, measured in before.items():
        assert after[keys] == pytest.approx(measured), keys
    answer = ask(metered, Question(by=by))
    assert answer.total_usd == Decimal("3.15") and answer.metered_usd == 0
    assert sum(row.charges for row in answer.rows) == 2


def test_what_a_bill_states_of_a_run_the_meter_says_no_more(metered, tmp_path):
    rows = [hour("t1", 0, "1.10", x_EnergyKwh="3"), hour("t2", 2, "2.05", x_EnergyKwh="4")]
    (drift,) = bill(metered, tmp_path, rows).runs
    assert drift.stated == ("x_EnergyKwh",)
    hours, kwh, kg = use_of(metered, "run")[("r1",)]
    assert kwh == 7
    assert (hours, kg) == (
        pytest.approx(2.0),
        pytest.approx(0.5 * 0.4 * 1.25),
    )  # the second region has no factor


def test_hours_and_energy_of_a_billed_run_have_a_price(metered, tmp_path):
    bill(metered, tmp_path, BOTH[:2])
    (line,) = cost_per_unit(metered, [paid()], Question(by=("team",)), "run")
    assert line.usd == Decimal("3.15")
    assert line.kwh_per_unit == pytest.approx(1.5) and line.use.accelerator_hours == pytest.approx(2.0)


def test_the_bill_learns_the_accelerator_unless_it_could_be_either(metered, tmp_path):
    bill(metered, tmp_path, BOTH)
    assert {row.keys[0]: row.usd for row in ask(metered, Question(by=("accelerator",))).rows} == {
        "T4": Decimal("3.15"), None: 7,
    }  # fmt: skip
