"""Rating: what a provider would bill, to the cent, in parts that sum to it exactly."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.errors import PriceUnknown
from shoestring.domain.offer import BillingRule, Price
from shoestring.domain.run import NodesLost, PriceSpan
from shoestring.domain.units import money
from shoestring.domain.usage import CostPart, UsageKind, UsageRecord
from shoestring.ledger.rate import rate, rate_all
from tests.ledger.making import T0, at, compute, compute_records, part, price, spans, usd

EC2_SPOT = BillingRule(granularity_s=1, minimum_s=60, free_if_interrupted_within_s=3600)


def total(record: UsageRecord) -> Decimal:
    return sum((c.amount_usd for c in rate(record)), Decimal(0))


def by_part(record: UsageRecord) -> dict[CostPart, Decimal]:
    sums: dict[CostPart, Decimal] = {}
    for charge in rate(record):
        sums[charge.part] = sums.get(charge.part, Decimal(0)) + charge.amount_usd
    return sums


def books_of_the_market(record: UsageRecord) -> Fraction:
    """An independent reckoning in exact fractions: every microsecond at the price in force."""
    used = Fraction((record.end - record.start) // timedelta(microseconds=1), 10**6)
    rule = record.billing
    if record.interrupted and rule.free_if_interrupted_within_s and used < rule.free_if_interrupted_within_s:
        return Fraction(0)
    billed = math.ceil(max(used, Fraction(rule.minimum_s)) / rule.granularity_s) * rule.granularity_s
    starts = [
        Fraction((s.start - record.start) // timedelta(microseconds=1), 10**6) for s in record.price_spans
    ]
    owed = Fraction(0)
    for index, span in enumerate(record.price_spans):
        end = min(starts[index + 1], Fraction(billed)) if index + 1 < len(starts) else Fraction(billed)
        owed += max(Fraction(0), end - starts[index]) * Fraction(span.price.usd_per_hour) / 3600
    return owed * record.instances


def test_an_hour_at_a_dollar_costs_a_dollar():
    assert total(compute(3600)) == 1


def test_each_moment_costs_the_price_then_in_force():
    record = compute(3600, (0, "1.00"), (1800, "3.00"), (2700, "0.50"))
    assert total(record) == Decimal("1.375")


def test_a_part_that_straddles_a_price_change_is_split_by_price():
    lost = (part(CostPart.COMPUTE, 0, 900), part(CostPart.LOST_WORK, 900, 3600))
    charges = rate(compute(3600, (0, "1.00"), (1800, "2.00"), parts=lost))
    assert [(c.part, c.price.usd_per_hour, c.amount_usd) for c in charges] == [
        (CostPart.COMPUTE, Decimal("1.00"), money("0.25")),
        (CostPart.LOST_WORK, Decimal("1.00"), money("0.25")),
        (CostPart.LOST_WORK, Decimal("2.00"), money("1.00")),
    ]


def test_time_is_rounded_up_to_the_granularity_at_the_last_price_and_the_rest_is_idle():
    hourly = BillingRule(granularity_s=3600, minimum_s=3600)
    record = compute(5400, (0, "1.00"), (3600, "2.00"), billing=hourly)
    assert by_part(record) == {CostPart.COMPUTE: money(2), CostPart.IDLE: money(1)}


def test_at_least_the_minimum_is_billed():
    minute = BillingRule(granularity_s=1, minimum_s=60)
    assert by_part(compute(15, (0, "36"), billing=minute)) == {
        CostPart.COMPUTE: money("0.15"),
        CostPart.IDLE: money("0.45"),
    }


def test_an_instance_that_never_lived_still_owes_the_minimum():
    assert total(compute(0, (0, "60"), billing=BillingRule(minimum_s=60))) == 1


@pytest.mark.parametrize(("lived_s", "usd_owed"), [(3599.999999, "0"), (3600, "1"), (7200, "2")])
def test_ec2_charges_nothing_for_an_instance_it_takes_back_within_the_first_hour(lived_s, usd_owed):
    assert total(compute(lived_s, billing=EC2_SPOT, interrupted=True)) == Decimal(usd_owed)


def test_the_first_hour_is_not_free_when_we_end_it_ourselves():
    assert total(compute(1800, billing=EC2_SPOT)) == Decimal("0.5")


def test_free_time_still_shows_its_parts_at_zero():
    charges = rate(compute(1800, billing=EC2_SPOT, interrupted=True))
    assert [(c.part, c.amount_usd, c.seconds) for c in charges] == [(CostPart.COMPUTE, 0, 0)]


def test_every_node_of_a_gang_is_billed():
    assert total(compute(3600, instances=8)) == 8


@pytest.mark.parametrize(
    "prices",
    [((0, None),), ((0, "1"), (1800, None)), ((60, "1"),)],
    ids=["no price", "a price that stops being known", "a beginning without a price"],
)
def test_use_without_a_known_price_is_never_rated(prices):
    record = compute(3600, *prices)
    with pytest.raises(PriceUnknown):
        rate(record)
    assert rate_all([record]).unrated == (record,)
    assert rate_all([record]).charges == ()


def test_no_price_at_all_is_unknown():
    with pytest.raises(PriceUnknown, match="no price"):
        rate(replace(compute(60), price_spans=()))


def test_storage_is_rated_by_the_gib_month_of_730_hours():
    record = replace(compute(3600), kind=UsageKind.STORAGE, quantity=Decimal(730))
    assert [(c.part, c.amount_usd) for c in rate(record)] == [(CostPart.STORAGE, 1)]


def test_egress_is_rated_by_the_gib():
    record = replace(compute(0, (0, "0.09")), kind=UsageKind.EGRESS, quantity=Decimal(100))
    assert [(c.part, c.amount_usd) for c in rate(record)] == [(CostPart.EGRESS, 9)]


def test_unknown_storage_and_egress_prices_stay_unrated():
    for kind in (UsageKind.STORAGE, UsageKind.EGRESS):
        with pytest.raises(PriceUnknown):
            rate(replace(compute(1), kind=kind, price_spans=()))
        with pytest.raises(PriceUnknown):
            rate(replace(compute(1, (0, None)), kind=kind))


@given(compute_records())
def test_parts_sum_exactly_to_the_markets_own_books(record):
    owed = books_of_the_market(record)
    assert abs(Fraction(total(record)) - owed) <= Fraction(1, 2 * 10**12)
    assert all(c.amount_usd >= 0 for c in rate(record))


@given(compute_records())
def test_billed_seconds_are_conserved_over_parts(record):
    billed = sum(c.seconds for c in rate(record))
    lived = (record.end - record.start).total_seconds() * record.instances
    assert billed == 0 or billed >= lived - 1e-3


def test_a_charge_tells_its_instance_seconds_with_what_rounding_adds():
    hourly = BillingRule(granularity_s=3600)
    worked = (part(CostPart.COMPUTE, 0, 1800), part(CostPart.CHECKPOINT, 1800, 2700))
    charges = rate(compute(2700, (0, "1.00"), (900, "2.00"), billing=hourly, parts=worked, instances=8))
    assert [(c.part, c.price.usd_per_hour, c.seconds) for c in charges] == [
        (CostPart.COMPUTE, 1, 8 * 900),
        (CostPart.COMPUTE, 2, 8 * 900),
        (CostPart.CHECKPOINT, 2, 8 * 900),
        (CostPart.IDLE, 2, 8 * 900),
    ]


@given(compute_records(), st.randoms())
def test_the_order_of_price_spans_means_nothing(record, random):
    shuffled = list(record.price_spans)
    random.shuffle(shuffled)
    assert rate(replace(record, price_spans=tuple(shuffled))) == rate(record)


@given(compute_records(), usd)
def test_a_dearer_price_never_costs_less(record, more):
    dearer = tuple(
        PriceSpan(
            start=s.start,
            end=s.end,
            price=Price(usd_per_hour=s.price.usd_per_hour + more, source="test", as_of=s.price.as_of),
        )
        for s in record.price_spans
    )
    assert total(replace(record, price_spans=dearer)) >= total(record)


@given(st.integers(1, 10**6), st.integers(1, 10**6), usd)
def test_two_lives_cost_what_one_of_their_length_would(a, b, hourly):
    """Additive where every second counts; two roundings to 1e-12 at most apart."""
    both = total(compute(a + b, (0, hourly)))
    apart = total(compute(a, (0, hourly))) + total(compute(b, (0, hourly)))
    assert abs(both - apart) <= Decimal("2e-12")


@given(compute_records())
def test_rating_twice_gives_the_same_charges_with_distinct_ids(record):
    first = rate(record)
    assert rate(record) == first
    assert len({c.id for c in first}) == len(first)


def test_another_rule_version_makes_other_charges():
    assert {c.id for c in rate(compute(9), 1)}.isdisjoint(c.id for c in rate(compute(9), 2))


def test_a_price_span_that_begins_before_the_use_holds():
    early = PriceSpan(start=T0 - timedelta(days=1), end=None, price=price("2"))
    assert total(replace(compute(1800), price_spans=(early, *spans((900, "4"))))) == Decimal("1.5")
    assert at(0) == T0


def test_nodes_of_a_gang_that_were_gone_cost_nothing_until_they_are_back():
    """Two instances for 300 s; one of them is gone from second 100 to second 200: 500 instance-seconds."""
    gone = NodesLost(count=1, start=at(100), end=at(200))
    (charge,) = rate(replace(compute(300, instances=2), nodes_lost=(gone,)))
    assert charge.amount_usd == money(at_a_dollar(500))
    still = NodesLost(count=1, start=at(100))
    (charge,) = rate(replace(compute(300, instances=2), nodes_lost=(still,)))
    assert charge.amount_usd == money(at_a_dollar(400))


def at_a_dollar(seconds):
    """At a dollar an hour."""
    return Decimal(seconds) / 3600
