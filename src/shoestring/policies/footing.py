"""Where one run stands in the market: a FleetView in the words of the decision core.

Zones of the core are the offers that can be taken away (spot, and owned or reserved hours that end before
the job does); on-demand of the core is the best offer that stays. Work is counted in seconds on that offer;
a faster or slower accelerator enters as a lower or higher price for the same work.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from shoestring.domain.fleet import FleetView, PoolView, RunView
from shoestring.domain.offer import Offer
from shoestring.domain.units import SECONDS_PER_HOUR, seconds_between
from shoestring.domain.workload import Goal
from shoestring.market.estimate import Terms
from shoestring.market.memory import Memory, extended
from shoestring.policies.base import best, cost_to_finish_usd, eligible_offers, is_guaranteed, usd_per_hour
from shoestring.policies.guard import slack_s
from shoestring.policies.lookahead import INFINITE, ON_DEMAND, SPOT, Situation

SURE = 0.999  # capacity that may run out is asked for early enough to be granted with this probability
SOFT_SPAN = {
    Goal.CHEAPEST: 4.0,
    Goal.BALANCED: 1.5,
    Goal.FASTEST: 1.0,
}  # of the work, when no deadline is given
SOFT_RESTARTS = 6  # slack that a run without a deadline always has, in restarts


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """One run and its choices.

    Attributes:
        zones: offers in the core's order; None stands for the checkpoint's place when nothing is offered there.
        guaranteed: where work goes on in any case. twins: by zone, the guaranteed offer in the same place that is
            as good; None if there is none. current: what runs now, if its offer is known.
        memory: of these zones, in this order. situation, terms: for the core.
        slack_s: of the deadline guard; None without a deadline.
        span_s: from submission to the deadline.
    """

    run: RunView
    zones: tuple[Offer | None, ...]
    guaranteed: Offer
    twins: tuple[Offer | None, ...]
    current: Offer | None
    memory: Memory
    terms: Terms
    situation: Situation
    slack_s: float | None
    span_s: float


def guaranteed_offer(run: RunView, view: FleetView) -> Offer | None:
    """The best offer that stays until the job's end; the one in use if it is one of them and as good."""
    return best(_lasting(run, view), run)


def _lasting(run: RunView, view: FleetView) -> list[Offer]:
    pools = {pool.offer_id: pool for pool in view.pools}
    return [o for o in _usable(run, view) if is_guaranteed(o) and not _ends_early(o, run, pools)]


def guaranteed_slack_s(run: RunView, guaranteed: Offer | None, now: datetime) -> float | None:
    """The guard's slack with every leg of the switch beginning at a decision; None without a deadline."""
    return slack_s(
        run, guaranteed, now, extra_s=0.0 if guaranteed is None else _switch_extra_s(run, guaranteed)
    )


def footing(run: RunView, view: FleetView, memory: Memory, ids: tuple[str, ...]) -> Footing | None:
    """The run's footing; None if nothing guaranteed has a known price and speed, or no zone is usable.

    Args:
        memory: of the offers ``ids``, at ``view.now``.
    """
    guaranteed = guaranteed_offer(run, view)
    if guaranteed is None:
        return None
    work_s, hourly = run.work_left_on(guaranteed), usd_per_hour(guaranteed, run)
    zones = _zones(run, view, guaranteed)
    if work_s is None or hourly is None or not zones:
        return None
    terms = Terms(
        restart_s=_rounded(max(run.restart_s, 1.0), 0.1),
        spot_usd_per_hour=tuple(_rounded(_price(zone, run, work_s, hourly), 0.02) for zone in zones),
        on_demand_usd_per_hour=(hourly,) * len(zones),
        move_usd=_moves(run, zones),
        free_if_lost_within_s=_free_s(zones),
    )
    attempt = run.attempt
    current = None if attempt is None else view.offers.get(attempt.offer_id)
    total_s = run.work_total_s.get(guaranteed.accelerator or "cpu", work_s)
    deadline = run.deadline or run.submitted_at + timedelta(seconds=SOFT_SPAN[run.goal] * total_s)
    slack = guaranteed_slack_s(run, guaranteed, view.now)
    if slack is None:
        time_left_s = max(seconds_between(view.now, deadline), work_s + SOFT_RESTARTS * terms.restart_s)
    else:  # the guard's slack, so that the tables end where the guard cuts in
        time_left_s = work_s + max(slack, 0.0) + terms.restart_s
    ids_here = [None if zone is None else zone.id for zone in zones]
    zone = ids_here.index(current.id) if current is not None and current.id in ids_here else None
    situation = Situation(
        time_left_s=time_left_s,
        work_left_s=work_s,
        restart_left_s=0.0 if attempt is None else attempt.restart_left_s,
        step_s=run.bounds.poll_gap_s,
        running=None if attempt is None else ON_DEMAND if zone is None else SPOT,
        zone=zone,
        home=_home(run, zones) if zone is None else zone,
        spent_usd=run.spent_usd,
        baseline_usd=INFINITE if slack is None else hourly * (total_s + terms.restart_s) / SECONDS_PER_HOUR,
        guard_slack_s=INFINITE if slack is None else slack,
        attempt_age_s=0.0 if attempt is None else attempt.age_s,
    )
    return Footing(
        run=run,
        zones=zones,
        guaranteed=guaranteed,
        twins=_twins(run, view, zones, guaranteed),
        current=current,
        memory=_columns(memory, ids, zones, current),
        terms=terms,
        situation=situation,
        slack_s=slack,
        span_s=max(seconds_between(run.submitted_at, deadline), work_s) + SOFT_RESTARTS * terms.restart_s,
    )


def _twins(
    run: RunView, view: FleetView, zones: tuple[Offer | None, ...], guaranteed: Offer
) -> tuple[Offer | None, ...]:
    """Where the checkpoint comes to lie is a choice of its own while nothing guaranteed is dearer for it."""

    def terms(offer: Offer) -> tuple[float | None, ...]:
        capacity = run.p_capacity.get(offer.id)
        return cost_to_finish_usd(offer, run), run.work_left_on(offer), capacity

    alike = [o for o in _lasting(run, view) if terms(o) == terms(guaranteed)]
    by_place = {o.place: o for o in sorted(alike, key=lambda o: o.id, reverse=True)}
    return tuple(None if zone is None else by_place.get(zone.place) for zone in zones)


def _zones(run: RunView, view: FleetView, guaranteed: Offer) -> tuple[Offer | None, ...]:
    pools = {pool.offer_id: pool for pool in view.pools}
    found: list[Offer | None] = []
    for offer_id in sorted(set(run.eligible)):
        offer = view.offers.get(offer_id)
        if offer is None or offer.id == guaranteed.id or usd_per_hour(offer, run) is None:
            continue
        if not run.work_left_on(offer) and run.work_left_on(guaranteed):
            continue  # unknown speed: never a way to meet a deadline
        if not is_guaranteed(offer) or (_ends_early(offer, run, pools) and _has_slot(offer, run, pools)):
            found.append(offer)
    if (
        found
        and run.checkpoint_place is not None
        and all(o.place != run.checkpoint_place for o in found if o)
    ):
        found.append(None)
    return tuple(found)


def _usable(run: RunView, view: FleetView) -> list[Offer]:
    pools = {pool.offer_id: pool for pool in view.pools}
    return [offer for offer in eligible_offers(run, view) if _has_slot(offer, run, pools)]


def _has_slot(offer: Offer, run: RunView, pools: Mapping[str, PoolView]) -> bool:
    pool, here = pools.get(offer.id), run.attempt is not None and run.attempt.offer_id == offer.id
    return pool is None or here or pool.slots_free >= run.num_nodes


def _ends_early(offer: Offer, run: RunView, pools: Mapping[str, PoolView]) -> bool:
    """Whether this capacity is given up before the job could end on it."""
    pool, work_s = pools.get(offer.id), run.work_left_on(offer)
    if pool is None or pool.hours_left is None:
        return False
    return work_s is None or pool.hours_left * SECONDS_PER_HOUR < work_s + run.bounds.switch_s


def _price(zone: Offer | None, run: RunView, work_s: float, guaranteed_usd: float) -> float:
    """Dollars for what the guaranteed offer does in an hour; the guaranteed price where nothing is offered."""
    hourly = None if zone is None else usd_per_hour(zone, run)
    if zone is None or hourly is None:
        return guaranteed_usd
    there_s = run.work_left_on(zone)
    return hourly * (there_s / work_s if there_s and work_s else 1.0)


def _moves(run: RunView, zones: tuple[Offer | None, ...]) -> tuple[tuple[float, ...], ...]:
    """Prices between all pairs; known only from where the checkpoint lies now, so that others are averages."""
    into = [0.0 if z is None else run.move_usd.get(z.place, 0.0) for z in zones]
    paid = [usd for usd in into if usd > 0]
    back = sum(paid) / len(paid) if paid else 0.0
    places = [run.checkpoint_place if z is None else z.place for z in zones]
    return tuple(
        tuple(0.0 if a == b else back if b == run.checkpoint_place else into[j] for j, b in enumerate(places))
        for a in places
    )


def _free_s(zones: tuple[Offer | None, ...]) -> tuple[float, ...]:
    free = tuple(0.0 if z is None else float(z.billing.free_if_interrupted_within_s or 0) for z in zones)
    return free if any(free) else ()


def _home(run: RunView, zones: tuple[Offer | None, ...]) -> int | None:
    if run.checkpoint_place is None:
        return None
    places = [run.checkpoint_place if zone is None else zone.place for zone in zones]
    return places.index(run.checkpoint_place)


def _columns(
    memory: Memory, ids: tuple[str, ...], zones: tuple[Offer | None, ...], current: Offer | None
) -> Memory:
    """The memory of the run's zones, with what the view knows better than any look at the market."""
    chosen = extended(memory, tuple(ids.index(z.id) if z is not None and z.id in ids else -1 for z in zones))
    up = np.ones(len(zones), dtype=bool) if chosen.up is None else chosen.up.copy()
    for i, zone in enumerate(zones):
        if zone is None or zone.available is False:
            up[i] = False
        if zone is not None and current is not None and zone.id == current.id:
            up[i] = True  # what runs has not been lost yet, whatever new launches are told
    return replace(chosen, up=up)


def _switch_extra_s(run: RunView, guaranteed: Offer) -> float:
    """What a switch may take beyond ``Bounds.switch_s``: each of its legs begins only at a decision.

    The instance is given back, then a launch is asked for, perhaps again: one poll gap before each launch.
    Guaranteed capacity that is granted with a known chance only is asked for so often that all launches
    fail with a chance of ``1 - SURE``.
    """
    bounds, chance = run.bounds, run.p_capacity.get(guaranteed.id)
    tries = bounds.launch_retries + 1
    if chance is not None and chance < SURE:
        tries = max(tries, math.ceil(math.log(1 - SURE) / math.log(1 - max(chance, 0.01))))
    return tries * bounds.poll_gap_s + (tries - 1 - bounds.launch_retries) * bounds.retry_s


def _rounded(value: float, share: float) -> float:
    """``value`` on a logarithmic grid of steps of ``share``, so that small drifts leave tables in force."""
    if value <= 0:
        return 0.0
    return float(f"{math.exp(round(math.log(value) / share) * share):.6g}")
