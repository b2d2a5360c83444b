"""The decision core in the simulated market of the literature: in time by arithmetic, bounded in cost."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoestring.market.estimate import Terms
from shoestring.market.memory import Memory, blank, observe
from shoestring.market.optimum import KnownMarket, optimum_usd
from shoestring.policies.lookahead import (
    ON_DEMAND,
    Option,
    Plan,
    Situation,
    Style,
    make_plan,
    options,
    plan_step_s,
)
from tests.market.ticks import Choice, State, chains, flat, simulate


class Core:
    """The core as a policy of the simulated market; ``pick`` may choose worse than the first option."""

    def __init__(self, market: KnownMarket, steps: int, style: Style, pick: object = None) -> None:
        self.market, self.steps, self.style, self.pick = market, steps, style, pick
        self.terms = Terms(
            restart_s=market.restart_s, spot_usd_per_hour=market.spot_usd_per_hour,
            on_demand_usd_per_hour=(market.on_demand_usd_per_hour,) * len(market.spot_usd_per_hour),
            move_usd=market.move_usd,
        )  # fmt: skip
        self.memory: Memory = blank(len(market.spot_usd_per_hour), market.step_s)
        self.plan: Plan | None = None

    def __call__(self, state: State) -> Choice:
        self.memory = observe(self.memory, np.array(state.up), self.market.step_s)
        now = self.situation(state)
        if self.plan is None:
            self.plan = make_plan(self.memory, self.terms, now, self.style)
        ranked = options(self.plan, self.memory, now, self.style)
        option: Option = ranked[0] if self.pick is None else self.pick(ranked)  # type: ignore[operator]
        return option.kind, option.zone or 0

    def situation(self, state: State) -> Situation:
        steps = math.ceil((self.market.work_s + self.market.restart_s) / self.market.step_s - 1e-9)
        return Situation(
            time_left_s=(self.steps - state.tick) * self.market.step_s,
            work_left_s=state.work_left_s, restart_left_s=state.restart_left_s, step_s=self.market.step_s,
            running=state.running, zone=state.zone, home=state.home, spent_usd=state.usd,
            baseline_usd=steps * self.market.step_s / 3600 * self.market.on_demand_usd_per_hour,
        )  # fmt: skip


def market(
    zones: int, work_s: int, restart_s: int, move_usd: float = 0.0, spot_usd: float = 1.0
) -> KnownMarket:
    return KnownMarket(
        step_s=600, work_s=work_s, restart_s=restart_s, spot_usd_per_hour=(spot_usd,) * zones,
        on_demand_usd_per_hour=3.0, move_usd=flat(zones, move_usd),
    )  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    zones=st.integers(1, 3),
    work_s=st.integers(10, 60).map(lambda n: n * 137),
    restart_s=st.sampled_from([0, 60, 599, 600, 720, 1500]),
    slack_steps=st.integers(0, 12),
    foolish=st.booleans(),
)
def test_no_option_ever_offered_can_be_late(
    seed: int, zones: int, work_s: int, restart_s: int, slack_steps: int, foolish: bool
) -> None:
    """Whatever is offered is taken, in any market: on-demand from the first moment would have been in time."""
    rng = np.random.default_rng(seed)
    known = market(zones, work_s, restart_s)
    steps = math.ceil((work_s + restart_s) / 600) + slack_steps
    pick = (lambda ranked: ranked[rng.integers(len(ranked))]) if foolish else None
    up = rng.random((steps, zones)) < rng.random()

    usd, took = simulate(known, up, Core(known, steps, Style(cost_cap=1e9), pick), steps)

    assert took is not None, f"late after {usd} $"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    restart_s=st.sampled_from([60, 720, 1440]),
    cap=st.sampled_from([1.0, 1.03, 1.1]),
)
def test_no_run_costs_more_than_the_cap_over_on_demand(seed: int, restart_s: int, cap: float) -> None:
    """Even with options picked at random: the cap is checked on the worst end of each."""
    rng = np.random.default_rng(seed)
    known, steps = market(2, 20 * 600, restart_s, move_usd=0.4, spot_usd=1.5), 60
    up = chains(rng, steps, 2, up_h=(0.2, 1.0))
    core = Core(
        known,
        steps,
        Style(cost_cap=cap, futile_restarts=0.0),
        lambda ranked: ranked[rng.integers(len(ranked))],
    )
    baseline = core.situation(State(0, 12_000.0, 0.0, None, None, None, (), 0.0)).baseline_usd

    usd, took = simulate(known, up, core, steps)

    assert took is not None
    assert usd <= cap * baseline + 1e-6 or usd <= baseline + 1e-6


def test_it_stays_close_to_the_optimum_of_a_market_like_those_recorded() -> None:
    rng = np.random.default_rng(11)
    ours = best = on_demand = 0.0
    for _ in range(12):
        known, steps = market(1, 12 * 3600, 720), 108
        up = chains(rng, steps, 1, up_h=(0.4, 5.0))
        usd, _ = simulate(known, up, Core(known, steps, Style()), steps)
        ours, best = ours + usd, best + optimum_usd(known, up, [steps])[0]
        on_demand += 3.0 * 12.2

    assert best <= ours < 1.15 * best
    assert ours < 0.8 * on_demand


def test_zones_in_another_order_are_decided_alike() -> None:
    rng = np.random.default_rng(12)
    up = chains(rng, 100, 3)
    known = KnownMarket(
        step_s=600, work_s=8 * 3600, restart_s=300, spot_usd_per_hour=(1.0, 1.1, 1.3),
        on_demand_usd_per_hour=3.0, move_usd=flat(3, 0.5),
    )  # fmt: skip
    order = [2, 0, 1]
    other = KnownMarket(
        step_s=600, work_s=8 * 3600, restart_s=300, spot_usd_per_hour=(1.3, 1.0, 1.1),
        on_demand_usd_per_hour=3.0, move_usd=flat(3, 0.5),
    )  # fmt: skip

    one = simulate(known, up, Core(known, 100, Style()), 100)
    two = simulate(other, up[:, order], Core(other, 100, Style()), 100)

    assert one == pytest.approx(two)


@pytest.mark.parametrize(("hours", "step_s"), [(48, 600.0), (100, 600.0), (101, 1200.0), (400, 2400.0)])
def test_long_horizons_are_planned_in_longer_steps(hours: int, step_s: float) -> None:
    assert plan_step_s(600.0, hours * 3600) == step_s


def test_on_demand_is_always_offered() -> None:
    known = market(1, 3600, 300)
    core = Core(known, 7, Style())
    ranked = []
    core.pick = lambda options: ranked.extend(options) or options[-1]

    core(State(0, 3600.0, 0.0, None, None, None, (True,), 0.0))

    assert ON_DEMAND in {o.kind for o in ranked}


def test_on_demand_bought_first_is_put_where_spot_is_expected_to_take_over() -> None:
    """Nothing is up; the checkpoint will lie where on-demand is launched, and leaving again costs money."""
    known, steps = market(2, 8 * 3600, 720, move_usd=5.0), 60
    core = Core(known, steps, Style())
    for k in range(200):  # the first zone is down all the time, the second up but for the last hour
        core.memory = observe(core.memory, np.array([False, k < 194]), 600.0)
    ranked: list[Option] = []
    core.pick = lambda options: ranked.extend(options) or options[0]

    core(State(0, 8 * 3600.0, 0.0, None, None, None, (False, False), 0.0))

    assert [o.zone for o in ranked if o.kind == ON_DEMAND] == [1]


@pytest.mark.parametrize(("home_up", "asked"), [(True, 0.1), (False, 0.5)])
def test_a_move_must_save_more_of_its_price_while_home_may_come_back(home_up: bool, asked: float) -> None:
    known = market(2, 8 * 3600, 720, move_usd=4.0)
    state = State(0, 8 * 3600.0, 0.0, None, None, 0, (home_up, True), 0.0)

    def move_usd(style: Style) -> float:
        ranked: list[Option] = []
        Core(known, 90, style, lambda options: ranked.extend(options) or options[0])(state)
        return next(o.usd for o in ranked if o.moves)

    free = Style(cost_cap=2.0, move_margin=0.0, leave_margin=0.0)
    assert move_usd(Style(cost_cap=2.0)) - move_usd(free) == pytest.approx(asked * 4.0)
