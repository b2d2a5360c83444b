"""The baselines: each does what its name says, on the same protocol as the policy it is compared with."""

from dataclasses import replace

import pytest

from shoestring.domain.fleet import Bounds, FleetView, Hold, Launch, Release
from shoestring.policies.best_zone import BestZone
from shoestring.policies.greedy import Greedy
from shoestring.policies.on_demand import OnDemand
from shoestring.policies.spot_failover import SpotFailover
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
