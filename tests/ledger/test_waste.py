"""Waste that can be named: runs on a plateau, machines too large, commitments too large."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.run import Heartbeat, RunState
from shoestring.ledger.commitments import CommitmentUse, best_level, cost_at, not_to_renew
from shoestring.ledger.data_prices import DataPrices
from shoestring.ledger.marginal import marginal_of
from shoestring.ledger.right_size import MemoryUse, Shape, oversized
from shoestring.ledger.stop_early import plateau_of, stop_early
from shoestring.ledger.timeline import cost_curve, paid_at
from tests.ledger.test_receipt import paid


def trained(*values, **more):
    """A run whose accuracy took these values, evenly over its life."""
    told = paid(**more)
    start, end = told.charges[0].start, max(c.end for c in told.charges)
    step = (end - start) / len(values)
    beats = tuple(
        Heartbeat(at=start + (n + 1) * step, step=n, metrics={"accuracy": v}) for n, v in enumerate(values)
    )
    return replace(told, trail=beats)


RISING = tuple(n / 20 for n in range(20))
FLAT_AFTER_HALF = tuple(min(n, 10) / 10 for n in range(20))


def test_a_run_that_still_improves_is_on_no_plateau():
    assert plateau_of(trained(*RISING)) is None


def test_a_run_that_stopped_improving_halfway_paid_half_for_nothing():
    told = trained(*FLAT_AFTER_HALF)
    found = plateau_of(told)
    assert (found.metric, found.best) == ("accuracy", 1.0)
    assert found.since == told.trail[10].at
    second = told.attempts[1]
    assert found.since < second.launched_at, "it was as good as it got before its second attempt began"
    assert found.after_usd == pytest.approx(float(second.cost.rated_usd), abs=0.05)
    assert 0 < found.last_tenth_usd < 0.01, "nearly all of the last tenth fell between the attempts"
    (advice,) = stop_early([told])
    assert (advice.kind, advice.subject, advice.low_usd) == ("stop_early", told.run_id, 0)
    assert float(advice.high_usd) == pytest.approx(found.after_usd, abs=1e-6)
    assert "the next one like it may end sooner" in advice.reason
    assert "it still runs" in stop_early([replace(told, state=RunState.RUNNING)])[0].reason


def test_less_is_better_for_a_loss_and_noise_ends_no_plateau():
    told = trained(*FLAT_AFTER_HALF)
    noisy = [1 - v + (0.05 if n % 2 else 0) * (n > 10) for n, v in enumerate(FLAT_AFTER_HALF)]
    beats = tuple(
        replace(b, metrics={"eval_loss": v}, loss=v) for b, v in zip(told.trail, noisy, strict=True)
    )
    found = plateau_of(replace(told, trail=beats))
    assert (found.metric, found.best, found.since) == ("loss", 0.0, told.trail[10].at)
    assert found.first == 1.0
    assert plateau_of(replace(told, trail=beats), "eval_loss").best == 0.0


def test_few_beats_or_none_say_nothing():
    assert plateau_of(trained(*FLAT_AFTER_HALF[:7])) is None
    assert plateau_of(paid()) is None
    assert stop_early([paid()]) == ()


def test_a_run_that_never_improved_is_on_its_plateau_from_the_first_beat():
    told = trained(*([0.5] * 12))
    assert plateau_of(told).since == told.trail[0].at


OWN = Shape(instance_type="big", memory_gib=64, usd_per_hour=4.0)
HALF = Shape(instance_type="half", memory_gib=32, usd_per_hour=2.0)
QUARTER = Shape(instance_type="quarter", memory_gib=16, usd_per_hour=1.0)


def use(peak_gib, *others):
    return MemoryUse(subject="aws big", paid_usd=Decimal(100), peak_gib=peak_gib, own=OWN, others=others)


def test_a_mostly_empty_machine_has_its_smaller_sisters_as_a_range():
    (advice,) = oversized([use(10, HALF, QUARTER, OWN)])
    assert (advice.low_usd, advice.high_usd) == (50, 75)
    assert "10.0 of 64 GiB; quarter would do" in advice.reason
    (advice,) = oversized([use(14, HALF, QUARTER)])
    assert (advice.low_usd, advice.high_usd) == (50, 50), (
        "a quarter has no room for 14 GiB and a quarter more"
    )


def test_a_full_machine_or_one_without_sisters_is_left_in_peace():
    assert oversized([use(33, HALF), use(10), use(10, replace(HALF, usd_per_hour=4.5))]) == ()


def test_a_commitment_used_by_day_alone_is_renewed_at_what_pays():
    day = [10.0 if 8 <= n % 24 < 18 else 2.0 for n in range(24 * 14)]
    unused = [10.0 - v for v in day]
    (advice,) = not_to_renew([CommitmentUse(name="sp-1", used_usd=day, unused_usd=unused, ratio=0.6)])
    level = 2.0  # the other 8 are used 42 % of the time: less than the ratio
    saved = sum(day) + sum(unused) - cost_at(day, 0.6, level)
    assert (advice.kind, advice.subject) == ("renew_less", "sp-1")
    assert float(advice.low_usd) == pytest.approx(saved, abs=1e-3), "both weeks say the same"
    assert float(advice.high_usd) == pytest.approx(saved, abs=1e-3)
    assert "2.00 $ an hour would do" in advice.reason


def test_a_commitment_nobody_uses_is_let_go_and_a_used_one_stays():
    idle = CommitmentUse(name="sp-1", used_usd=[0.0] * 100, unused_usd=[5.0] * 100, ratio=0.6)
    busy = CommitmentUse(name="sp-2", used_usd=[5.0] * 100, unused_usd=[0.0] * 100, ratio=0.6)
    short = replace(idle, name="sp-3", used_usd=[0.0] * 10, unused_usd=[5.0] * 10)
    (advice,) = not_to_renew([idle, busy, short])
    assert (advice.subject, advice.high_usd) == ("sp-1", 500)
    assert "let it end" in advice.reason


@settings(max_examples=60)
@given(
    used=st.lists(st.floats(0, 100), min_size=5, max_size=80),
    ratio=st.floats(0.05, 0.95),
    other=st.floats(0, 100),
)
def test_no_level_is_cheaper_than_the_quantiles(used, ratio, other):
    best = best_level(used, ratio)
    assert cost_at(used, ratio, best) <= cost_at(used, ratio, other) * (1 + 1e-9) + 1e-9
    candidates = [cost_at(used, ratio, level) for level in used]
    assert cost_at(used, ratio, best) == pytest.approx(min(candidates), rel=1e-9, abs=1e-9)


def test_the_level_is_one_that_was_used():
    assert best_level(np.arange(10.0), 0.5) == 4.0


def test_the_last_tenth_of_an_improvement_has_its_own_price():
    slow_end = trained(*(n / 10 for n in range(10)), *(0.9 + n / 100 for n in range(1, 11)))
    found = marginal_of(slow_end, "accuracy")
    assert (found.first, found.best) == (0.0, 1.0)
    assert found.usd_per_point == pytest.approx(found.usd - paid_before(slow_end, 0), abs=1e-9)
    assert found.last_usd_per_point == pytest.approx((found.usd - paid_before(slow_end, 9)) / 0.1, rel=1e-6)
    assert found.last_usd_per_point > 2 * found.usd_per_point


def test_one_leap_is_the_last_tenth_itself():
    found = marginal_of(trained(0.0, 0.0, 1.0, 1.0), "accuracy")
    assert found.usd_per_point == found.last_usd_per_point


def test_what_did_not_improve_has_no_price_and_what_was_not_reported_no_line():
    flat = marginal_of(trained(0.5, 0.5, 0.4), "accuracy")
    assert (flat.usd_per_point, flat.last_usd_per_point) == (None, None)
    assert marginal_of(trained(0.5), "f1") is None
    assert marginal_of(trained(0.1, 0.5, prices=DataPrices()), "accuracy") is None


def paid_before(told, beat):
    return paid_at(cost_curve(told.charges), told.trail[beat].at)


def test_a_machine_that_is_half_used_or_costs_nothing_is_left_in_peace():
    roomy = replace(HALF, memory_gib=48)
    assert oversized([use(32, roomy)]) == () and oversized([use(31.9, roomy)]) != ()
    assert oversized([use(31.9, replace(HALF, memory_gib=40))]) != ()
    assert oversized([replace(use(10, HALF), own=replace(OWN, usd_per_hour=0.0))]) == ()
    assert oversized([use(10, replace(HALF, usd_per_hour=4.0))]) == (), "no cheaper"
    assert oversized([use(10, replace(HALF, memory_gib=64))]) == (), "no smaller"
    (free,) = oversized([use(10, replace(HALF, usd_per_hour=0.0))])
    assert free.high_usd == 100


def test_a_sister_with_just_the_room_will_do():
    (advice,) = oversized([use(12.8, QUARTER, HALF)])  # 16 GiB are 1.25 times as much
    assert (advice.low_usd, advice.high_usd) == (50, 75)
    assert "runs touched 12.8 of 64 GiB; quarter would do, with room of 25%" in advice.reason


def test_eight_beats_are_enough_and_a_fifth_of_the_cost_is_worth_a_word():
    assert plateau_of(trained(*([0.5] * 8))) is not None
    assert plateau_of(trained(*([0.5] * 7))) is None
    told = trained(*FLAT_AFTER_HALF)
    found = plateau_of(told)
    assert found.usd == pytest.approx(cost_curve(told.charges)[-1][1])
    assert found.last_tenth_usd == pytest.approx(paid_before(told, 10) - paid_before(told, 9))
    assert found.after_usd == pytest.approx(found.usd - paid_before(told, 10))
    late = trained(*(min(n, 19) / 19 for n in range(20)))
    assert plateau_of(late) is None, "nothing was paid afterwards"


def test_marginal_prices_of_a_loss_are_told_in_its_own_numbers():
    losses = trained(*([0.0] * 4))
    beats = tuple(
        replace(b, metrics={}, loss=v) for b, v in zip(losses.trail, (4.0, 2.0, 3.0, 1.0), strict=True)
    )
    told = replace(losses, trail=beats)
    found = marginal_of(told, "loss")
    assert (found.first, found.best) == (4.0, 1.0)
    assert found.usd == pytest.approx(paid_before(told, 3))
    assert found.usd_per_point == pytest.approx((paid_before(told, 3) - paid_before(told, 0)) / 3)
    assert found.last_usd_per_point == pytest.approx(paid_before(told, 3) - paid_before(told, 1)), (
        "from 2 to 1"
    )


def test_what_cost_nothing_wasted_nothing():
    assert plateau_of(replace(trained(*([0.5] * 12)), charges=())) is None
