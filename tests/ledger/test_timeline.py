"""What was paid until a moment, read off a cost curve."""

import pytest

from shoestring.ledger.timeline import paid_at
from tests.ledger.making import at

CURVE = ((at(0), 0.0), (at(100), 2.0), (at(300), 3.0))


@pytest.mark.parametrize(
    ("second", "usd"), [(-1, 0.0), (0, 0.0), (50, 1.0), (100, 2.0), (200, 2.5), (300, 3.0), (9000, 3.0)]
)
def test_between_two_points_the_curve_is_straight(second, usd):
    assert paid_at(CURVE, at(second)) == pytest.approx(usd)


def test_before_anything_was_paid_it_is_nothing():
    assert paid_at((), at(5)) == 0.0
