"""Capacity that a user has reserved: paid already, for so many more hours; what an hour of it costs now.

What was paid is sunk. An hour of it costs what it could have done instead: nothing while nobody waits for it, and
what the waiting job would pay on the market in the share of time in which somebody does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np

from shoestring.catalog.layer import Known
from shoestring.catalog.load import Catalog
from shoestring.catalog.sanity import flags, suspect
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import WorkRange
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.planner.feasible import Refusal

RESERVED = "reserved"


class View(StrEnum):
    """Which price of one's own capacity a plan compares.

    ``marginal``: of one more hour; ``loaded``: with all that it costs; ``opportunity``: of what it could do instead.
    """

    LOADED = "loaded"
    MARGINAL = "marginal"
    OPPORTUNITY = "opportunity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """Reserved instances of one type in one place.

    Attributes:
        count: instances at a time. hours_left: instance hours that may still be used; None for no such limit.
        until: last moment; None if unknown. paid_usd_per_hour: of an instance; None if not told.
        others_wait: share of the time in which somebody else waits for it.
        opportunity_usd_per_hour: the user's own figure for what an hour could do instead; None: worked out.
    """

    provider: str
    instance_type: str
    region: str
    zone: str = ""
    count: int = 1
    hours_left: float | None = None
    until: datetime | None = None
    paid_usd_per_hour: float | None = None
    others_wait: float = 0.0
    opportunity_usd_per_hour: float | None = None

    @property
    def offer_id(self) -> str:
        return f"{self.provider}/{self.region}/{self.zone or '-'}/{self.instance_type}/{RESERVED}"

    def refusal(self, work: WorkRange, nodes: int, now: datetime) -> Refusal | None:
        """Why a job does not fit into what is left; None if it does."""
        if nodes > self.count:
            text = f"{self.count} instances are reserved, the job needs {nodes}"
            return _refused(text, f"{nodes - self.count} more of them, or fewer nodes")
        needed = work.high_h * nodes
        if self.hours_left is not None and needed > self.hours_left:
            text = f"{self.hours_left:g} reserved instance hours are left, the job may take {needed:.0f}"
            return _refused(text, f"{needed - self.hours_left:.0f} hours more, or on demand for the rest")
        if self.until is not None:
            left = (self.until - now).total_seconds() / SECONDS_PER_HOUR
            if work.high_h > left:
                text = f"the reservation ends in {max(left, 0):.0f} h, the job may take {work.high_h:.0f} h"
                return _refused(text, f"a reservation that lasts {work.high_h - left:.0f} h longer")
        return None


def _refused(text: str, fix: str) -> Refusal:
    return Refusal(code="reserved", text=text, fix=fix)


def opportunity_usd(marginal: float, market: float | None, others_wait: float) -> float | None:
    """What an hour of one's own capacity costs by what it could do instead; None where that is unknown.

    Whoever waits would pay the market: in ``others_wait`` of the time an hour is worth the market's price.

    >>> opportunity_usd(1.0, 25.0, 0.5), opportunity_usd(1.0, None, 0.0), opportunity_usd(1.0, None, 0.5)
    (13.0, 1.0, None)
    """
    if others_wait <= 0:
        return marginal
    return None if market is None else marginal + others_wait * max(0.0, market - marginal)


def market_usd(catalog: Catalog, accelerator: str, count: float, today: date) -> float | None:
    """The lowest sound price on demand of so many of an accelerator, anywhere; None if there is none."""
    c, words = catalog.columns, flags(catalog, np.datetime64(today.isoformat()))
    each = [
        float(catalog.price[i] / catalog.count[i])
        for i in range(len(catalog))
        if c["accelerator"][i] == accelerator and c["market"][i] == "on_demand" and not suspect(words[i])
    ]
    return min(each) * count if each else None


def with_reserved(
    catalog: Catalog, reserved: Sequence[Reserved], view: View, today: date
) -> tuple[Catalog, tuple[str, ...]]:
    """The catalog with a row for each reservation at the price of the view, and what to say about each.

    Raises:
        BadInput: an instance type that the catalog does not know, or the same reservation twice.
    """
    if not reserved:
        return catalog, ()
    known, notes = Known(catalog), []
    columns, origin = {name: list(column) for name, column in catalog.columns.items()}, list(catalog.origin)
    seen: set[str] = set()
    for one in reserved:
        rows = known.by_type.get((one.provider, one.instance_type))
        if not rows:
            raise BadInput(
                f"reserved: {one.provider} has no {one.instance_type!r} that is known",
                next_step=f"shoestring catalog --provider {one.provider}",
            )
        if one.offer_id in seen:
            raise BadInput(
                f"reserved: {one.offer_id} stands twice", next_step="add their counts and hours up"
            )
        seen.add(one.offer_id)
        first = catalog.row(rows[0])
        prices = _prices(one, catalog, first, today)
        usd = prices[view]
        notes.append(_told(one, prices, view))
        if usd is None:
            continue
        row = dict(first) | {
            "region": one.region, "zone": one.zone, "market": RESERVED, "price_usd_per_hour": f"{usd:.6f}",
            "source": f"reserved: {view}", "as_of": today.isoformat(), "as_of_kind": "exact", "kind": "estimate",
            "flag": "",
        }  # fmt: skip
        for name, column in columns.items():
            column.append(row[name])
        origin.append(RESERVED)
    return Catalog({n: tuple(c) for n, c in columns.items()}, catalog.accelerators, tuple(origin)), tuple(
        notes
    )


def _prices(one: Reserved, catalog: Catalog, row: Mapping[str, str], today: date) -> dict[View, float | None]:
    instead = one.opportunity_usd_per_hour
    if instead is None:
        market = None
        if one.others_wait > 0:
            market = market_usd(catalog, row["accelerator"], float(row["accelerator_count"]), today)
        instead = opportunity_usd(0.0, market, one.others_wait)
    return {View.MARGINAL: 0.0, View.LOADED: one.paid_usd_per_hour, View.OPPORTUNITY: instead}


def _told(one: Reserved, prices: Mapping[View, float | None], view: View) -> str:
    left = "" if one.hours_left is None else f", {one.hours_left:g} instance hours left"
    shown = ", ".join(
        f"{'unknown' if usd is None else f'{usd:.2f} $/h'} {name}" for name, usd in prices.items()
    )
    taken = (
        f"this plan takes {view}" if prices[view] is not None else f"left out: its {view} price is unknown"
    )
    return f"Reserved {one.count} x {one.instance_type} in {one.zone or one.region}{left}: {shown}; {taken}."
