"""How often to look at a market where a look costs something."""

import pytest

from shoestring.policies.probing import interval_s


def test_the_best_interval_is_the_economic_order_quantity() -> None:
    """One change every two hours is assumed: sqrt(2 x 0.01 / (1/2 x 2)) h = 509.1 s."""
    assert interval_s(0.01, 2.0, 0, 0.0, shortest_s=60.0) == pytest.approx(509.117, abs=0.001)
    assert interval_s(0.04, 2.0, 0, 0.0, shortest_s=60.0) == pytest.approx(2 * 509.117, abs=0.001)


def test_it_lies_between_a_turn_of_the_loop_and_an_hour() -> None:
    assert interval_s(0.0, 2.0, 5, 5.0, shortest_s=60.0) == 60.0
    assert interval_s(1e-9, 2.0, 5, 5.0, shortest_s=60.0) == 60.0
    assert interval_s(9.0, 2.0, 5, 5.0, shortest_s=60.0) == 3600.0
    assert interval_s(0.01, 0.0, 5, 5.0, shortest_s=60.0) == 3600.0, "nothing to be won"
    assert interval_s(0.01, 0.0, 5, 5.0, shortest_s=7200.0) == 7200.0


@pytest.mark.parametrize(("probe", "saving"), [(-0.01, 1.0), (0.01, -1.0)])
def test_what_can_not_be_is_refused(probe: float, saving: float) -> None:
    with pytest.raises(ValueError, match="neither may be negative"):
        interval_s(probe, saving, 0, 0.0, shortest_s=60.0)
