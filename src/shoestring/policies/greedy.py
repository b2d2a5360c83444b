"""Greedy: spot whenever it is up, else wait; guaranteed capacity only when the deadline forces it.

Source: the baseline of Wu et al., "Can't Be Late", NSDI'24, section 4.1.
"""

from dataclasses import dataclass

from shoestring.domain.fleet import Action, FleetView, RunView
from shoestring.policies.acts import decidable, go, leaving
from shoestring.policies.base import best, eligible_offers, is_guaranteed
from shoestring.policies.budget import within_budget
from shoestring.policies.footing import guaranteed_offer, guaranteed_slack_s
from shoestring.policies.gang import is_short, started_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Greedy:
    """Spot first, wherever it is; never late within the run's bounds."""

    name: str = "greedy"
    version: int = 1

    def start(self) -> None:
        """Nothing to learn."""

    def update(self, belief: None, view: FleetView) -> None:
        """Nothing to learn."""

    def decide(self, belief: None, view: FleetView) -> tuple[Action, ...]:
        """One action for each run."""
        wishes = [within_budget(run, _one(run, view), view) for run in decidable(view.runs)]
        return tuple(action for action in wishes if action is not None)


def _one(run: RunView, view: FleetView) -> Action | None:
    if leaving(run):
        return None
    if is_short(run):
        return started_again(run)
    here = None if run.attempt is None else view.offers.get(run.attempt.offer_id)
    safe = guaranteed_offer(run, view)
    slack_s = guaranteed_slack_s(run, safe, view.now)
    numbers = {"slack_s": slack_s}
    if safe is not None and slack_s is not None and slack_s < (run.restart_s if here is None else 0):
        stay = here if here is not None and is_guaranteed(here) else safe
        return go(run, stay, "deadline_guard", "the deadline leaves no time for spot", numbers)
    if here is not None and not is_guaranteed(here):
        return go(run, here, "keep_spot", "kept until it is lost", numbers)
    spot = best([o for o in eligible_offers(run, view) if not is_guaranteed(o)], run)
    if spot is not None and (here is None or (slack_s or 0.0) > 2 * run.restart_s):
        return go(run, spot, "spot_up", f"spot is up in {spot.place}", numbers)
    return go(run, here, "wait_for_spot", "no spot is up", numbers)
