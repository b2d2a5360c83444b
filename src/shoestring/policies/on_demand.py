"""On-demand from the first moment: the counterfactual that savings are measured against."""

from dataclasses import dataclass

from shoestring.domain.fleet import Action, FleetView, RunView
from shoestring.policies.acts import decidable, go, leaving
from shoestring.policies.base import best, eligible_offers, is_guaranteed
from shoestring.policies.budget import within_budget
from shoestring.policies.gang import is_short, started_again


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDemand:
    """The best guaranteed offer, kept to the end."""

    name: str = "on_demand"
    version: int = 1

    def start(self) -> None:
        """Nothing to learn."""

    def update(self, belief: None, view: FleetView) -> None:
        """Nothing to learn."""

    def decide(self, belief: None, view: FleetView) -> tuple[Action, ...]:
        """Launch once, then hold."""
        wishes = [within_budget(run, _one(run, view), view) for run in decidable(view.runs)]
        return tuple(action for action in wishes if action is not None)


def _one(run: RunView, view: FleetView) -> Action | None:
    if leaving(run):
        return None
    if is_short(run):
        return started_again(run)
    here = None if run.attempt is None else view.offers.get(run.attempt.offer_id)
    wanted = here or best([o for o in eligible_offers(run, view) if is_guaranteed(o)], run)
    if wanted is None:
        return go(run, None, "no_offer", "no guaranteed capacity is offered now", {})
    return go(run, wanted, "guaranteed", "guaranteed capacity from the first moment", {})
