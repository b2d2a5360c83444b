"""Rates: the prior without evidence, the evidence with much of it, and no memory of names."""

import numpy as np
import pytest

from shoestring.market.estimate import Learning, Terms, hazards, outlook, stationary
from shoestring.market.memory import blank, remember
from shoestring.market.prior import prior_hazard
from tests.market.ticks import chains, flat

STEP_S = 600.0


def terms(zones: int, move_usd: float = 0.0) -> Terms:
    return Terms(
        restart_s=300.0, spot_usd_per_hour=(1.0,) * zones, on_demand_usd_per_hour=(3.0,) * zones,
        move_usd=flat(zones, move_usd),
    )  # fmt: skip


def test_without_evidence_the_prior_holds() -> None:
    memory = blank(2, STEP_S)

    assert np.allclose(hazards(memory, Learning()), prior_hazard(memory.ages))


def test_the_prior_falls_with_age_at_every_step_length() -> None:
    for step_s in (60.0, 300.0, 600.0, 1800.0, 3600.0):
        loss, back = prior_hazard(blank(1, step_s).ages)

        assert loss[0] > 2 * loss[-1] and back[0] > 2 * back[-1]


def test_a_zone_that_is_never_lost_is_trusted_more_than_one_that_flaps() -> None:
    steady, flapping = np.ones(400, bool), np.arange(400) % 4 < 2
    rate = hazards(remember(np.stack([steady, flapping], 1), STEP_S), Learning())

    assert rate[0, 0, 5] < rate[1, 0, 5]


def test_long_evidence_overrules_the_prior() -> None:
    """A memoryless market with a loss every two hours is learnt as one, whatever the prior says."""
    rng = np.random.default_rng(3)
    up = np.ones((6000, 4), bool)
    for t in range(1, len(up)):
        up[t] = np.where(rng.random(4) < 1 / 12, ~up[t - 1], up[t - 1])
    rate = hazards(remember(up, STEP_S), Learning())

    assert rate[:, 0, :6].mean() == pytest.approx(1 / 12, rel=0.35)


def test_renaming_zones_renames_the_outlook() -> None:
    order = [2, 0, 1]
    seen = chains(np.random.default_rng(4), 300, 3, up_h=(0.5, 3.0))
    one = outlook(remember(seen, STEP_S), terms(3, 1.0), Learning())
    two = outlook(remember(seen[:, order], STEP_S), terms(3, 1.0), Learning())

    assert np.allclose(one.hazard[order], two.hazard)
    assert np.allclose(one.lands[order], two.lands)
    assert np.allclose(one.landing[np.ix_(order, order)], two.landing)
    assert np.allclose(one.lighting[np.ix_(order, order)], two.lighting)


def test_chances_are_chances() -> None:
    seen = chains(np.random.default_rng(5), 300, 4)
    market = outlook(remember(seen, STEP_S), terms(4, 5.0), Learning())

    assert np.all((market.hazard > 0) & (market.hazard < 1))
    assert np.all((market.lands >= 0) & (market.lands <= 1) & (market.lit >= 0) & (market.lit <= 1))
    assert np.allclose(market.landing.sum((1, 2)), 1) and np.allclose(market.lighting.sum((1, 2)), 1)
    assert np.allclose(market.landing_move_usd, 5.0)


def test_a_refuge_that_costs_more_to_reach_is_counted_on_less() -> None:
    """Between a near zone (free) and a far one, the near one gets what the far one loses in weight."""
    seen = chains(np.random.default_rng(6), 300, 3)
    near, far = flat(3, 0.0), [list(row) for row in flat(3, 0.0)]
    far[0][2] = 6.0
    cheap, dear = (
        outlook(remember(seen, STEP_S), Terms(
            restart_s=300.0, spot_usd_per_hour=(1.0,) * 3, on_demand_usd_per_hour=(3.0,) * 3,
            move_usd=tuple(tuple(row) for row in move),
        ), Learning(standing=0.0))
        for move in (near, far)
    )  # fmt: skip

    assert dear.lands[0] < cheap.lands[0] and dear.lit[0] < cheap.lit[0]
    assert dear.landing[0, 2].sum() < cheap.landing[0, 2].sum()
    assert np.allclose(dear.lands[1:], cheap.lands[1:])


def test_a_zone_alone_lands_nowhere() -> None:
    market = outlook(blank(1, STEP_S), terms(1), Learning())

    assert market.lands[0] == 0 and market.lit[0] == 0


def test_shares_of_time_are_those_of_the_chain() -> None:
    hazard, advance = np.array([[[0.2, 0.05], [0.1, 0.1]]]), np.array([0.5, 0.0])
    up, down, share = stationary(hazard, advance)
    rng = np.random.default_rng(6)
    state, age, counts = 0, 0, np.zeros((2, 2))
    for _ in range(60_000):
        counts[state, age] += 1
        if rng.random() < hazard[0, state, age]:
            state, age = 1 - state, 0
        elif age == 0 and rng.random() < advance[0]:
            age = 1

    assert share[0] == pytest.approx(counts[0].sum() / counts.sum(), abs=0.02)
    assert up[0] == pytest.approx(counts[0] / counts[0].sum(), abs=0.02)
    assert down[0] == pytest.approx(counts[1] / counts[1].sum(), abs=0.02)
