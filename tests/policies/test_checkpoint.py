"""How often to save: the interval that loses the least, found by formula and by trying all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.market.memory import blank, observe
from shoestring.market.prior import prior_hazard
from shoestring.policies.checkpoint import due_s, interval_s, overhead_share


@given(save_s=st.floats(1, 30), lifetime_s=st.floats(2_000, 40_000))
def test_no_other_interval_loses_much_less(save_s: float, lifetime_s: float) -> None:
    ours = overhead_share(save_s, interval_s(save_s, lifetime_s), lifetime_s)
    best = min(overhead_share(save_s, every, lifetime_s) for every in np.geomspace(4 * save_s, 3600, 300))

    assert ours <= best * 1.02 + 1e-4


def test_a_young_instance_saves_more_often_than_an_old_one() -> None:
    young = observe(observe(blank(1, 600.0), np.array([False]), 0.0), np.array([True]), 600.0)
    old = observe(young, np.array([True]), 20 * 3600.0)
    hazard = prior_hazard(young.ages)[0].tolist()

    assert due_s(10.0, young, hazard, 0) < 0.5 * due_s(10.0, old, hazard, 0)


@pytest.mark.parametrize(("save_s", "lifetime_s"), [(0.0, 100.0), (10.0, 0.0)])
def test_what_can_not_be_is_refused(save_s: float, lifetime_s: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        interval_s(save_s, lifetime_s)


def test_a_slow_save_never_takes_more_than_a_fifth_of_the_time() -> None:
    assert interval_s(600.0, 1000.0) == 2400.0


def test_where_instances_die_before_a_save_is_over_every_lifetime_is_saved() -> None:
    """A save of 100 s at a mean life of 50 s and less: Daly's rule has no root there."""
    assert interval_s(100.0, 50.0) == interval_s(100.0, 40.0) == 400.0  # no more than a fifth of the time
    assert interval_s(100.0, 5000.0) == pytest.approx(934.44, abs=0.01)
