"""Given budgets and a past, when something is wrong, then it is told once and can be muted."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from shoestring.store.charges import ChargeStore
from shoestring.store.notice_book import NAME, NoticeFact, record
from shoestring.workflows.bills import bring_in
from shoestring.workflows.budgets import set_budget
from shoestring.workflows.notices import notices
from shoestring.workflows.outlook import outlook
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 1, 28, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
def store(tmp_path: Path) -> ChargeStore:
    """Ten dollars a day by team vision, and 500 on one day."""
    rows = [
        focus(
            EffectiveCost="500" if day == 25 else "10",
            BilledCost="10",
            ChargePeriodStart=f"2026-01-{day:02}T00:00:00Z",
            ChargePeriodEnd=f"2026-01-{day:02}T01:00:00Z",
        )
        for day in range(1, 28)
    ]
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [write(tmp_path / "bill.csv", rows)], now=NOW, user="ann")
    return store


def limit(store: ChargeStore, usd: str) -> None:
    set_budget(
        store, "team=vision", usd, period="month", on_breach="warn", since=None, why="", user="ann", now=NOW
    )


def settle(store: ChargeStore, notice_id: str, what: str) -> None:
    record(store.folder, NoticeFact(notice_id=notice_id, what=what, at=NOW, user="ann"))


def test_an_odd_day_and_a_used_up_budget_are_told(store: ChargeStore) -> None:
    limit(store, "100")
    found = {n.kind: n for n in notices(store, today=TODAY)}

    assert set(found) == {"budget_used_up", "odd_day"}
    assert "team=vision is used up: 760.00 $ of 100.00 $" in found["budget_used_up"].text
    assert "2026-01-25" in found["odd_day"].text and "vision" in found["odd_day"].text


def test_a_budget_that_will_be_used_up_is_told_before(store: ChargeStore) -> None:
    limit(store, "800")

    assert "budget_will_be_used_up" in {n.kind for n in notices(store, today=TODAY)}


def test_what_was_told_is_told_again_only_if_asked_and_what_is_muted_never(store: ChargeStore) -> None:
    limit(store, "100")
    budget, odd = sorted(notices(store, today=TODAY), key=lambda n: n.kind)
    settle(store, budget.id, "sent")
    settle(store, odd.id, "muted")

    assert notices(store, today=TODAY) == ()
    assert notices(store, today=TODAY, again=True) == (budget,)


def test_what_is_accepted_is_no_odd_day_anywhere(store: ChargeStore) -> None:
    (odd,) = notices(store, today=TODAY)
    settle(store, odd.id, "muted")
    assert [o.id for o in outlook(store, today=TODAY).odd] == [odd.id], "muted is only not told"
    settle(store, odd.id, "accepted")

    assert notices(store, today=TODAY, again=True) == ()
    assert outlook(store, today=TODAY).odd == ()


def test_a_torn_line_is_passed_over(store: ChargeStore) -> None:
    (odd,) = notices(store, today=TODAY)
    settle(store, odd.id, "sent")
    with (store.folder / NAME).open("ab") as file:
        file.write(b'deadbeef {"notice_id": "x"')

    assert notices(store, today=TODAY) == ()


def test_old_odd_days_are_history(store: ChargeStore) -> None:
    assert notices(store, today=date(2026, 2, 20)) == ()
