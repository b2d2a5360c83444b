import math

from hypothesis import given
from hypothesis import strategies as st

from shoestring.training.schedule import ASSUMED_LIFE_S, FIRST_SAVE_S, Schedule

seconds = st.floats(0.001, 1e6)


def test_the_policy_sets_the_interval():
    schedule = Schedule(interval_s=30, started=100)
    assert not schedule.due(129.9)
    assert schedule.due(130)
    schedule.saved(130, 2)
    assert not schedule.due(159)
    assert schedule.due(160)


def test_saves_never_queue_up():
    schedule = Schedule(interval_s=1, started=0)
    schedule.saved(0, 50)
    assert not schedule.due(49)
    assert schedule.due(50)


def test_without_a_policy_the_first_save_measures_and_young_decides():
    schedule = Schedule(interval_s=None, started=0)
    assert schedule.due(FIRST_SAVE_S)
    schedule.saved(FIRST_SAVE_S, 8)
    assert schedule.every_s == math.sqrt(2 * 8 * ASSUMED_LIFE_S)


@given(st.lists(seconds, min_size=1, max_size=20))
def test_the_estimate_is_never_below_the_last_measurement(times):
    schedule = Schedule(interval_s=None, started=0)
    for took in times:
        schedule.saved(0, took)
        assert schedule.save_s is not None
        assert took <= schedule.save_s <= max(times)


def test_a_save_fits_only_with_slack():
    schedule = Schedule(interval_s=None, started=0, save_s=10)
    assert schedule.fits(0, 13)
    assert not schedule.fits(0, 12)
    assert schedule.fits(0, None)


def test_an_unmeasured_save_is_tried():
    assert Schedule(interval_s=None, started=0).fits(0, 1)


@given(save_s=st.floats(0.01, 100), notice_s=st.floats(1, 1000))
def test_after_a_notice_the_last_call_comes_while_a_save_still_fits(save_s, notice_s):
    schedule = Schedule(interval_s=1e9, started=0, save_s=save_s, last=-1e6)
    moments = [0.0, *(t for t in (notice_s - 0.25 * i for i in range(1000, -1, -1)) if t > 0)]
    calls = [t for t in moments if schedule.last_call(t, notice_s)]
    for t in calls:
        assert t + save_s <= notice_s
    if schedule.fits(0, notice_s):
        assert calls, "a notice long enough for a save gets its last call"
    if calls:
        schedule.saved(calls[0], save_s)
        again = [t for t in calls if schedule.last_call(t, notice_s) and t < calls[0] + save_s]
        assert not again
