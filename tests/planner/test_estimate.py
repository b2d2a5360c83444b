"""The formula: it agrees with itself over a catalog, and answers change in the direction they must."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.plan import WorkRange
from shoestring.planner.attempts import Setting, totals
from shoestring.planner.estimate import Candidate, Estimate, Terms
from shoestring.planner.hazard import Losses, losses
from shoestring.planner.screen import Candidates, estimate, screen

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


@settings(max_examples=60, deadline=None)
@given(st.lists(candidates(), min_size=1, max_size=8), terms)
def test_a_row_of_the_screen_does_not_depend_on_its_neighbors(rows: list[Candidate], t: Terms) -> None:
    found = screen(columns(rows), t)

    for i, row in enumerate(rows):
        one = estimate(row, t)
        for f in fields(Estimate):
            assert getattr(found, f.name)[i] == pytest.approx(getattr(one, f.name), rel=1e-6, nan_ok=True), (
                f.name
            )


@settings(max_examples=60, deadline=None)
@given(candidates(), terms)
def test_nothing_gets_better_when_the_market_gets_worse(c: Candidate, t: Terms) -> None:
    firm, calm, rough = (estimate(replace(c, scale=s), t) for s in (0.0, 0.2, 2.0))

    assert firm.losses == 0 < calm.losses <= rough.losses * (1 + 1e-9)
    assert firm.finish_h <= calm.finish_h <= rough.finish_h * (1 + 1e-9)
    assert calm.p90_cost_usd >= calm.cost_usd


@settings(max_examples=60, deadline=None)
@given(candidates(), terms, st.floats(1, 4))
def test_more_work_and_a_higher_price_are_never_cheaper(c: Candidate, t: Terms, factor: float) -> None:
    w = c.work
    more = WorkRange(low_h=w.low_h * factor, mid_h=w.mid_h * factor, high_h=w.high_h * factor, basis="x")
    base = estimate(c, t)

    assert estimate(replace(c, work=more), t).cost_usd >= base.cost_usd * (1 - 1e-9)
    assert estimate(replace(c, price_usd_per_hour=c.price_usd_per_hour * factor), t).cost_usd >= base.cost_usd
    assert math.isnan(base.energy_kwh) == math.isnan(c.power_kw)


def drawn_life_h(process: Losses, rng: np.random.Generator) -> float:
    """One life from the chances by age."""
    alive, luck = np.cumprod(1 - process.chance), rng.random()
    steps = int(np.searchsorted(-alive, -luck)) if luck > alive[-1] else len(alive) + rng.geometric(
        process.chance[-1]
    )  # fmt: skip
    return (steps + rng.random()) / 6


def lived(s: Setting, work_h: float, rng: np.random.Generator) -> tuple[int, float, float, float]:
    """Losses, uptime, billed and elapsed hours of one job, event by event; a wait always has its mean length."""
    process, pace = losses(s.scale), s.chunk_h + s.save_h
    left, restart, lost, up, billed = work_h, s.boot_h, 0, 0.0, 0.0
    while True:
        need, life = restart + left * pace / s.chunk_h, drawn_life_h(process, rng)
        if life >= need:
            up, billed = up + need, billed + need
            return lost, up, billed, up + lost * process.mean_down_h
        left -= max(0, math.floor((life - restart) / pace)) * s.chunk_h
        lost, up, billed = lost + 1, up + life, billed + (0.0 if life < s.free_h else life)
        restart = s.boot_h + s.restore_h


@pytest.mark.parametrize(
    ("scale", "work_h", "chunk_h", "free_h"),
    [(1.0, 0.2, 0.4, 0.0), (1.0, 2.0, 0.4, 1.0), (2.0, 7.3, 0.2, 1.0), (0.2, 30.0, 1.0, 0.0), (2.0, 90.0, 0.1, 0.0)],
)  # fmt: skip
def test_attempts_cost_what_lives_drawn_from_the_same_hazard_cost(
    scale: float, work_h: float, chunk_h: float, free_h: float
) -> None:
    s = Setting(scale=scale, boot_h=0.1, restore_h=0.05, save_h=0.02, chunk_h=chunk_h, free_h=free_h)
    rng, runs = np.random.default_rng(7), 600
    found = totals(s, np.array([work_h]))
    drawn = np.array([lived(s, work_h, rng) for _ in range(runs)])

    for column, value in enumerate((found.losses, found.up_h, found.billed_h, found.elapsed_h)):
        error = 3.5 * drawn[:, column].std() / math.sqrt(runs)
        assert float(value[0]) == pytest.approx(
            drawn[:, column].mean(), abs=max(error, 0.005 * float(value[0]))
        )
    assert float(found.billed_variance[0]) == pytest.approx(drawn[:, 2].var(), rel=0.35)


def test_long_jobs_go_on_as_the_table_ends() -> None:
    s = Setting(scale=1.0, boot_h=0.1, restore_h=0.05, save_h=0.02, chunk_h=0.1)
    hours = np.array([30.0, 38.0, 38.8, 46.0, 380.0])
    up = totals(s, hours).up_h
    slopes = np.diff(up) / np.diff(hours)

    assert slopes == pytest.approx(slopes[-1], rel=0.01)


@pytest.mark.parametrize("work_h", [0.5, 3.0, 40.0])
def test_what_is_lost_in_a_free_first_hour_is_off_the_bill_but_not_off_the_time(work_h: float) -> None:
    work = WorkRange(low_h=work_h, mid_h=work_h, high_h=work_h, basis="x")
    paid = estimate(Candidate(price_usd_per_hour=10, work=work, scale=1.0), Terms())
    free = estimate(Candidate(price_usd_per_hour=10, work=work, scale=1.0, free_s=3600.0), Terms())

    assert free.cost_usd < paid.cost_usd
    assert free.finish_h == paid.finish_h
    assert paid.cost_usd - free.cost_usd <= 10 * paid.losses * min(1.0, work_h * 1.5)
