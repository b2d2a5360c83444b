"""The quick sum that the supervisor decides by agrees with the ledger's exact one."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.offer import BillingRule
from shoestring.domain.run import ExitKind, PriceSpan, RunState
from shoestring.domain.units import money
from shoestring.ledger.data_prices import DataPrices
from shoestring.ledger.rate import rate_all
from shoestring.ledger.spend import compute_usd, spend_of, spent
from shoestring.ledger.usage import usage_of_run
from tests.ledger.making import DATA_PRICES, GIB, at, attempt, checkpoint, offer, price, rules, usd

whole = st.integers(0, 50_000)


@st.composite
def lives(draw):
    """One to four attempts in a row, in two regions, saving and restoring, at prices that change."""
    clock, saved, attempts = 0, [], []
    for number in range(1, draw(st.integers(1, 4)) + 1):
        start = clock + draw(st.integers(0, 500))
        end = start + draw(whole)
        zone = draw(st.sampled_from(["us-east-1a", "us-east-1b", "eu-west-1a"]))
        on = offer(zone=zone, billing=draw(rules))
        changes = sorted({start, *draw(st.lists(st.integers(start, end), max_size=3))})
        prices = tuple(PriceSpan(start=at(c), end=None, price=price(draw(usd), c)) for c in changes)
        mine = tuple(
            checkpoint(number * 100 + i, when, size=draw(st.integers(0, 5 * GIB)))
            for i, when in enumerate(sorted(draw(st.lists(st.integers(start, end), max_size=3))))
        )
        restored = (saved[-1].step, start, 1) if saved else None
        live = draw(st.booleans()) and number == 4
        attempts.append(
            attempt(
                number,
                start,
                None if live else end,
                checkpoints=mine,
                restored=restored,
                on=on,
                prices=prices,
                exit_kind=draw(st.sampled_from([ExitKind.PREEMPTED, ExitKind.STOPPED])),
            )
        )
        saved += mine
        clock = end
    return tuple(attempts)


@given(lives(), whole, st.integers(1, 3), st.integers(1, 3))
def test_the_quick_sum_equals_the_rated_one(attempts, wait, nodes, keep_last):
    now = at(60_000 * 4 + wait)
    usage = usage_of_run(
        attempts, until=now, state=RunState.WAITING, nodes=nodes, keep_last=keep_last, prices=DATA_PRICES
    )
    rated = sum((c.amount_usd for c in rate_all(usage).charges), Decimal(0))
    quick = spent(attempts, now, nodes=nodes, keep_last=keep_last, prices=DATA_PRICES)
    assert quick == pytest.approx(float(rated), rel=1e-9, abs=1e-9)


def test_prices_may_come_in_any_order():
    spans = tuple(PriceSpan(start=at(s), end=None, price=price(p, s)) for s, p in [(1800, "3"), (0, "1")])
    assert compute_usd(attempt(1, 0, 3600, prices=spans), at(3600)) == pytest.approx(2.0)


@pytest.mark.parametrize("broken", [(), (PriceSpan(start=at(9), end=None, price=price("1")),)])
def test_what_can_not_be_rated_is_left_out(broken):
    assert spent((attempt(1, 0, 3600, prices=broken),), at(3600)) == 0.0


def test_an_unknown_price_inside_a_life_leaves_it_out_as_rating_does():
    unknown = (PriceSpan(start=at(0), end=None, price=price(None)),)
    assert spent((attempt(1, 0, 3600, prices=unknown),), at(3600)) == 0.0


def test_a_launch_not_yet_billed_costs_nothing():
    waiting = attempt(1, 0, None)
    seen = replace(waiting.observation, launched_at=None)
    assert spent((replace(waiting, observation=seen),), at(100)) == 0.0


def test_kept_checkpoints_go_on_costing_by_the_day():
    saves = tuple(checkpoint(i, i, size=730 * GIB) for i in range(5))
    daily = spend_of(Decimal(1), (attempt(1, 0, 10, checkpoints=saves),), keep_last=2, prices=DATA_PRICES)
    assert daily.storage_usd_per_day == Decimal(2 * 730 * 24) / 730 * Decimal("0.023")


def test_a_daily_cost_without_a_storage_price_is_unknown_and_without_checkpoints_is_zero():
    saved = attempt(1, 0, 10, checkpoints=(checkpoint(1, 1),))
    assert spend_of(Decimal(1), (saved,), keep_last=2, prices=DataPrices()).storage_usd_per_day is None
    assert spend_of(Decimal(1), (), keep_last=2, prices=DataPrices()).storage_usd_per_day == 0


def test_a_kept_checkpoint_costs_a_day_of_its_price():
    """2 GiB at $0.023 per GiB-month of 730 hours, 24 hours a day."""
    kept = attempt(
        1, 0, 3600, checkpoints=(checkpoint(1, 100, size=5 * GIB), checkpoint(2, 200, size=2 * GIB))
    )
    told = spend_of(Decimal(3), (kept,), keep_last=1, prices=DATA_PRICES)
    assert told.total_usd == 3
    assert told.storage_usd_per_day == money(Decimal(2) * Decimal("0.023") * 24 / 730)
    assert spend_of(Decimal(3), (kept,), keep_last=1, prices=DataPrices()).storage_usd_per_day is None
    assert spend_of(Decimal(3), (), keep_last=1, prices=DataPrices()).storage_usd_per_day == 0


def test_what_storage_and_egress_cost_is_left_out_while_nobody_knows_it():
    first = attempt(1, 0, 3600, checkpoints=(checkpoint(1, 1800),), exit_kind=ExitKind.PREEMPTED)
    second = attempt(2, 3600, 7200, restored=(1, 3600, 1), on=offer("2.00", zone="eu-west-1a"))

    def total(prices):
        return spent((first, second), now=at(7200), keep_last=1, prices=prices)

    assert total(DataPrices()) == pytest.approx(3.0)
    carried = 0.02 + 1.5 * 0.023 / 730  # a GiB to the other region, and an hour and a half of keeping it
    assert total(DATA_PRICES) == pytest.approx(3.0 + carried)


def test_a_life_of_just_the_free_time_is_paid_for():
    ec2 = offer("1.00", billing=BillingRule(granularity_s=1, minimum_s=0, free_if_interrupted_within_s=3600))
    lives_s = {s: attempt(1, 0, s, on=ec2, exit_kind=ExitKind.PREEMPTED) for s in (3599, 3600)}
    assert compute_usd(lives_s[3599], at(9000)) == 0.0
    assert compute_usd(lives_s[3600], at(9000)) == pytest.approx(1.0)


def test_before_a_checkpoint_is_written_it_costs_nothing():
    """A clock set back: it was written ten hours from now."""
    ahead = attempt(1, 0, 60, checkpoints=(checkpoint(1, 36_000),))
    assert spent((ahead,), at(60), prices=DATA_PRICES) == pytest.approx(60 / 3600)


def test_as_many_checkpoints_cost_money_as_are_kept():
    """Three saves an hour apart, two kept: the first is gone when the third is written."""
    saves = tuple(checkpoint(n, 3600 * n) for n in range(3))
    held = attempt(1, 0, 10_800, checkpoints=saves)
    hours = 2 + 2 + 1
    total = spent((held,), at(10_800), keep_last=2, prices=DATA_PRICES)
    assert total == pytest.approx(3.0 + hours * 0.023 / 730)


def test_what_carrying_costs_is_left_out_while_its_price_is_unknown():
    first = attempt(1, 0, 3600, checkpoints=(checkpoint(1, 1800),), exit_kind=ExitKind.PREEMPTED)
    second = attempt(2, 3600, 7200, restored=(1, 3600, 1), on=offer("2.00", zone="eu-west-1a"))
    unpriced = DataPrices(storage={"*": price(None)}, egress={("*", "*"): price(None)})
    assert spent((first, second), at(7200), prices=unpriced) == pytest.approx(3.0)


def test_two_checkpoints_are_kept_unless_said_otherwise():
    saves = tuple(checkpoint(n, 3600 * n) for n in range(4))
    held = attempt(1, 0, 10_800, checkpoints=saves)
    assert spent((held,), at(10_800), prices=DATA_PRICES) == spent(
        (held,), at(10_800), keep_last=2, prices=DATA_PRICES
    )
