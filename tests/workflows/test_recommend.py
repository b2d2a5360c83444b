"""Given a ledger with accelerator hours, when savings are asked for, then what else they could cost is told."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from shoestring.catalog.load import embedded
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from shoestring.workflows.lookback import booked_uses
from shoestring.workflows.recommend import recommended
from shoestring.workflows.report import Period, report
from shoestring.workflows.savings import savings, savings_json
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def a_ledger(folder: Path, **changes: object) -> ChargeStore:
    row = {
        "EffectiveCost": "30000", "BilledCost": "30000", "ResourceType": "g5.48xlarge", "RegionId": "eu-central-1",
        "PricingQuantity": "1500", "PricingUnit": "Hours",
    }  # fmt: skip
    store = ChargeStore(folder / "ledger")
    bring_in(store, [write(folder / "bill.csv", [focus(**(row | changes))])], now=NOW, user="ann")
    return store


def test_each_way_is_told_with_its_range_and_reason(tmp_path: Path) -> None:
    uses = booked_uses(a_ledger(tmp_path), embedded(), today=NOW.date())
    found = {e.kind: e for e in recommended(uses)}

    assert "commitment" in found
    for told in found.values():
        assert 0 <= told.low_usd <= told.high_usd < 30_000
        assert "g5.48xlarge in eu-central-1" in told.subject and "1,500 h cost 30,000.00 $" in told.reason


def test_only_the_period_asked_for_counts(tmp_path: Path) -> None:
    store = a_ledger(tmp_path)

    assert booked_uses(store, embedded(), today=NOW.date(), since=date(2026, 2, 1)) == ()
    assert len(booked_uses(store, embedded(), today=NOW.date(), until=date(2026, 2, 1))) == 1


def test_what_is_cheap_already_gets_no_recommendation(tmp_path: Path) -> None:
    uses = booked_uses(a_ledger(tmp_path, EffectiveCost="10"), embedded(), today=NOW.date())

    assert recommended(uses) == ()


def test_an_empty_ledger_has_none(tmp_path: Path) -> None:
    assert booked_uses(ChargeStore(tmp_path / "ledger"), embedded(), today=NOW.date()) == ()


def test_savings_and_report_tell_the_same_recommendations(tmp_path: Path) -> None:
    store = a_ledger(tmp_path)
    period = Period(since=date(2026, 1, 1), until=date(2026, 2, 1), today=NOW.date())

    page = report(store, [], period, now=NOW, catalog=embedded())["savings"]["expected"]
    told = savings(store, [], since=period.since, until=period.until, catalog=embedded(), today=NOW.date())

    assert page == savings_json(told)["expected"]
    assert "commitment" in {e["kind"] for e in page}
    assert report(store, [], period, now=NOW)["savings"]["expected"] == []
