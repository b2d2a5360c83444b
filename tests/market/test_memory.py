"""What has been seen: counted by age, faded with time, blind to names and to how often one looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.market.ages import age_classes
from shoestring.market.memory import (
    HALF_LIFE_H,
    POOLED_HALF_LIFE_H,
    UNDERWAY_S,
    blank,
    extended,
    observe,
    recount,
    remember,
)

STEP_S = 600.0


def history(seed: int, looks: int = 120, zones: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).random((looks, zones)) < 0.6


def test_a_state_found_under_way_is_older_than_it_looks() -> None:
    memory = observe(blank(1, STEP_S), np.array([True]), 0.0)

    assert memory.age_s[0] == UNDERWAY_S


def test_a_loss_counts_at_the_age_it_came_at() -> None:
    memory = blank(1, STEP_S)
    for up in (False, True, True, False):  # up for two steps
        memory = observe(memory, np.array([up]), STEP_S, half_life_h=float("inf"))

    assert memory.exposure[0, 0, :3].tolist() == [1.0, 1.0, 0.0]
    assert memory.switches[0, 0, :3].tolist() == [0.0, 1.0, 0.0]
    assert memory.age_s[0] == 0.0


@given(st.integers(0, 10_000), st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_looking_more_often_than_anything_changes_learns_the_same(seed: int, cuts: list[int]) -> None:
    """A market told only when it changes leaves the same memory as one that is looked at all the time."""
    rng = np.random.default_rng(seed)
    states = [rng.random(2) < 0.5 for _ in cuts]
    once = often = observe(blank(2, STEP_S), np.array([True, False]), 0.0)
    for up, parts in zip(states, cuts, strict=True):
        before = once.up
        assert before is not None
        once = observe(once, up, parts * 200.0)
        for part in range(parts):
            often = observe(often, up if part == parts - 1 else before, 200.0)

    assert np.allclose(once.age_s, often.age_s)
    assert np.allclose(once.switches, often.switches)
    assert np.allclose(once.exposure, often.exposure, rtol=0.02)  # fading is by the look


def test_evidence_fades_by_half_in_a_half_life() -> None:
    memory = observe(observe(blank(1, STEP_S), np.array([True]), 0.0), np.array([False]), STEP_S)
    faded = observe(memory, np.array([False]), 24 * 3600.0)

    assert faded.switches[0, 0].sum() == pytest.approx(memory.switches[0, 0].sum() / 2)


@given(st.integers(0, 10_000), st.permutations([0, 1, 2]))
def test_zones_may_come_in_any_order(seed: int, order: list[int]) -> None:
    seen = history(seed)
    straight, other = remember(seen, STEP_S), remember(seen[:, order], STEP_S)

    for name in ("up", "age_s", "exposure", "switches", "losses", "covered", "dark", "relit"):
        assert np.array_equal(getattr(straight, name)[order], getattr(other, name)), name
    assert np.array_equal(extended(straight, tuple(order)).exposure, other.exposure)


def test_a_loss_is_covered_when_another_zone_is_up_right_after() -> None:
    seen = np.array([[1, 1], [0, 1], [0, 0], [0, 0], [0, 1]], bool)
    memory = remember(seen, STEP_S)

    assert memory.losses.round(1).tolist() == [1.0, 1.0]
    assert memory.covered.round(1).tolist() == [1.0, 0.0]
    assert memory.relit.round(1).tolist() == [1.0, 0.0]
    assert memory.dark.round(1).tolist() == [2.0, 2.0]


def test_recounting_keeps_the_evidence() -> None:
    memory = remember(history(1), STEP_S)
    coarse = recount(memory, 4 * STEP_S)

    assert coarse.switches.sum() == pytest.approx(memory.switches.sum())
    assert coarse.exposure.sum() * 4 == pytest.approx(memory.exposure.sum())
    assert recount(memory, STEP_S) is memory


def test_a_zone_never_seen_is_up_and_without_evidence() -> None:
    memory = extended(remember(history(2), STEP_S), (0, -1))

    assert memory.up is not None and memory.up[1]
    assert memory.exposure[1].sum() == 0


@pytest.mark.parametrize("step_s", [60.0, 600.0, 3600.0])
def test_classes_cover_every_age(step_s: float) -> None:
    ages = age_classes(step_s)

    assert ages.index(np.array([0.0, step_s, 1e9])).tolist() == [0, 1, ages.count - 1]
    assert np.all(np.diff(ages.from_s) >= step_s)
    assert ages.advance[-1] == 0


def test_a_step_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="step of 0"):
        age_classes(0.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.0, 40 * 3600.0))
def test_a_look_at_an_unchanged_market_is_the_general_look_bit_by_bit(
    seed: int, zones: int, elapsed_s: float
) -> None:
    """The short way that most looks take gives what the long one gives."""
    draw = np.random.default_rng(seed)
    memory = remember(draw.random((30, zones)) < 0.6, 600.0)
    assert memory.up is not None
    short = observe(memory, memory.up, elapsed_s)

    steps, ages = elapsed_s / 600.0, memory.age_s + elapsed_s
    fade, slow = 0.5 ** (elapsed_s / (HALF_LIFE_H * 3600)), 0.5 ** (elapsed_s / (POOLED_HALF_LIFE_H * 3600))
    ends = np.append(memory.ages.from_s[1:], np.inf)
    held = np.maximum(
        np.minimum(ages[:, None], ends) - np.maximum(memory.age_s[:, None], memory.ages.from_s), 0.0
    )
    spent = np.zeros_like(memory.exposure)
    spent[np.arange(zones), np.where(memory.up, 0, 1)] = held / 600.0
    dark = ~memory.up & ~(memory.up.sum() - memory.up > 0)
    assert np.array_equal(short.age_s, ages) and np.array_equal(short.up, memory.up)
    assert np.array_equal(short.exposure, memory.exposure * fade + spent)
    assert np.array_equal(short.switches, memory.switches * fade)
    assert np.array_equal(short.pooled_exposure, memory.pooled_exposure * slow + spent.sum(0))
    assert np.array_equal(short.pooled_switches, memory.pooled_switches * slow)
    assert np.array_equal(short.dark, memory.dark * fade + dark * steps)
    for name in ("losses", "covered", "relit"):
        assert np.array_equal(getattr(short, name), getattr(memory, name) * fade)
