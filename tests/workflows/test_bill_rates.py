"""Given bills with accelerator hours, when rates are learnt, then plans use what is clear, and only that."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from shoestring.app.config import Settings
from shoestring.app.planning import prices_in_use
from shoestring.catalog.bill_rates import PaidRate, learn
from shoestring.catalog.layer import Known, layers_used
from shoestring.catalog.load import embedded
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bill_rates import NAME, BillRates, learn_rates, rates_for_plans
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write

TODAY = date(2026, 2, 3)
NOW = datetime(2026, 2, 3, tzinfo=UTC)
KNOWN = Known(embedded())


def row(**changes: object) -> dict[str, object]:
    """A day of p5.48xlarge at 40 $/h under a contract; the list says 55.04."""
    return focus(
        **({"ResourceType": "p5.48xlarge", "PricingQuantity": "24", "PricingUnit": "Hours", "ListCost": "1320.96",
            "ContractedUnitPrice": "40", "ContractedCost": "960", "EffectiveCost": "960", "BilledCost": "960"}
           | changes)
    )  # fmt: skip


def ledger(folder: Path, *rows: dict[str, object]) -> ChargeStore:
    store = ChargeStore(folder / "ledger")
    bring_in(store, [write(folder / "bill.csv", list(rows))], now=NOW, user="ann")
    return store


def learnt(folder: Path, *rows: dict[str, object]) -> BillRates:
    return learn_rates(ledger(folder, *rows), embedded(), today=TODAY)


def test_the_contracts_price_is_learnt_with_its_evidence(tmp_path: Path) -> None:
    found = learnt(
        tmp_path, row(), row(ChargePeriodStart="2026-01-11T00:00:00Z", ChargePeriodEnd="2026-01-12T00:00:00Z")
    )

    [rate] = found.rates
    assert rate.point.key == ("aws", "p5.48xlarge", "us-east-1", "", "on_demand")
    assert (float(rate.point.usd_per_hour), rate.hours, rate.last) == (40.0, 48.0, date(2026, 1, 11))
    assert rate.list_usd == 55.04 and rate.point.as_of.date() == date(2026, 1, 11)


def test_a_line_counts_once_whether_its_type_or_its_description_names_the_instance(tmp_path: Path) -> None:
    text = "$40 per On Demand Linux p5.48xlarge Instance Hour"
    [rate] = learnt(
        tmp_path,
        row(ChargeDescription=text),
        row(ChargeDescription=text, ResourceType="", ResourceId="i-2"),
        row(ChargeDescription=text, ResourceType="Virtual machine", ResourceId="i-3"),
    ).rates

    assert rate.hours == 72


def test_seconds_count_as_hours_and_other_currencies_as_dollars(tmp_path: Path) -> None:
    [rate] = learnt(
        tmp_path, row(PricingQuantity="86400", PricingUnit="Seconds", ContractedUnitPrice="0.0111111111")
    ).rates

    assert float(rate.point.usd_per_hour) == pytest.approx(40, rel=1e-4) and rate.hours == pytest.approx(24)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"PricingQuantity": "5"}, "at least 10"),
        ({"PricingCategory": "Committed"}, "reserved"),
        ({"ContractedUnitPrice": "4", "ContractedCost": "96"}, "of the list price"),
        ({"ContractedUnitPrice": "90", "ContractedCost": "2160"}, "of the list price"),
        ({"PricingCategory": "Dynamic", "AvailabilityZone": "us-east-1a"}, "names otherwise"),
        ({"PricingCategory": "Other"}, "commitment"),
    ],
)
def test_what_is_unclear_teaches_nothing_and_says_why(
    changes: dict[str, object], why: str, tmp_path: Path
) -> None:
    found = learnt(tmp_path, row(**changes))

    assert found.rates == () and len(found.skipped) == 1 and why in found.skipped[0].why


@pytest.mark.parametrize(
    "changes",
    [
        {"ContractedUnitPrice": "0", "ContractedCost": "0", "EffectiveCost": "0"},
        {"PricingUnit": "GB"},
        {"PricingQuantity": "-24"},
        {"ResourceType": "m5.large"},
        {"ResourceType": "", "ChargeDescription": "A100 GPU"},
        {"ResourceType": "ml.p5.48xlarge"},
        {"ChargeDescription": "$40 per On Demand Windows p5.48xlarge Instance Hour"},
        {"ChargeCategory": "Tax"},
        {"ChargeClass": "Correction"},
        {"RegionId": ""},
        {"ChargePeriodStart": "2025-09-01T00:00:00Z", "BillingPeriodStart": "2025-09-01T00:00:00Z",
         "BillingPeriodEnd": "2025-10-01T00:00:00Z", "ChargePeriodEnd": "2025-09-02T00:00:00Z"},
    ],
)  # fmt: skip
def test_lines_that_are_no_hours_of_a_known_instance_are_passed_over(
    changes: dict[str, object], tmp_path: Path
) -> None:
    assert learnt(tmp_path, row(**changes)).rates == ()


def paid(usd: float, first: int, last: int, hours: float = 100.0, **changes: Any) -> PaidRate:
    base: dict[str, Any] = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1", "zone": "",
                            "market": "on_demand"}  # fmt: skip
    return PaidRate(
        **(base | changes),
        usd_per_hour=usd,
        hours=hours,
        first=date(2026, 1, first),
        last=date(2026, 1, last),
    )


def test_a_new_contract_replaces_the_old_one() -> None:
    [rate], skipped = learn([paid(44, 1, 10), paid(40, 11, 20)], KNOWN, today=TODAY)

    assert float(rate.point.usd_per_hour) == 40 and not skipped


def test_two_rates_at_the_same_time_are_told_apart_by_nobody() -> None:
    rates, [skipped] = learn([paid(44, 1, 20), paid(40, 5, 20)], KNOWN, today=TODAY)

    assert rates == () and "two rates at the same time: 4" in skipped.why


def test_a_few_hours_at_another_rate_do_not_hide_the_usual_one() -> None:
    [rate], _ = learn([paid(40, 1, 20), paid(30, 12, 13, hours=2)], KNOWN, today=TODAY)

    assert float(rate.point.usd_per_hour) == 40


def test_spot_is_the_average_of_its_last_days_in_zones_that_the_catalog_knows() -> None:
    zone = next(r for r in KNOWN.rows if r[0] == "gcp" and r[1] == "a2-highgpu-1g" and r[4] == "spot")
    where = {
        "provider": "gcp",
        "instance_type": zone[1],
        "region": zone[2],
        "zone": zone[3],
        "market": "spot",
    }
    rates = [paid(2.2, 1, 1, 50, **where), paid(1.2, 15, 15, 10, **where), paid(1.5, 20, 20, 30, **where)]
    [rate], _ = learn(rates, KNOWN, today=TODAY)

    assert float(rate.point.usd_per_hour) == pytest.approx(1.425) and rate.first == date(2026, 1, 15)


def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path))


def test_plans_take_them_before_any_list_but_not_before_a_price_sheet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home(tmp_path, monkeypatch)
    learnt(tmp_path, row(), row(RegionId="us-west-2"))
    sheet = tmp_path / "sheet.yaml"
    sheet.write_text(json.dumps({"currency": "USD", "as_of": "2026-02-01", "source": "contract", "prices": [
        {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-west-2", "usd_per_hour": 38}]}))  # fmt: skip

    catalog, notes = prices_in_use(Settings(prices=sheet))
    without, _ = prices_in_use(Settings(bill_rates=False))

    def price(c: Any, region: str) -> float:
        return float(c.price[Known(c).rows[("aws", "p5.48xlarge", region, "", "on_demand")]])

    assert (price(catalog, "us-east-1"), price(catalog, "us-west-2")) == (40, 38) and not notes
    assert price(without, "us-east-1") == 55.04
    assert [u.name for u in layers_used(catalog)] == ["contract", "bill", "embedded"]


def test_the_first_plan_after_a_bill_came_learns_anew_and_the_next_reads_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ledger(tmp_path, row())
    before, notes = rates_for_plans(store.folder, embedded(), today=TODAY)
    other = row(BillingAccountId="2", RegionId="us-west-2", ContractedUnitPrice="39")
    bring_in(store, [write(tmp_path / "more.csv", [other])], now=NOW + timedelta(days=1), user="ann")
    after, more_notes = rates_for_plans(store.folder, embedded(), today=TODAY)
    monkeypatch.setattr("shoestring.workflows.bill_rates.learn", None)  # who learns once more, fails

    assert rates_for_plans(store.folder, embedded(), today=TODAY) == (after, ())
    assert [(p.region, p.usd_per_hour) for p in before.points] == [("us-east-1", 40)]
    assert sorted((p.region, p.usd_per_hour) for p in after.points) == [("us-east-1", 40), ("us-west-2", 39)]
    assert notes == more_notes == ()


def test_bills_that_can_not_be_read_are_no_reason_for_no_plan(tmp_path: Path) -> None:
    store = ledger(tmp_path, row())
    (part,) = store.manifest().parts
    (store.folder / part.file).write_bytes(b"PAR1")

    layer, [note] = rates_for_plans(store.folder, embedded(), today=TODAY)

    assert layer.points == () and "bills rates" in note


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "rates": [{}]}', b'{"version": 1, "rates": 5}',
     b"usd:0", b"usd:-4", b"usd:9e9"],
)  # fmt: skip
def test_a_damaged_file_of_rates_is_left_out_with_a_word(damage: bytes, tmp_path: Path) -> None:
    store = ledger(tmp_path, row())
    learn_rates(store, embedded(), today=TODAY)
    file = store.folder / NAME
    if damage.startswith(b"usd:"):
        damage = file.read_bytes().replace(b'"40.0"', b'"' + damage[4:] + b'"')
        assert damage != file.read_bytes()
    file.write_bytes(damage)

    layer, [note] = rates_for_plans(store.folder, embedded(), today=TODAY)

    assert layer.points == () and "bills rates" in note
