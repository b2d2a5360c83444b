"""A run's bill comes: it is matched by name, or by machine and time, and nothing is counted twice."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.store.reconcile import reconcile
from shoestring.workflows.bills import bring_in
from tests.ledger.test_receipt import paid
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
