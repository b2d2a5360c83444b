"""What a run is compared with: which baseline heads the receipt, and what is known of a saving."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoestring.domain.facts import Baseline
from shoestring.domain.offer import BillingRule, Market
from shoestring.ledger.baseline import (
    BaselineCost,
    MeasuredTime,
    main_baseline,
    price_baseline,
    saving_against,
)
from tests.ledger.making import at, offer


def cost(name, usd, low=None, high=None):
    known = None if usd is None else Decimal(usd)
    return BaselineCost(
        name=name, offer_id=None, instance_type=None, hours=1.0, hours_source="declared", usd_per_hour=None,
        cost_usd=known, low_usd=known if low is None else Decimal(low),
        high_usd=known if high is None else Decimal(high), method="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("baselines", "heads"),
    [
        ([cost("on_demand", "9"), cost("as_asked", "5")], "as_asked"),
        ([cost("as_asked", None), cost("on_demand", "9")], "on_demand"),
        ([cost("on_demand", None), cost("as_asked", None)], "as_asked"),
        ([cost("other", "1"), cost("on_demand", "9")], "other"),
    ],
)
def test_the_job_as_asked_heads_the_receipt_unless_only_another_cost_is_known(baselines, heads):
    assert main_baseline(baselines).name == heads


def test_without_baselines_none_heads_the_receipt():
    assert main_baseline([]) is None


def test_a_saving_has_the_range_of_its_baseline_and_may_be_a_loss():
    saving = saving_against(cost("on_demand", "10", low="8", high="13"), Decimal(4))
    assert (saving.usd, saving.fraction, saving.low_usd, saving.high_usd) == (6, 0.6, 4, 9)
    assert saving_against(cost("on_demand", "10"), Decimal(12)).usd == -2
    assert saving_against(cost("on_demand", "0"), Decimal(1)).fraction is None


@pytest.mark.parametrize(("baseline", "paid"), [(cost("a", "1"), None), (cost("a", None), Decimal(1))])
def test_a_saving_against_or_of_the_unknown_is_unknown(baseline, paid):
    saving = saving_against(baseline, paid)
    assert (saving.usd, saving.fraction, saving.low_usd, saving.high_usd) == (None,) * 4


THREE = offer("3.00", market=Market.ON_DEMAND)


def priced(
    hours=None, *, useful_s=3600.0, checkpoint_s=360.0, boot_s=180.0, accelerators=None, nodes=1, on=THREE
):
    baseline = Baseline(
        name="on_demand", offer=on, hours=hours, hours_source="declared", method="uninterrupted"
    )
    same = frozenset({((on or THREE).accelerator or "cpu", (on or THREE).accelerator_count)})
    measured = MeasuredTime(
        useful_s=useful_s, checkpoint_s=checkpoint_s, boot_s=boot_s, accelerators=accelerators or same
    )
    return price_baseline(baseline, measured, nodes=nodes, started=at(0))


def test_measured_hours_are_useful_time_and_one_boot_between_their_bounds():
    told = priced()
    assert (told.hours, told.hours_source) == (pytest.approx(1.05), "measured")
    assert [float(told.low_usd), float(told.cost_usd), float(told.high_usd)] == pytest.approx([3, 3.15, 3.45])
    assert priced(nodes=2).cost_usd == 2 * told.cost_usd


def test_declared_hours_hold_and_measured_ones_widen_the_range():
    told = priced(2.0)
    assert (told.hours, told.hours_source, told.cost_usd) == (2.0, "declared", 6)
    assert (told.low_usd, told.high_usd) == (3, 6)


@pytest.mark.parametrize("other", [{"accelerators": frozenset({("B200", 8)})}, {"useful_s": 0.0}])
def test_other_hardware_or_no_work_tells_no_hours(other):
    told = priced(**other)
    assert (told.hours, told.cost_usd, told.low_usd, told.high_usd) == (None,) * 4
    assert "unknown" in told.method


def test_no_offer_and_no_price_are_told_apart():
    assert "no offer matched" in priced(on=None).method
    nameless = priced(1.0, on=offer(None, market=Market.ON_DEMAND))
    assert nameless.cost_usd is None
    assert "gave no price" in nameless.method


def test_without_an_attempt_so_far_the_offers_own_boot_time_counts():
    assert priced(boot_s=None, on=replace(THREE, boot_s=360.0)).hours == pytest.approx(1.1)


def test_however_little_was_done_it_was_measured():
    assert priced(useful_s=0.5).hours == pytest.approx(180.5 / 3600)


def test_a_baseline_is_rounded_as_its_provider_bills():
    hourly = replace(THREE, billing=BillingRule(granularity_s=3600, minimum_s=3600))
    assert priced(0.5, on=hourly).cost_usd == 3
    assert priced(1.5, on=hourly).cost_usd == 6


def test_without_any_word_on_booting_it_takes_no_time():
    assert priced(boot_s=None, on=replace(THREE, boot_s=None)).hours == 1.0


def test_the_method_says_how_long_at_what_price_from_where():
    assert priced(2.0).method == (
        "uninterrupted; 2 h (declared) at 3.00 $/h (test, 2026-01-01), rounded as the provider bills; compute only"
    )
    assert priced(useful_s=0.0).method == "uninterrupted; hours on T4 unknown"
    on_cpu = offer("3.00", market=Market.ON_DEMAND, accelerator=None)
    assert priced(useful_s=0.0, on=on_cpu).method == "uninterrupted; hours on cpu unknown"


def test_a_share_is_saved_of_however_little():
    assert saving_against(cost("on_demand", "0.50"), Decimal("0.20")).fraction == 0.6
