"""A job that exists in numbers only, on a market that is real: what a live shadow supervises.

The market is what somebody saw of it, look by look; between two looks it is taken to have stood still. Playing
the same looks again gives the same life, so that the looks are all that has to be kept.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from shoestring.domain.errors import ExecutorUnavailable
from shoestring.domain.offer import Offer
from shoestring.sim.clock import SimClock
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob


@dataclass(slots=True)
class SeenZone:
    """What has been seen of one offer: its price and whether it could be had, from each moment on."""

    spot: bool
    moments: list[float] = field(default_factory=list)
    states: list[tuple[bool, Decimal | None]] = field(default_factory=list)

    def see(self, at_s: float, up: bool, usd: Decimal | None) -> None:
        """It is so from now on."""
        if not self.states or self.states[-1] != (up, usd):
            self.moments.append(at_s)
            self.states.append((up, usd))

    def available(self, at_s: float) -> bool:
        return self._at(at_s)[0]

    def usd_per_hour(self, at_s: float) -> Decimal | None:
        return self._at(at_s)[1]

    def prices(self, from_s: float, until_s: float) -> tuple[tuple[float, Decimal | None], ...]:
        found = [(from_s, self.usd_per_hour(from_s))]
        for moment, (_, usd) in zip(self.moments, self.states, strict=True):
            if from_s < moment <= until_s and usd != found[-1][1]:
                found.append((moment, usd))
        return tuple(found)

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        if not self.spot:
            return None
        pairs = zip(self.moments, self.states, strict=True)
        return next((at for at, (up, _) in pairs if after_s < at <= until_s and not up), None)

    def next_node_loss(self, after_s: float, until_s: float) -> tuple[float, int] | None:
        return None

    def _at(self, at_s: float) -> tuple[bool, Decimal | None]:
        return self.states[max(bisect_right(self.moments, at_s) - 1, 0)]


class GhostEngine(SimExecutor):
    """The simulated engine on a market that is told to it.

    Args:
        offers: those that the job may use, as first seen; later looks may change their price and whether they
            can be had, and nothing else.
    """

    def __init__(self, clock: SimClock, offers: Sequence[Offer], job: SimJob) -> None:
        self.seen = {offer.id: SeenZone(spot=offer.market.preemptible) for offer in offers}
        super().__init__(clock, [replace(offer, executor=self.name) for offer in offers], self.seen, job)
        self.away: str | None = None

    def see(self, at: datetime, offers: Sequence[Offer]) -> None:
        """A look at the market. An offer that is no longer listed can't be had; one that nobody knows of is tried."""
        self.away = None
        now = {offer.id: offer for offer in offers}
        at_s = (at - self.clock.start).total_seconds()
        for offer_id, zone in self.seen.items():
            offer = now.get(offer_id)
            if offer is not None:
                zone.see(at_s, offer.available is not False, offer.price.usd_per_hour)
            elif zone.states:
                zone.see(at_s, False, zone.states[-1][1])

    def offers(self) -> tuple[Offer, ...]:
        if self.away is not None:
            raise ExecutorUnavailable(self.away)
        return super().offers()
