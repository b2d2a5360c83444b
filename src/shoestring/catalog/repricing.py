"""What an hour of known hardware costs elsewhere: in another market, under a commitment, in another region.

Prices are the catalog's nearest in time: dated histories where there are any (AWS and Google on-demand, Google
spot), else the newest row, whose distance in days is told. Suspect prices are never used.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from shoestring.catalog.bill_lines import Hardware
from shoestring.catalog.history import DatedPrice, history
from shoestring.catalog.load import Catalog
from shoestring.catalog.sanity import flags, suspect
from shoestring.domain.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Dollars for an hour of the hardware, as known on ``as_of``.

    Attributes:
        low, mid, high: over the zones (or regions) that have a price; equal where there is one.
        where: region or zone of ``low``.
        gap_days: between the use and the price; 0 where a history covers the day.
    """

    low: float
    mid: float
    high: float
    where: str
    as_of: date
    gap_days: int
    source: str


@dataclass(frozen=True, slots=True)
class _Found:
    usd: float
    where: str
    as_of: date
    source: str


class Repricer:
    """Quotes from one catalog."""

    def __init__(self, catalog: Catalog, today: date) -> None:
        self._catalog = catalog
        words = flags(catalog, np.datetime64(today.isoformat()))
        # An old price is exactly what a look back wants; what else makes a price suspect still does.
        self._sound = [not suspect(tuple(w for w in ws if w != "stale")) for ws in words]
        self._histories: dict[tuple[str, str], tuple[DatedPrice, ...]] = {}

    def on_demand(self, hardware: Hardware, provider: str, region: str, day: date) -> Quote | None:
        """The list price there and then; None if no price is known."""
        dated = self._dated(hardware, region, day, lambda p: p.on_demand_usd_per_hour)
        return dated or self._quote(self._rows(hardware, provider, "on_demand", region), day)

    def spot(self, hardware: Hardware, provider: str, region: str, day: date) -> Quote | None:
        """Spot over the region's zones."""
        dated = self._dated(hardware, region, day, lambda p: p.spot_usd_per_hour)
        return dated or self._quote(self._rows(hardware, provider, "spot", region), day)

    def committed(
        self, hardware: Hardware, provider: str, region: str, day: date, years: int
    ) -> Quote | None:
        """An hour under a commitment of one or three years, which is paid whether it is used or not."""
        return self._quote(self._rows(hardware, provider, f"reserved_{years}y", region), day)

    def elsewhere(self, hardware: Hardware, provider: str, region: str, day: date) -> Quote | None:
        """On-demand in the provider's cheapest other region."""
        rows = [f for f in self._rows(hardware, provider, "on_demand", None) if f.where != region]
        return None if not rows else self._quote([min(rows, key=lambda f: (f.usd, f.where))], day)

    def another_provider(self, hardware: Hardware, provider: str, day: date) -> Quote | None:
        """On-demand hours of the same accelerators at the cheapest other provider; its hosts may differ."""
        devices = Hardware(accelerator=hardware.accelerator, count=hardware.count)
        names = sorted(set(self._catalog.columns["provider"]) - {provider})
        rows = [
            replace(found, where=f"{name} {found.where}")
            for name in names
            for found in self._rows(devices, name, "on_demand", None)
        ]
        return None if not rows else self._quote([min(rows, key=lambda f: (f.usd, f.where))], day)

    def _rows(self, hardware: Hardware, provider: str, market: str, region: str | None) -> list[_Found]:
        c, found = self._catalog.arrays, []
        mask = (c["provider"] == provider) & (c["market"] == market)
        if hardware.instance_type is not None:
            mask &= c["instance_type"] == hardware.instance_type
        else:
            mask &= c["accelerator"] == hardware.accelerator
        if region is not None:
            mask &= c["region"] == region
        for index in np.flatnonzero(mask).tolist():
            count = float(self._catalog.count[index])
            if not self._sound[index] or count <= 0:
                continue
            share = 1.0 if hardware.instance_type is not None else hardware.count / count
            place = (
                str(c["zone"][index] or c["region"][index]) if region is not None else str(c["region"][index])
            )
            found.append(
                _Found(
                    usd=float(self._catalog.price[index]) * share,
                    where=place,
                    as_of=date.fromisoformat(self._catalog.columns["as_of"][index]),
                    source=self._catalog.columns["source"][index],
                )
            )
        return found

    def _dated(
        self, hardware: Hardware, region: str, day: date, price: Callable[[DatedPrice], float | None]
    ) -> Quote | None:
        kind = hardware.instance_type
        if kind is None:
            return None
        key = (kind, region)
        if key not in self._histories:
            try:
                self._histories[key] = history(kind, region)
            except NotFound:
                self._histories[key] = ()
        held = [p for p in self._histories[key] if p.since <= day and price(p) is not None]
        if not held:
            return None
        usd = price(held[-1])
        assert usd is not None
        return Quote(
            low=usd, mid=usd, high=usd, where=region, as_of=held[-1].since, gap_days=0, source=held[-1].source
        )

    @staticmethod
    def _quote(rows: Sequence[_Found], day: date) -> Quote | None:
        if not rows:
            return None
        usd = sorted(row.usd for row in rows)
        cheapest = min(rows, key=lambda row: (row.usd, row.where))
        return Quote(
            low=usd[0],
            mid=statistics.median(usd),
            high=usd[-1],
            where=cheapest.where,
            as_of=cheapest.as_of,
            gap_days=abs((cheapest.as_of - day).days),
            source=cheapest.source,
        )
