"""What every policy is, and the small questions that all of them ask of a view."""

from typing import Any, Protocol

from shoestring.domain.fleet import Action, FleetView, RunView
from shoestring.domain.offer import Market, Offer
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Goal

INFINITE = float("inf")


class Policy(Protocol):
    """Decides for a whole fleet. ``version`` grows when the same journal would be decided differently.

    The belief is what the policy has learnt: an immutable value, rebuilt from the journal after a crash by
    feeding :meth:`update` the same views again. Order of runs and offers in a view must not matter.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    def start(self) -> Any:
        """The belief before anything was seen."""
        ...

    def update(self, belief: Any, view: FleetView) -> Any:
        """The belief after this view."""
        ...

    def decide(self, belief: Any, view: FleetView) -> tuple[Action, ...]:
        """At most one action for each run, each with its reason; a run without one goes on as it is."""
        ...


def eligible_offers(run: RunView, view: FleetView) -> list[Offer]:
    """The offers that this run may use and that are not known to be gone."""
    offers = view.offers
    found = [offers[offer_id] for offer_id in run.eligible if offer_id in offers]
    return [offer for offer in found if offer.available is not False]


def is_guaranteed(offer: Offer) -> bool:
    """Whether the provider leaves the instance to us until we give it back."""
    return offer.market is not Market.SPOT


def usd_per_hour(offer: Offer, run: RunView) -> float | None:
    """Price of one hour of the whole gang on this offer, for decisions; None if unknown.

    Owned hours cost what they cause (marginal) plus what others would have paid for them (opportunity).
    """
    others = run.opportunity_usd_per_hour
    opportunity = others.get(offer.id, 0.0) if others else 0.0
    if offer.owned is not None:
        return run.num_nodes * float(offer.owned.marginal_usd_per_hour) + opportunity
    if offer.price.usd_per_hour is None:
        return None
    return run.num_nodes * float(offer.price.usd_per_hour) + opportunity


def cost_to_finish_usd(offer: Offer, run: RunView) -> float | None:
    """Dollars to do the work that is left on this offer without a break, moving there included.

    None if the price or the speed is unknown. Dollars per finished job, never dollars per hour: a faster
    accelerator at a higher price may well be the cheaper one.
    """
    hourly, work_s = usd_per_hour(offer, run), run.work_left_on(offer)
    if hourly is None or work_s is None:
        return None
    attempt = run.attempt
    staying = attempt is not None and attempt.offer_id == offer.id
    start = 0.0 if staying else hourly * run.restart_s / SECONDS_PER_HOUR + run.move_usd.get(offer.place, 0.0)
    return hourly * work_s / SECONDS_PER_HOUR + start


def cost_key(offer: Offer, run: RunView) -> tuple[float, float, str]:
    """Sorts offers cheapest to finish first; unknown cost last, by price, then by id."""
    cost = cost_to_finish_usd(offer, run)
    if cost is not None:
        return (cost, 0.0, offer.id)
    hourly = usd_per_hour(offer, run)
    return (INFINITE, INFINITE if hourly is None else hourly, offer.id)


def time_key(offer: Offer, run: RunView) -> tuple[float, float, float, str]:
    """Sorts offers fastest to finish first; unknown speed last; ties by cost."""
    work_s = run.work_left_on(offer)
    return (INFINITE if work_s is None else work_s, *cost_key(offer, run))


def best(offers: list[Offer], run: RunView) -> Offer | None:
    """The first by the run's goal, whatever the order they come in; None of none."""
    key = time_key if run.goal is Goal.FASTEST else cost_key
    return min(offers, key=lambda offer: key(offer, run), default=None)
