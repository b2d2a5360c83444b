"""A fee over its term: to the last step, to those who used it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.units import money
from shoestring.ledger.amortize import Held, amortize

T0 = datetime(2026, 11, 2, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return T0 + timedelta(hours=hours)


def held(holder, start, end, machines="1"):
    return Held(holder=holder, start=at(start), end=at(end), machines=Decimal(machines))


def test_a_day_is_shared_by_what_was_used_and_the_rest_is_nobodys():
    shares = amortize(money(360), T0, at(36), [held("vision", 0, 6), held("nlp", 12, 24, "0.5")], machines=1)
    told = {(s.start, s.holder): s.amount for s in shares}
    assert told == {
        (at(0), "vision"): 60, (at(0), None): 60,  # 12 h of the first day cost 120 $
        (at(12), "nlp"): 60, (at(12), None): 180,  # 12 h at half a machine
    }  # fmt: skip


def test_more_use_than_machines_leaves_nothing_unused():
    shares = amortize(money(10), T0, at(12), [held("a", 0, 12, "3"), held("b", 0, 12)], machines=2)
    assert {s.holder: s.amount for s in shares} == {"a": money("7.5"), "b": money("2.5")}


def test_use_outside_the_term_does_not_count():
    (share,) = amortize(money(10), T0, at(1), [held("a", -5, 0), held("a", 1, 9)], machines=1)
    assert (share.holder, share.amount) == (None, 10)


@pytest.mark.parametrize(("hours", "machines"), [(0, 1), (-1, 1), (1, 0)])
def test_an_empty_term_and_no_machines_are_refused(hours, machines):
    with pytest.raises(ValueError, match="term"):
        amortize(money(1), T0, at(hours), [], machines=machines)


moments = st.floats(-48, 24 * 40, allow_nan=False).map(lambda h: round(h, 3))
uses = st.lists(
    st.tuples(st.sampled_from("abc"), moments, moments, st.decimals("0.01", "9", places=2)), max_size=12
)


@given(st.decimals("-100000", "1000000", places=12), st.integers(1, 24 * 40), st.integers(1, 9), uses)
def test_the_shares_are_the_fee_to_the_last_step_and_never_against_its_sign(fee, hours, machines, used):
    lines = [held(who, min(a, b), max(a, b), str(m)) for who, a, b, m in used]
    shares = amortize(money(fee), T0, at(hours), lines, machines=machines)
    assert sum(s.amount for s in shares) == money(fee)
    assert all(s.amount * fee >= 0 for s in shares)
    assert all(T0 <= s.start < s.end <= at(hours) for s in shares)
    whole = {}
    for s in shares:
        whole[s.start, s.end] = whole.get((s.start, s.end), 0) + s.amount
    per_second = [amount / int((end - start).total_seconds()) for (start, end), amount in whole.items()]
    assert max(per_second) - min(per_second) <= Decimal("1e-12")
