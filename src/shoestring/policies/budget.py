"""The budget guard: suspend at a checkpoint before the money is gone; never destroy.

Source of the rule: a dollar limit that kills a job without a checkpoint spends the whole quota and
produces nothing; a limit that saves first costs one save.
"""

from shoestring.domain.fleet import Action, FleetView, Hold, Launch, Reason, RunView, Suspend
from shoestring.domain.offer import Offer
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.policies.base import usd_per_hour


def remaining_usd(run: RunView) -> float | None:
    """What this run may still spend: its own budget or a tighter scope that suspends; None: no limit."""
    limits = [a.remaining_usd for a in run.allowances if a.on_breach == "suspend"]
    if run.budget_usd is not None:
        limits.append(run.budget_usd - run.spent_usd)
    return min(limits) if limits else None


def stop_cost_usd(run: RunView, offer: Offer) -> float:
    """Dollars from this decision until the instance is given back, at worst: one poll gap and one save."""
    hourly = usd_per_hour(offer, run) or 0.0
    return hourly * (run.bounds.poll_gap_s + run.bounds.save_s) / SECONDS_PER_HOUR


def start_cost_usd(run: RunView, offer: Offer) -> float:
    """Dollars that a launch costs before the first new step can be saved, the move included."""
    hourly = usd_per_hour(offer, run) or 0.0
    billed_s = max(run.restart_s, float(offer.billing.minimum_s))
    return hourly * billed_s / SECONDS_PER_HOUR + run.move_usd.get(offer.place, 0.0)


def within_budget(run: RunView, action: Action | None, view: FleetView) -> Action | None:
    """``action``, or a suspension in its place when going on could pass the budget, or a new run's wait."""
    held = _held(run, action)
    if held is not None:
        return held
    remaining = remaining_usd(run)
    if remaining is None:
        return action
    offer_id = (
        action.offer_id if isinstance(action, Launch) else run.attempt.offer_id if run.attempt else None
    )
    offer = view.offers.get(offer_id) if offer_id is not None else None
    if offer is None:
        return action
    needed = stop_cost_usd(run, offer)
    if isinstance(action, Launch):
        needed += start_cost_usd(run, offer)
    if remaining > needed:
        return action
    return Suspend(
        run_id=run.run_id,
        cause="budget",
        reason=Reason(
            code="budget",
            text=f"{remaining:.2f} $ left, and going on needs {needed:.2f} $ before the next safe stop",
            numbers={"remaining_usd": remaining, "needed_usd": needed, "spent_usd": run.spent_usd},
            runner_up="go on",
        ),
    )


def _held(run: RunView, action: Action | None) -> Hold | None:
    """A new run waits where a used-up budget holds new runs; what has begun goes on."""
    used_up = [a for a in run.allowances if a.on_breach == "hold" and a.remaining_usd <= 0]
    if not (run.fresh and used_up and isinstance(action, Launch)):
        return None
    tightest = min(used_up, key=lambda a: (a.remaining_usd, a.scope))
    return Hold(
        run_id=run.run_id,
        reason=Reason(
            code="budget_hold",
            text=f"the budget of {tightest.scope} is used up; waits for: shoestring budget approve {run.run_id}",
            numbers={"remaining_usd": tightest.remaining_usd},
            runner_up=f"launch {action.offer_id}" if isinstance(action, Launch) else None,
        ),
    )
