"""What a lever saved: hours not needed, at the price really paid."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.lever import QualityEvidence
from shoestring.domain.units import money
from shoestring.ledger.levers import Work, against_plan, against_run, less_spent, work_of
from tests.ledger.test_receipt import paid, preempted_and_resumed

T4 = frozenset({("T4", 1.0)})


def work(
    useful: float, held: float, usd: str | None = None, *, low: str = "1", high: str = "1", on=T4
) -> Work:
    return Work(
        useful_h=Fraction(useful),
        held_h=Fraction(held),
        usd=Decimal(usd) if usd is not None else Decimal(str(float(held))),
        low_usd_per_hour=Decimal(low),
        high_usd_per_hour=Decimal(high),
        hardware=on,
    )


def test_hours_that_were_not_needed_count_at_the_mean_price_paid():
    saved = against_run(work(6, 8, "4", low="0.4", high="0.75"), work(10, 11, "99"))
    assert saved.usd == money("2.00")  # 4 h at 0.50 $, whatever the reference paid
    assert (saved.low_usd, saved.high_usd) == (money("1.2"), money("3"))  # 3 h at 0.40, 4 h at 0.75
    assert saved.hours_saved == 4 and saved.usd_per_hour == money("0.5")


def test_what_was_planned_and_not_done_would_have_taken_as_long_for_each():
    saved = against_plan(work(7, 8), planned=20, done=7)
    assert saved.usd == money(13)
    assert saved.low_usd == money(13) and saved.high_usd == money("14.857142857143")


def test_the_levers_own_cost_comes_off_the_whole_range():
    saved = less_spent(against_plan(work(1, 1), planned=4, done=1), Decimal("2.5"))
    assert (saved.low_usd, saved.usd, saved.high_usd) == (money("0.5"),) * 3


@pytest.mark.parametrize(
    ("own", "reference", "told"),
    [
        (work(6, 8), work(10, 11, on=frozenset({("H100", 1.0)})), "can't be compared"),
        (work(0, 8), work(10, 11), "no useful hours"),
        (work(6, 8), work(0, 11), "no useful hours"),
    ],
)
def test_what_can_not_be_compared_is_refused(own, reference, told):
    with pytest.raises(ValueError, match=told):
        against_run(own, reference)


def test_an_unknown_price_is_no_price_of_zero():
    own = Work(useful_h=Fraction(1), held_h=Fraction(1), usd=None, low_usd_per_hour=None,
               high_usd_per_hour=None, hardware=T4)  # fmt: skip
    with pytest.raises(ValueError, match="no known price"):
        against_run(own, work(2, 2))


@pytest.mark.parametrize(("planned", "done"), [(20, 20), (20, 21), (20, 0)])
def test_a_plan_that_was_done_saves_nothing(planned, done):
    with pytest.raises(ValueError, match="leaves nothing"):
        against_plan(work(1, 1), planned=planned, done=done)


def test_work_is_told_by_the_receipt_to_the_microsecond():
    told = paid(preempted_and_resumed())
    own = work_of(told)
    assert float(own.useful_h) == pytest.approx(told.useful_s / 3600, abs=1e-9)
    assert float(own.held_h) == pytest.approx(told.held_s / 3600, abs=1e-9)
    assert own.usd == told.cost.total_usd - told.cost.parts["storage"] - told.cost.parts["egress"]


hours = st.fractions(min_value=Fraction(1, 100), max_value=1000, max_denominator=3600)


@given(hours, hours, hours, hours, st.decimals("0.01", "50", places=4), st.decimals("0", "50", places=4))
def test_the_range_holds_the_amount_and_both_ways_cancel(useful, more, other, extra, low, spread):
    own = work(
        useful, useful + more, str(low * (int(useful + more) + 1)), low=str(low), high=str(low + spread)
    )
    reference = work(other, other + extra, low=str(low), high=str(low + spread))
    saved = against_run(own, reference)
    assert saved.low_usd <= saved.usd <= saved.high_usd
    assert (saved.usd > 0) == (other > useful)
    assert against_run(own, own).usd == 0


@pytest.mark.parametrize(
    ("value", "reference", "better", "tolerance", "kept"),
    [
        (0.90, 0.91, True, 0.0, False), (0.90, 0.91, True, 0.01, True), (0.90, 0.91, True, 0.0099, False),
        (0.92, 0.91, True, 0.0, True), (0.5, 0.4, False, 0.0, False), (0.4, 0.5, False, 0.0, True),
    ],
)  # fmt: skip
def test_quality_is_kept_within_the_tolerance_alone(value, reference, better, tolerance, kept):
    found = QualityEvidence(
        metric="m", value=value, reference=reference, more_is_better=better, tolerance=tolerance, source="s"
    )
    assert found.kept is kept
