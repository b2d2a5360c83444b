"""What was paid until a moment, read off a cost curve."""

from dataclasses import replace

import pytest

from shoestring.ledger.rate import rate
from shoestring.ledger.timeline import cost_curve, paid_at
from tests.ledger.making import at, compute

CURVE = ((at(0), 0.0), (at(100), 2.0), (at(300), 3.0))


@pytest.mark.parametrize(
    ("second", "usd"), [(-1, 0.0), (0, 0.0), (50, 1.0), (100, 2.0), (200, 2.5), (300, 3.0), (9000, 3.0)]
)
def test_between_two_points_the_curve_is_straight(second, usd):
    assert paid_at(CURVE, at(second)) == pytest.approx(usd)


def test_before_anything_was_paid_it_is_nothing():
    assert paid_at((), at(5)) == 0.0


def test_a_charge_of_a_second_accrues_over_it_and_one_without_time_at_once():
    (second,) = rate(compute(1))
    assert cost_curve((second,)) == ((at(0), 0.0), (at(1), pytest.approx(1 / 3600)))
    moment = replace(second, end=second.start)
    assert cost_curve((moment,)) == ((at(0), pytest.approx(1 / 3600)),)
    later = replace(moment, start=at(0.5), end=at(0.5))
    assert cost_curve((second, later)) == (
        (at(0), 0.0),
        (at(0.5), pytest.approx(0.5 / 3600)),
        (at(0.5), pytest.approx(1.5 / 3600)),
        (at(1), pytest.approx(2 / 3600)),
    )
