"""Budgets over a real ledger: who set what, where it stands, and what a run is left."""

from datetime import UTC, date, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.budget_book import NAME, approved_runs, budgets, changes
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.workflows.bills import bring_in
from shoestring.workflows.budgets import allowances, approve_run, remove_budget, set_budget, standing
from shoestring.workflows.savings import savings
from tests.ledger.test_receipt import ON_DEMAND, paid
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 1, 11, tzinfo=UTC)
TODAY = date(2026, 1, 11)


@pytest.fixture
def store(tmp_path):
    """A bill of 10 dollars (8 effective) for team vision, and one run of the same team."""
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [write(tmp_path / "bill.csv", [focus(PricingCategory="Dynamic")])], now=NOW, user="ann")
    book_run(store, paid(baselines=(ON_DEMAND,)), state="a", now=NOW, user="ann")
    return store


def give(store, scope, limit, **kwargs):
    given = {"period": "month", "on_breach": "warn", "since": None, "why": "plan", "user": "ann", "now": NOW}
    return set_budget(store, scope, limit, **{**given, **kwargs})


def test_a_budget_counts_bills_and_runs_and_tells_them_apart(store):
    give(store, "team=vision", "100")
    (status,) = standing(store, today=TODAY)
    assert status.spent_usd == 8 + paid().cost.total_usd
    assert status.outside_usd == 8


def test_every_change_says_who_and_why_and_the_last_one_holds(store):
    give(store, "team=vision", "100")
    give(store, "team=vision", "250 USD", on_breach="suspend", why="more data")
    give(store, "organization", "1000")
    history = changes(store.folder)
    assert [(c.what, c.user, c.why) for c in history][1] == ("set", "ann", "more data")
    assert [(b.name, b.limit_usd) for b in budgets(history)] == [("organization", 1000), ("team=vision", 250)]
    remove_budget(store, "organization", why="", user="bo", now=NOW)
    assert [b.name for b in budgets(changes(store.folder))] == ["team=vision"]


def test_a_torn_change_is_passed_over(store):
    give(store, "team=vision", "100")
    with (store.folder / NAME).open("ab") as file:
        file.write(b'deadbeef {"what": "set"')
    give(store, "team=nlp", "5")
    assert [b.name for b in budgets(changes(store.folder))] == ["team=nlp", "team=vision"]


def test_a_run_obeys_its_budgets_until_somebody_approves_it(store):
    give(store, "team=vision", "9", on_breach="suspend")
    give(store, "team=nlp", "1")
    (left,) = allowances(store, "r1", {"team": "vision"}, today=TODAY)
    assert (left.scope, left.on_breach) == ("team=vision", "suspend")
    assert left.remaining_usd < 0
    approve_run(store, "r1", why="paper", user="boss", now=NOW)
    assert allowances(store, "r1", {"team": "vision"}, today=TODAY) == ()
    assert approved_runs(changes(store.folder)) == {"r1"}


@pytest.mark.parametrize(
    ("scope", "limit", "kwargs"),
    [
        ("vision", "5", {}),
        ("color=red", "5", {}),
        ("team=vision", "much", {}),
        ("team=vision", "5", {"on_breach": "kill"}),
        ("team=vision", "5", {"period": "year"}),
    ],
)
def test_budgets_that_can_not_be_are_refused(store, scope, limit, kwargs):
    with pytest.raises(BadInput):
        give(store, scope, limit, **kwargs)
    with pytest.raises(BadInput, match="no budget for team=zoo"):
        remove_budget(store, "team=zoo", why="", user="ann", now=NOW)


def test_no_budgets_no_standing(store):
    assert standing(store, today=TODAY) == ()


def test_savings_in_classes_lead_from_list_to_paid(store):
    told = paid(baselines=(ON_DEMAND,))
    report = savings(store, [told])
    assert report.realized.paid_usd == 8 + told.cost.total_usd
    assert report.realized.negotiated_usd >= 1  # the bill's 12 list - 11 contracted
    assert report.avoided.usd == told.saving.usd
    nothing = savings(store, [told], since=date(2027, 1, 1))
    assert (nothing.realized.paid_usd, nothing.avoided.runs) == (0, 0)
