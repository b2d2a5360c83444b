"""The offers of a known window, row by row; what does not change is not made again."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from shoestring.domain.offer import BillingRule, Market, Offer, Price
from shoestring.sim.known import KnownWindow


class Quotes:
    """Offers by id, for rows that are asked for in order."""

    def __init__(self, window: KnownWindow) -> None:
        self.window = window
        self.fixed: dict[str, Offer] = {}
        self.zone_of: dict[str, int] = {}
        for column, zone in enumerate(window.zones):
            for market in (Market.SPOT, Market.ON_DEMAND):
                offer = _offer(zone, market, window)
                self.fixed[offer.id], self.zone_of[offer.id] = offer, column
        self.now = dict(self.fixed)
        self.row = -1
        self.changed = dict(_changes(window))

    def at(self, row: int) -> dict[str, Offer]:
        """Offers by id in ``row``; rows are asked for in order."""
        if row == self.row:
            return self.now
        columns = self.changed.get(row) if row == self.row + 1 else range(len(self.window.zones))
        self.row = row
        if columns:
            self.now = dict(self.now)  # a view may still hold the last ones
            for column in columns:
                offer_id = offer_id_of(self.window.zones[column], Market.SPOT)
                self.now[offer_id] = self._quoted(self.fixed[offer_id], row, column)
        return self.now

    def _quoted(self, offer: Offer, row: int, column: int) -> Offer:
        usd = Decimal(repr(float(self.window.spot_usd_per_hour[row, column])))
        price = replace(offer.price, usd_per_hour=usd)
        return replace(offer, available=bool(self.window.available[row, column]), price=price)


def _changes(window: KnownWindow) -> Iterator[tuple[int, list[int]]]:
    """Rows where a zone's state or price differs from the row before, and which zones'; row 0 names all."""
    yield 0, list(range(len(window.zones)))
    differs = (window.available[1:] != window.available[:-1]) | (
        window.spot_usd_per_hour[1:] != window.spot_usd_per_hour[:-1]
    )
    for row in np.flatnonzero(differs.any(axis=1)):
        yield int(row) + 1, [int(column) for column in np.flatnonzero(differs[row])]


def offer_id_of(zone: str, market: Market) -> str:
    return f"sim/{zone}/{market}"


def _offer(zone: str, market: Market, window: KnownWindow) -> Offer:
    usd = Decimal(repr(float(window.on_demand_usd_per_hour))) if market is Market.ON_DEMAND else None
    return Offer(
        id=offer_id_of(zone, market),
        executor="sim",
        provider="sim",
        region=zone,
        zone=zone,
        market=market,
        instance_type="sim",
        price=Price(usd_per_hour=usd, source=window.label, as_of=window.start),
        billing=BillingRule(granularity_s=window.step_s, minimum_s=window.step_s),
        available=market is Market.ON_DEMAND,
    )
