"""A gang that lost some of its nodes: hold the rest until others come, or release it and start again, priced.

Training is all or none, so what is held costs and does nothing. Holding pays for the expected wait for new nodes
and then starts from the checkpoint in the same place. Releasing pays for nothing in between, and goes on as if
the whole gang had been lost: in another place, on guaranteed capacity, or waiting for all of its nodes at once.
"""

from dataclasses import replace

import numpy as np

from shoestring.domain.fleet import Action, FleetView, Hold, Phase, Release, Replace, RunView
from shoestring.domain.offer import Offer
from shoestring.domain.units import SECONDS_PER_HOUR, describe_duration
from shoestring.market.ages import AgeClasses
from shoestring.market.memory import DOWN, Floats, Memory, recount
from shoestring.policies.acts import Numbers, reason
from shoestring.policies.base import is_guaranteed, usd_per_hour
from shoestring.policies.footing import Footing, guaranteed_offer, guaranteed_slack_s
from shoestring.policies.lookahead import SPOT, WAIT, Option, Plan, Style, options

LONGEST_WAIT_S = 24 * SECONDS_PER_HOUR  # expected waits are counted up to a day


def is_short(run: RunView) -> bool:
    """Whether nodes of the run's gang are missing while the rest is held."""
    return run.attempt is not None and run.attempt.phase is Phase.SHORT


def with_its_place(run: RunView) -> RunView:
    """A gang that is short may stay on its offer even while new launches there rest after a refusal."""
    if run.attempt is None or not is_short(run) or run.attempt.offer_id in run.eligible:
        return run
    return replace(run, eligible=(*run.eligible, run.attempt.offer_id))


def idle_usd(run: RunView, offer: Offer, seconds: float) -> float:
    """What holding the rest of the gang costs for so long; 0 if the price is unknown."""
    assert run.attempt is not None
    share = max(run.num_nodes - run.attempt.nodes_missing, 0) / run.num_nodes
    return (usd_per_hour(offer, run) or 0.0) * share * seconds / SECONDS_PER_HOUR


def expected_wait_s(hazard: Floats, ages: AgeClasses, down_s: float) -> float:
    """Mean time until a place that has had no capacity for ``down_s`` has some again, at most a day.

    Args:
        hazard: chance per step of coming back, by age class of the time without.
    """
    ahead_s = ages.step_s * np.arange(int(LONGEST_WAIT_S / ages.step_s), dtype=np.float64)
    classes = ages.index(down_s + ahead_s)
    still_down = np.cumprod(1.0 - hazard[classes])
    return float(ages.step_s * (1.0 + still_down[:-1].sum()))


def hold_or_release(stand: Footing, run: RunView, plan: Plan, style: Style, view: FleetView) -> Action | None:
    """The cheaper of the two for the whole rest of the job, with what the other would cost.

    Args:
        stand: of the run :func:`with_its_place`. run: as it is: an offer that rests may not be asked.
    """
    offer, zone = stand.current, stand.situation.zone
    if offer is None or zone is None:
        return replaced_at_once(run, view)
    attempt = run.attempt
    assert attempt is not None
    memory, there = recount(stand.memory, plan.step_s), _grants(offer, run)
    idle = replace(stand.situation, running=None, zone=None, restart_left_s=0.0, attempt_age_s=0.0)
    if not there:  # known to have no capacity since the loss, however long it had some before
        gone = memory.age_s.copy()
        gone[zone] = attempt.short_s
        released = options(plan, replace(_with(memory, zone, up=False), age_s=gone), idle, style)[0]
    else:
        released = options(plan, _with(memory, zone, up=True), idle, style)[0]
    wait_s = 0.0
    if offer.available is False:
        wait_s = expected_wait_s(plan.outlook.hazard[zone, DOWN], memory.ages, attempt.short_s)
    elif not there:  # refused a moment ago: as long again as it has taken so far, or one more refusal
        wait_s = max(run.bounds.retry_s + run.bounds.poll_gap_s, attempt.short_s)
    guard_s = idle.guard_slack_s
    later = replace(
        idle,
        time_left_s=idle.time_left_s - wait_s,
        guard_slack_s=None if guard_s is None else guard_s - wait_s,
    )
    again = options(plan, _with(memory, zone, up=True), later, style)
    back = next((o for o in again if o.kind == SPOT and o.zone == zone), None)
    held_usd = None if back is None else idle_usd(run, offer, wait_s) + back.usd
    numbers = {
        "hold_usd": held_usd,
        "release_usd": released.usd,
        "idle_usd": idle_usd(run, offer, wait_s),
        "wait_s": wait_s,
        "nodes_missing": float(attempt.nodes_missing),
        "slack_s": stand.slack_s,
    }
    if held_usd is not None and held_usd <= released.usd:
        return _held(
            run, there, wait_s, numbers, f"release, then {_named(stand, released)}", released.usd - held_usd
        )
    to = None if released.kind == WAIT else _offer(stand, released)
    text = "holding the rest until a node comes would cost more than starting again"
    if held_usd is None:
        text = "there is no time to wait for the missing nodes"
    saving = None if held_usd is None else held_usd - released.usd
    why = reason("release_gang", text, numbers, "hold the rest", saving)
    return Release(run_id=run.run_id, to_offer_id=None if to is None else to.id, reason=why)


def replaced_at_once(run: RunView, view: FleetView) -> Action | None:
    """Where the future can't be priced: new nodes if they are there and there is time, else the gang starts again."""
    attempt = run.attempt
    assert attempt is not None
    offer = view.offers.get(attempt.offer_id)
    slack_s = guaranteed_slack_s(run, guaranteed_offer(run, view), view.now)
    numbers = {"nodes_missing": float(attempt.nodes_missing), "slack_s": slack_s}
    in_time = slack_s is None or slack_s >= 0 or (offer is not None and is_guaranteed(offer))
    if offer is not None and in_time and _grants(offer, run):
        return _held(run, True, 0.0, numbers, "release", None)
    why = reason("release_gang", "no node to replace the missing ones", numbers, "hold the rest", None)
    return Release(run_id=run.run_id, reason=why)


def started_again(run: RunView) -> Release:
    """What managed jobs do today: when one node is gone, the whole gang is released and launched again."""
    why = reason("release_gang", "a node of the gang is gone: all start again", {}, "hold the rest", None)
    return Release(run_id=run.run_id, reason=why)


def _held(
    run: RunView, there: bool, wait_s: float, numbers: Numbers, second: str, saving: float | None
) -> Action:
    if there:
        text = "nodes for the missing ones can be had, and the rest is held"
        return Replace(run_id=run.run_id, reason=reason("replace_nodes", text, numbers, second, saving))
    text = f"the rest is held: a node is expected within {describe_duration(wait_s)}"
    return Hold(run_id=run.run_id, reason=reason("hold_gang", text, numbers, second, saving))


def _grants(offer: Offer, run: RunView) -> bool:
    """Whether new nodes of this offer may be asked for now."""
    return offer.id in run.eligible and offer.available is not False


def _with(memory: Memory, zone: int, *, up: bool) -> Memory:
    assert memory.up is not None
    states = memory.up.copy()
    states[zone] = up
    return replace(memory, up=states)


def _offer(stand: Footing, option: Option) -> Offer | None:
    return stand.zones[option.zone or 0] if option.kind == SPOT else stand.guaranteed


def _named(stand: Footing, option: Option) -> str:
    offer = None if option.kind == WAIT else _offer(stand, option)
    return "wait" if offer is None else offer.id
