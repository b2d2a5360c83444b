"""Waste in a real ledger: a commitment's unused hours, and a machine of the catalog that was too large."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.catalog.load import embedded
from shoestring.domain.offer import Market
from shoestring.domain.run import MeterTotals
from shoestring.ledger.right_size import oversized
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from shoestring.workflows.savings import savings
from shoestring.workflows.waste import commitment_uses, memory_uses
from tests.ledger.test_receipt import paid
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
GIB = 1024**3


@pytest.fixture
def store(tmp_path):
    """Three days of a savings plan of 6 $ an hour, used by day alone; without it an hour of use costs 10 $."""
    rows = []
    for hour in range(72):
        day, at = 1 + hour // 24, hour % 24
        stamp = {
            "ChargePeriodStart": f"2026-01-0{day}T{at:02}:00:00Z",
            "ChargePeriodEnd": f"2026-01-0{day}T{at:02}:59:59Z",
            "CommitmentDiscountId": "sp-1",
            "PricingCategory": "Committed",
        }
        used = 8 <= at < 18
        status, list_usd = ("Used", "10") if used else ("Unused", "0")
        rows.append(
            focus(
                EffectiveCost="6", BilledCost="0", ListCost=list_usd, ContractedCost=list_usd,
                CommitmentDiscountStatus=status, **stamp,
            )
        )  # fmt: skip
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [write(tmp_path / "bill.csv", rows)], now=NOW, user="ann")
    return store


def test_a_commitment_has_its_hours_and_its_ratio(store):
    (use,) = commitment_uses(store)
    assert (use.name, use.ratio) == ("sp-1", 0.6)
    assert (sum(use.used_usd), sum(use.unused_usd), len(use.used_usd)) == (180, 252, 72)
    assert commitment_uses(store, since=datetime(2026, 1, 4).date()) == []


def test_a_plan_used_42_percent_of_the_time_at_60_percent_of_the_price_is_let_go(store):
    (advice,) = (e for e in savings(store, []).expected if e.kind == "renew_less")
    # 432 $ were paid; without the plan its 30 hours of use would have cost 300 $; the halves of the days differ
    assert advice.low_usd <= 132 <= advice.high_usd
    assert "none of it pays: let it end" in advice.reason


def test_runs_on_a_machine_of_the_catalog_are_set_beside_its_sisters():
    catalog = embedded()
    told = paid()
    line = told.attempts[0]
    offer = replace(
        line.attempt.offer, provider="aws", region="ap-northeast-1", zone=None, market=Market.ON_DEMAND,
        accelerator="L4", accelerator_count=1, instance_type="gr6.4xlarge", vcpus=16.0,
    )  # fmt: skip
    meter = MeterTotals(memory_peak_bytes=5 * GIB)
    attempt = replace(line.attempt, offer=offer, observation=replace(line.attempt.observation, meter=meter))
    told = replace(told, attempts=(replace(line, attempt=attempt),))

    (use,) = memory_uses([told], catalog)
    assert (use.peak_gib, use.own.instance_type) == (5.0, "gr6.4xlarge")
    (advice,) = oversized([use])
    assert "g6.4xlarge would do" in advice.reason, "the same CPUs and accelerator, half the memory"
    assert advice.kind == "oversized_memory" and 0 < advice.low_usd <= advice.high_usd < use.paid_usd
    assert memory_uses([paid()], catalog) == [], "a machine that the catalog does not know has no sisters"
