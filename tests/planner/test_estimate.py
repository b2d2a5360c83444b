"""The formula: it agrees with itself over a catalog, and answers change in the direction they must."""

import math
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.plan import WorkRange
from shoestring.planner.estimate import Candidate, Estimate, Terms, estimate
from shoestring.planner.hazard import losses
from shoestring.planner.screen import Candidates, screen

hours = st.floats(0.05, 2000)


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    mid = draw(hours)
    return Candidate(
        price_usd_per_hour=draw(st.floats(0.05, 200)),
        work=WorkRange(
            low_h=mid * draw(st.floats(0.2, 1)), mid_h=mid, high_h=mid * draw(st.floats(1, 5)), basis="x"
        ),
        scale=draw(st.sampled_from([0.0, 0.2, 1.0, 2.0, 8.0])),
        granularity_s=draw(st.sampled_from([1.0, 60.0, 3600.0])),
        minimum_s=draw(st.sampled_from([0.0, 60.0, 3600.0])),
        free_s=draw(st.sampled_from([0.0, 3600.0])),
        data_usd=draw(st.floats(0, 500)),
        data_h=draw(st.floats(0, 10)),
        storage_usd_per_hour=draw(st.floats(0, 1)),
        power_kw=draw(st.sampled_from([math.nan, 0.5, 10.0])),
        co2_kg_per_kwh=draw(st.sampled_from([math.nan, 0.02, 0.7])),
    )


terms = st.builds(
    Terms,
    nodes=st.integers(1, 8),
    boot_h=st.floats(0, 0.5),
    restore_h=st.floats(0, 0.5),
    save_h=st.floats(0.0005, 0.2),
    interval_h=st.one_of(st.none(), st.floats(0.01, 5)),
    deadline_h=st.one_of(st.none(), st.floats(0.5, 3000)),
)


def columns(rows: list[Candidate]) -> Candidates:
    work = {
        f"{end}_h": np.array([getattr(r.work, f"{end}_h") for r in rows]) for end in ("low", "mid", "high")
    }
    others = {
        f.name: np.array([getattr(r, f.name) for r in rows]) for f in fields(Candidate) if f.name != "work"
    }
    return Candidates(**work, **others)


@settings(max_examples=150, deadline=None)
@given(st.lists(candidates(), min_size=1, max_size=8), terms)
def test_the_screen_gives_what_the_formula_gives_for_each_offer(rows: list[Candidate], t: Terms) -> None:
    found = screen(columns(rows), t)

    for i, row in enumerate(rows):
        one = estimate(row, t)
        for f in fields(Estimate):
            assert getattr(found, f.name)[i] == pytest.approx(getattr(one, f.name), rel=1e-6, nan_ok=True), (
                f.name
            )


@settings(max_examples=100, deadline=None)
@given(candidates(), terms)
def test_nothing_gets_better_when_the_market_gets_worse(c: Candidate, t: Terms) -> None:
    from dataclasses import replace

    firm, calm, rough = (estimate(replace(c, scale=s), t) for s in (0.0, 0.2, 2.0))

    assert firm.losses == 0 < calm.losses <= rough.losses * (1 + 1e-9)
    assert firm.finish_h <= calm.finish_h <= rough.finish_h * (1 + 1e-9)
    assert calm.p90_cost_usd >= calm.cost_usd


@settings(max_examples=100, deadline=None)
@given(candidates(), terms, st.floats(1, 4))
def test_more_work_and_a_higher_price_are_never_cheaper(c: Candidate, t: Terms, factor: float) -> None:
    from dataclasses import replace

    w = c.work
    more = WorkRange(low_h=w.low_h * factor, mid_h=w.mid_h * factor, high_h=w.high_h * factor, basis="x")
    base = estimate(c, t)

    assert estimate(replace(c, work=more), t).cost_usd >= base.cost_usd * (1 - 1e-9)
    assert estimate(replace(c, price_usd_per_hour=c.price_usd_per_hour * factor), t).cost_usd >= base.cost_usd
    assert math.isnan(base.energy_kwh) == math.isnan(c.power_kw)


def test_expected_losses_agree_with_lives_drawn_from_the_same_hazard() -> None:
    process, rng, horizon = losses(1.0), np.random.default_rng(7), 144
    counts = []
    for _ in range(3000):
        age = lost = 0
        for u in rng.random(horizon):
            gone = u < process.chance[age]
            lost, age = lost + gone, 0 if gone else age + 1
        counts.append(lost)

    error = 3.5 * np.std(counts) / math.sqrt(len(counts))
    assert np.mean(counts) == pytest.approx(process.within(24.0), abs=error)
    assert np.var(counts) == pytest.approx(process.variance_within(24.0), rel=0.12)


@pytest.mark.parametrize("work_h", [0.5, 3.0, 40.0])
def test_what_is_lost_in_a_free_first_hour_is_off_the_bill_but_not_off_the_time(work_h: float) -> None:
    work = WorkRange(low_h=work_h, mid_h=work_h, high_h=work_h, basis="x")
    paid = estimate(Candidate(price_usd_per_hour=10, work=work, scale=1.0), Terms())
    free = estimate(Candidate(price_usd_per_hour=10, work=work, scale=1.0, free_s=3600.0), Terms())

    assert free.cost_usd < paid.cost_usd
    assert free.finish_h == paid.finish_h
    assert paid.cost_usd - free.cost_usd <= 10 * paid.losses * min(1.0, work_h * 1.5)


def test_the_free_hour_is_what_lives_drawn_from_the_hazard_have_of_it() -> None:
    process, rng = losses(1.0), np.random.default_rng(7)
    alive = np.cumprod(1 - process.chance)
    lives = (np.searchsorted(-alive, -rng.random(200_000)) + rng.random(200_000)) / 6

    ended = lives[lives < 5.0]

    assert process.free_h(5.0, 1.0) == pytest.approx(np.where(ended < 1.0, ended, 0.0).mean(), rel=0.03)
