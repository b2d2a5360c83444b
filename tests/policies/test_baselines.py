"""The baselines: each does what its name says, on the same protocol as the policy it is compared with."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoestring.domain.fleet import Bounds, FleetView, Hold, Launch, Phase, Release
from shoestring.domain.offer import OwnedCost
from shoestring.policies.base import cost_to_finish_usd, usd_per_hour
from shoestring.policies.best_zone import BestZone
from shoestring.policies.greedy import Greedy
from shoestring.policies.on_demand import OnDemand
from shoestring.policies.spot_failover import SpotFailover
from shoestring.policies.uniform_progress import UniformProgress
from tests.policies.game import START, Game
from tests.policies.test_deadline import SAFE, SPOT_A, SPOT_B, job, offers, on


def decide(policy: object, run: object, market: object) -> object:
    view = FleetView(now=START, runs=(run,), offers=market)  # type: ignore[arg-type]
    (action,) = policy.decide(policy.start(), view)  # type: ignore[attr-defined]
    return action


def test_on_demand_takes_no_spot_and_keeps_what_it_has() -> None:
    first = decide(OnDemand(), job(10, 20), offers())
    then = decide(OnDemand(), job(10, 20, **on(SAFE)), offers())

    assert isinstance(first, Launch) and first.offer_id == SAFE
    assert isinstance(then, Hold)


def test_spot_failover_takes_the_cheapest_spot_and_never_on_demand() -> None:
    cheapest = decide(SpotFailover(), job(10, 11), offers(b_up=True, a_usd=1.2))
    none_up = decide(SpotFailover(), job(10, 11), offers(a_up=False))

    assert isinstance(cheapest, Launch) and cheapest.offer_id == SPOT_B
    assert isinstance(none_up, Hold)


def test_greedy_waits_until_the_deadline_forces_it() -> None:
    waits = decide(Greedy(), job(10, 14), offers(a_up=False))
    forced = decide(Greedy(), job(10, 10.4), offers(a_up=False))
    keeps = decide(Greedy(), job(10, 14, **on(SPOT_A)), offers(b_up=True, a_usd=2.0))

    assert isinstance(waits, Hold)
    assert isinstance(forced, Launch) and (forced.offer_id, forced.reason.code) == (SAFE, "deadline_guard")
    assert isinstance(keeps, Hold)


def test_best_zone_settles_once_and_never_moves() -> None:
    policy, market = BestZone(), offers(b_up=True, a_usd=1.2)
    belief = policy.update(policy.start(), FleetView(now=START, runs=(), offers=market))
    chosen = policy.decide(belief, FleetView(now=START, runs=(job(10, 20),), offers=market))
    gone = offers(b_up=False)
    there = replace(job(10, 20), checkpoint_place="west-1a")
    later = policy.decide(belief, FleetView(now=START, runs=(there,), offers=gone))

    assert isinstance(chosen[0], Launch) and chosen[0].offer_id == SPOT_B
    assert not (isinstance(later[0], Launch) and later[0].offer_id == SPOT_A)


@pytest.mark.parametrize("policy", [OnDemand(), Greedy()])
def test_safe_baselines_are_in_time_even_when_everything_takes_as_long_as_it_may(policy: object) -> None:
    worst = {"refuse": 1, "boot": 3, "save": 2, "lost": 2, "unsaved": 1, "down": 0, "gap": 3}
    game = Game(
        luck=lambda what, n: min(worst.get(what, 0), n - 1), work_s=7200.0, deadline_s=7200.0 + 6000,
        bounds=Bounds(boot_s=600.0, poll_gap_s=300.0), spot=["east-1a"],
    )  # fmt: skip

    assert game.play(policy) <= game.deadline_s
    assert not any(isinstance(a, Release) and a.to_offer_id is None for a in game.said)


@pytest.mark.parametrize("policy", [OnDemand(), SpotFailover(), Greedy()], ids=lambda p: p.name)
@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.NOTICED, Phase.UNKNOWN])
def test_what_is_on_its_way_out_is_left_alone(policy: object, phase: Phase) -> None:
    view = FleetView(now=START, runs=(job(10, 20, **on(SPOT_A, phase=phase)),), offers=offers())
    assert policy.decide(policy.start(), view) == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("policy", [OnDemand(), SpotFailover(), Greedy()], ids=lambda p: p.name)
def test_a_gang_that_lost_a_node_starts_again_as_a_whole(policy: object) -> None:
    held = on(SPOT_A, phase=Phase.SHORT)
    short = replace(held["attempt"], nodes_missing=1)  # type: ignore[type-var]
    action = decide(policy, job(10, 20, **(held | {"attempt": short})), offers())
    assert isinstance(action, Release) and action.to_offer_id is None


def test_without_guaranteed_capacity_on_demand_waits() -> None:
    action = decide(OnDemand(), job(10, 20, eligible=(SPOT_A,)), offers())
    assert isinstance(action, Hold) and action.reason.code == "no_offer"


def test_best_zone_without_any_spot_does_what_uniform_progress_does() -> None:
    run, market = job(10, 20, eligible=(SAFE,)), offers()
    action = decide(BestZone(), run, market)
    assert action == decide(UniformProgress(), run, market)
    assert isinstance(action, Launch) and action.offer_id == SAFE


def test_an_hour_costs_all_nodes_and_what_others_would_have_paid() -> None:
    run = job(10, None, num_nodes=4, opportunity_usd_per_hour={SPOT_A: 0.5})
    market = offers(a_usd=1.25)
    assert usd_per_hour(market[SPOT_A], run) == 5.5
    assert usd_per_hour(market[SAFE], run) == 12.0
    unpriced = replace(market[SAFE], price=replace(market[SAFE].price, usd_per_hour=None))
    assert usd_per_hour(unpriced, run) is None
    assert cost_to_finish_usd(unpriced, run) is None
    owned = replace(
        unpriced, owned=OwnedCost(marginal_usd_per_hour=Decimal("0.20"), loaded_usd_per_hour=Decimal("0.90"))
    )
    assert usd_per_hour(owned, run) == pytest.approx(0.8)
    assert cost_to_finish_usd(market[SAFE], run) == 121.0  # ten hours and a start of five minutes
