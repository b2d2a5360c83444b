"""Finalists on made-up markets: never late with a fallback, rated like real use, and in line with the formula."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.offer import BillingRule, Market
from shoestring.domain.plan import WorkRange
from shoestring.planner.estimate import Candidate, Terms
from shoestring.planner.lives import Lives
from shoestring.planner.rollout import fallback_for, rollout
from shoestring.planner.screen import estimate
from shoestring.planner.simulated import Course
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.testing import an_offer

SPOT = an_offer(usd="1.00")
ON_DEMAND = an_offer(market=Market.ON_DEMAND, usd="3.00")
POLICY = UniformProgress()
EXACT = Terms(boot_h=0.1, launch_failure=0.0, save_h=1e-6)


def hours(mid: float, share: float = 0.0) -> WorkRange:
    return WorkRange(low_h=mid * (1 - share), mid_h=mid, high_h=mid * (1 + share), basis="declared")


def a_course(**more: object) -> Course:
    fields: dict[str, object] = {
        "offer": SPOT, "fallback": ON_DEMAND, "work": hours(40, 0.05), "scale": 1.0,
        "terms": Terms(deadline_h=60.0),
    }  # fmt: skip
    return Course(**(fields | more))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_outcomes_and_another_seed_others() -> None:
    one, same, other = (rollout(a_course(), POLICY, samples=6, seed=s) for s in (1, 1, 2))

    assert (one.cost_usd == same.cost_usd).all() and (one.finish_h == same.finish_h).all()
    assert (one.cost_usd != other.cost_usd).any()


def test_where_nothing_is_lost_a_run_costs_its_start_and_its_work() -> None:
    calm = a_course(scale=0.0, work=hours(40), terms=replace(EXACT, deadline_h=60.0))

    found = rollout(calm, POLICY, samples=20, seed=3)

    assert (found.losses == 0).all()
    assert found.cost_usd == pytest.approx(found.up_h, rel=1e-3)  # 1 $/h, billed by the second
    assert found.cost_usd.mean() == pytest.approx(40.1, abs=0.05)


def test_use_is_rated_by_the_offers_own_billing_rule() -> None:
    by_the_hour = replace(SPOT, billing=BillingRule(granularity_s=3600, minimum_s=3600))
    found = rollout(
        a_course(offer=by_the_hour, scale=0.0, work=hours(2.5), terms=EXACT), POLICY, samples=4, seed=1
    )

    assert found.cost_usd == pytest.approx([3.0] * 4)


@settings(max_examples=25, deadline=None)
@given(
    scale=st.sampled_from([0.2, 0.6, 1.0, 2.0, 5.0]),
    work=st.floats(min_value=3.0, max_value=60.0),
    slack=st.floats(min_value=0.35, max_value=2.0),
    seed=st.integers(min_value=0, max_value=10_000),
)
def test_with_guaranteed_capacity_to_fall_back_on_no_run_is_late(
    scale: float, work: float, slack: float, seed: int
) -> None:
    deadline = work * (1 + slack) + 1.0
    course = a_course(scale=scale, work=hours(work), terms=Terms(deadline_h=deadline, launch_failure=0.0))

    assert rollout(course, POLICY, samples=3, seed=seed).p_before(deadline) == 1.0


def test_without_a_fallback_spot_alone_is_late_on_a_rough_market_and_it_shows() -> None:
    found = rollout(a_course(fallback=None, scale=2.0), POLICY, samples=10, seed=1)

    assert found.p_before(60.0) < 0.5


@pytest.mark.parametrize("scale", [0.2, 0.6, 1.0])
def test_without_a_deadline_the_closed_form_and_the_simulation_agree(scale: float) -> None:
    work, terms = hours(40, 0.05), Terms()

    found = rollout(a_course(fallback=None, scale=scale, work=work, terms=terms), POLICY, samples=40, seed=5)
    formula = estimate(Candidate(price_usd_per_hour=1.0, work=work, scale=scale), terms)

    assert found.cost_usd.mean() == pytest.approx(formula.cost_usd, rel=0.06)


def test_a_rougher_market_is_not_cheaper() -> None:
    means = [
        float(rollout(a_course(scale=s), POLICY, samples=24, seed=9).cost_usd.mean()) for s in (0.2, 1.0, 2.0)
    ]

    assert means == sorted(means)


def test_a_warning_long_enough_for_a_save_loses_less_work() -> None:
    terms = Terms(deadline_h=None, interval_h=4.0)
    warned, not_warned = (
        rollout(a_course(offer=replace(SPOT, notice_s=n), terms=terms), POLICY, samples=20, seed=2)
        for n in (120.0, None)
    )

    assert warned.up_h.mean() < not_warned.up_h.mean() - 1.0


def test_a_budget_that_does_not_reach_suspends_and_never_ends() -> None:
    found = rollout(a_course(budget_usd=10.0, terms=Terms()), POLICY, samples=4, seed=1)

    assert np.isinf(found.finish_h).all() and (found.cost_usd <= 10.0).all()


def test_storage_is_paid_for_as_long_as_the_job_takes() -> None:
    plain = rollout(a_course(scale=0.0), POLICY, samples=3, seed=1)
    kept = rollout(a_course(scale=0.0, storage_usd_per_hour=0.5, data_usd=7.0), POLICY, samples=3, seed=1)

    assert kept.cost_usd == pytest.approx(plain.cost_usd + 7.0 + 0.5 * plain.finish_h)


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_drawn_lives_have_the_mean_of_the_hazard(scale: float) -> None:
    lives = Lives.of(scale)
    ups = lives.intervals(np.random.default_rng(4), 60_000.0)

    lengths = ups[1:, 1] - ups[1:, 0]

    assert (ups[1:, 0] >= ups[:-1, 1]).all()
    error = lengths.std() / math.sqrt(len(lengths))
    half_a_step = 1 / 12  # a life ends somewhere in its last step
    assert abs(lengths.mean() - lives.mean_up_h) < 4 * error + half_a_step


def test_a_job_falls_back_on_the_same_shape_nearby_before_a_cheaper_one_far_away() -> None:
    here = replace(ON_DEMAND, id="here", accelerator="L4", accelerator_count=1)
    far = replace(here, id="far", region="eu-west-1")
    elsewhere = replace(here, id="elsewhere", provider="other")
    other_shape = replace(here, id="two", accelerator_count=2)
    spot = replace(SPOT, accelerator="L4", accelerator_count=1)
    prices = {"here": 9.0, "far": 2.0, "elsewhere": 1.0, "two": 0.1}

    assert fallback_for(spot, [far, elsewhere, other_shape, here], prices) == here
    assert fallback_for(spot, [elsewhere, far], prices) == far
    assert fallback_for(spot, [other_shape], prices) is None
