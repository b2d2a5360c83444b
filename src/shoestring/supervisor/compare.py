"""What counts as news: in the market, in a decision, in what an engine says."""

from dataclasses import replace

from shoestring.domain.facts import Intended
from shoestring.domain.fleet import Hold
from shoestring.domain.offer import Offer
from shoestring.domain.run import Observation, Outcome


def differs(known: Offer, offer: Offer) -> bool:
    """Whether an offer changed in what a policy looks at."""
    return (
        known.available != offer.available
        or known.price.usd_per_hour != offer.price.usd_per_hour
        or known.boot_s != offer.boot_s
        or known.p_capacity != offer.p_capacity
    )


def same_hold(last: Intended | None, action: Hold) -> bool:
    """Whether a run goes on holding for the same reason, which needs no new line."""
    return (
        last is not None and isinstance(last.action, Hold) and last.action.reason.code == action.reason.code
    )


def unknown(seen: Observation, detail: str) -> Observation:
    """The same attempt, of which the engine tells nothing now; what was known of it stays."""
    return replace(seen, outcome=Outcome.UNKNOWN, detail=detail)
