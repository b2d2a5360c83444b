"""Who is simulated, and that simulation replaces the closed form where the closed form binds a job to its zone."""

import math
from dataclasses import fields

import numpy as np
import pytest

from shoestring.domain.offer import Market, Offer
from shoestring.domain.plan import WorkRange
from shoestring.planner.estimate import Terms
from shoestring.planner.finalists import MOST, PER_KIND, finalists, lived_through
from shoestring.planner.frontier import Scored, Wishes, admissible, ranked, score, shifts
from shoestring.planner.lived import Lived
from shoestring.planner.screen import Candidates, Estimates
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.testing import an_offer

WORK = WorkRange(low_h=38.0, mid_h=40.0, high_h=42.0, basis="declared")
TIGHT = Terms(deadline_h=60.0)
WISHES = Wishes(deadline_h=60.0)


def spot(zone: str = "us-east-1a", usd: str = "1.00") -> Offer:
    return an_offer(zone, Market.SPOT, usd)


def on_demand(zone: str = "us-east-1a", usd: str = "3.00") -> Offer:
    return an_offer(zone, Market.ON_DEMAND, usd)


def scored(offers: list[Offer], terms: Terms = TIGHT, scale: float = 1.0) -> Scored:
    size = len(offers)
    column = lambda value: np.full(size, value)  # noqa: E731
    candidates = Candidates(
        price_usd_per_hour=np.array([float(o.price.usd_per_hour or 0) for o in offers]),
        low_h=column(WORK.low_h), mid_h=column(WORK.mid_h), high_h=column(WORK.high_h),
        scale=np.array([scale if o.market.preemptible else 0.0 for o in offers]),
        granularity_s=column(1.0), minimum_s=column(60.0), free_s=column(0.0), data_usd=column(0.0), data_h=column(0.0),
        storage_usd_per_hour=column(0.0), power_kw=column(0.5), co2_kg_per_kwh=column(0.2),
    )  # fmt: skip
    kinds = [f"{o.provider}/{o.market}" for o in offers]
    return score([o.id for o in offers], kinds, candidates, terms)


def live(offers: list[Offer], terms: Terms = TIGHT, scale: float = 1.0) -> Scored:
    rows = list(range(len(offers)))
    found = scored(offers, terms, scale)
    return lived_through(found, offers, [WORK] * len(offers), rows, terms, WISHES, UniformProgress())


def test_spot_that_would_be_late_by_waiting_is_in_time_with_a_fallback() -> None:
    offers = [spot(), on_demand()]
    closed, lived = scored(offers), live(offers)

    assert closed.estimates.p_deadline[0] < 0.5 and 0 in admissible(closed, WISHES)[1]
    assert lived.estimates.p_deadline[0] == 1.0
    assert ranked(lived, admissible(lived, WISHES)[0], WISHES.goal)[0] == 0


def test_its_cost_lies_between_spot_alone_and_on_demand_alone() -> None:
    lived = live([spot(), on_demand()])

    assert 40.0 < lived.estimates.cost_usd[0] < lived.estimates.cost_usd[1]
    assert lived.estimates.p90_cost_usd[0] >= lived.estimates.cost_usd[0]
    assert lived.estimates.co2_kg[0] == pytest.approx(0.2 * lived.estimates.energy_kwh[0])


def test_what_stays_is_not_simulated() -> None:
    offers = [on_demand(), on_demand("us-east-1b", "2.50")]

    assert finalists(scored(offers), offers, [0, 1], TIGHT) == ()
    assert live(offers).lived is None


def test_spot_dearer_than_on_demand_is_not_worth_a_simulation() -> None:
    offers = [spot(usd="2.99"), on_demand(usd="2.00")]

    assert finalists(scored(offers), offers, [0, 1], TIGHT) == ()


def test_the_best_of_each_kind_are_simulated_and_no_more_than_a_few() -> None:
    zones = [spot(f"us-east-1{z}", f"1.0{i}") for i, z in enumerate("abcdef")]
    offers = [*zones, on_demand()]
    found = finalists(scored(offers), offers, list(range(7)), TIGHT)

    assert [f.row for f in found] == [0, 1]
    assert len(found) == PER_KIND <= MOST


def test_rows_that_may_not_be_chosen_are_left_alone() -> None:
    offers = [spot(usd="0.10"), spot("us-east-1b"), on_demand()]

    assert [f.row for f in finalists(scored(offers), offers, [1, 2], TIGHT)] == [1]


def test_without_anything_to_fall_back_on_late_spot_is_no_finalist() -> None:
    offers = [spot()]

    assert finalists(scored(offers), offers, [0], TIGHT) == ()
    assert len(finalists(scored(offers, Terms()), offers, [0], Terms())) == 1


def test_sensitivity_of_a_simulated_choice_stays_a_choice_and_moves_with_the_price() -> None:
    lived = live([spot(), on_demand()])
    rows = np.array([0, 1])

    found = {s.change: s for s in shifts(lived, rows, 0, TIGHT, WISHES)}

    dearer = found["+20 % on the chosen offer"]
    assert dearer.best == 0
    assert dearer.cost_usd == pytest.approx(1.2 * lived.estimates.cost_usd[0], rel=0.01)


def estimates(cost: list[float], sure: float = 0.2) -> Estimates:
    column = np.array(cost)
    others = {f.name: column for f in fields(Estimates) if f.name != "p_deadline"}
    return Estimates(**others, p_deadline=np.full(len(cost), sure))


def test_shifted_inputs_move_simulated_values_by_the_closed_forms_ratio() -> None:
    lived = Lived(rows=np.array([1]), values=estimates([30.0], 1.0), base=estimates([10.0]))

    found = lived.over(estimates([5.0, 12.0], 0.1))

    assert found.cost_usd.tolist() == [5.0, 36.0]
    assert found.p_deadline.tolist() == [0.1, 1.0]


@pytest.mark.parametrize(("base", "now"), [(math.inf, math.inf), (math.inf, 9.0), (9.0, math.inf)])
def test_where_spot_alone_would_never_end_the_simulated_value_stands(base: float, now: float) -> None:
    lived = Lived(rows=np.array([0]), values=estimates([30.0]), base=estimates([base]))

    assert lived.over(estimates([now])).cost_usd.tolist() == [30.0]
