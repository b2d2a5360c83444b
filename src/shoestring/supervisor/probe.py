"""A market whose looks cost something: when to look again, from how often it has changed so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shoestring.domain.offer import Offer
from shoestring.domain.units import SECONDS_PER_HOUR, seconds_between
from shoestring.policies.probing import interval_s


@dataclass(slots=True)
class Probe:
    """Looks at one engine's market. ``looks`` were paid for; ``changes`` were seen in them."""

    usd: float
    changes: int = 0
    looks: int = 0
    since: datetime | None = None
    last: datetime | None = None

    def due(self, now: datetime, offers: Mapping[str, Offer], executor: str, tick_s: float) -> bool:
        """Whether to look now; then it counts as looked at."""
        if self.last is not None and self.since is not None:
            watched_h = max(seconds_between(self.since, self.last), 0.0) / SECONDS_PER_HOUR
            wait_s = interval_s(
                self.usd, _spread_usd(offers, executor), self.changes, watched_h, shortest_s=tick_s
            )
            if 0 <= seconds_between(self.last, now) < wait_s:
                return False
        self.since = self.since or now
        self.last = now
        self.looks += 1
        return True


def _spread_usd(offers: Mapping[str, Offer], executor: str) -> float:
    """Between the dearest and the cheapest offer of an engine: what a look may save an hour at most."""
    prices = [
        float(o.price.usd_per_hour)
        for o in offers.values()
        if o.executor == executor and o.price.usd_per_hour is not None
    ]
    return max(prices) - min(prices) if prices else 0.0
