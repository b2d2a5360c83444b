"""Spot with failover: the cheapest spot that is up, another one at once when it is lost, never on-demand.

What managed spot jobs do today (SkyPilot managed jobs, strategy "failover" without an on-demand fallback).
It knows no deadline and may be late; it is here to be compared with.
"""

from dataclasses import dataclass

from shoestring.domain.fleet import Action, FleetView, RunView
from shoestring.policies.acts import decidable, go, leaving
from shoestring.policies.base import best, eligible_offers, is_guaranteed
from shoestring.policies.budget import within_budget
from shoestring.policies.gang import is_short, started_again


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotFailover:
    """Cheapest spot first, wherever it is; wait while none is up."""

    name: str = "spot_failover"
    version: int = 1

    def start(self) -> None:
        """Nothing to learn."""

    def update(self, belief: None, view: FleetView) -> None:
        """Nothing to learn."""

    def decide(self, belief: None, view: FleetView) -> tuple[Action, ...]:
        """Launch, hold until lost, launch again."""
        wishes = [within_budget(run, _one(run, view), view) for run in decidable(view.runs)]
        return tuple(action for action in wishes if action is not None)


def _one(run: RunView, view: FleetView) -> Action | None:
    if leaving(run):
        return None
    if is_short(run):
        return started_again(run)
    if run.attempt is not None:
        return go(run, view.offers.get(run.attempt.offer_id), "keep_spot", "kept until it is lost", {})
    spot = best([o for o in eligible_offers(run, view) if not is_guaranteed(o)], run)
    if spot is None:
        return go(run, None, "wait_for_spot", "no spot is up", {})
    return go(run, spot, "spot_up", f"cheapest spot that is up: {spot.place}", {})
