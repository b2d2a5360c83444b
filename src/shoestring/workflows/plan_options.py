"""From a row and its estimate to an Option: what a reader sees of one way to run a job."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoestring.catalog.candidates import Usable
from shoestring.catalog.load import Catalog
from shoestring.catalog.sanity import suspect
from shoestring.domain.offer import Market
from shoestring.domain.plan import Option, Plan
from shoestring.planner.frontier import Scored
from shoestring.planner.hazard import losses, scale_of
from shoestring.planner.scaling import Shape

APART = ("relative_cost", "price_layer")  # have places of their own in JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionMaker:
    """What all options of one plan share.

    Attributes:
        flags: on prices, by row of the catalog.
        unit_usd: cost of one hour on the first accelerator named; None unless costs are
            relative to it, nan if nobody offers one.
    """

    catalog: Catalog
    flags: Sequence[tuple[str, ...]]
    nodes: int
    unit_usd: float | None

    @classmethod
    def of(
        cls, catalog: Catalog, flags: Sequence[tuple[str, ...]], nodes: int, unit: Shape | None
    ) -> "OptionMaker":
        """``unit``: the shape whose hour, at its lowest price on demand, is the unit without work; else None."""
        usd: float | None = None
        if unit is not None:
            c, price = catalog.arrays, catalog.price
            sound = np.array([not suspect(words) for words in flags])
            alike = sound & (c["accelerator"] == unit.accelerator) & (c["market"] == "on_demand")
            same = price[alike & (catalog.count == unit.count)]
            each = (price[alike] / catalog.count[alike]) * unit.count
            lowest = same if len(same) else each
            usd = float(lowest.min()) * nodes if len(lowest) else math.nan
        return cls(catalog=catalog, flags=flags, nodes=nodes, unit_usd=usd)

    def option(self, s: Scored, i: int, u: Usable, reason: str) -> Option:
        """Row ``i`` of the scored ones, as an Option; numbers that are unknown or endless become None."""
        e, offer, unit = s.estimates, u.offer, self.unit_usd

        def value(column: NDArray[np.float64]) -> float | None:
            number = float(column[i])
            return None if unit is not None or not math.isfinite(number) else round(number, 6)

        price = float(offer.price.usd_per_hour or 0)
        return Option(
            offer_id=offer.id,
            provider=offer.provider,
            region=offer.region,
            zone=offer.zone,
            market=str(offer.market),
            accelerator=offer.accelerator,
            count=offer.accelerator_count,
            price_usd_per_hour=price,
            price_source=offer.price.source,
            price_as_of=offer.price.as_of.date().isoformat(),
            expected_cost_usd=value(e.cost_usd),
            p90_cost_usd=value(e.p90_cost_usd),
            expected_finish_h=value(e.finish_h),
            p90_finish_h=value(e.p90_finish_h),
            p_deadline=value(e.p_deadline),
            p_capacity=self._p_capacity(u),
            energy_kwh=value(e.energy_kwh),
            co2_kg=value(e.co2_kg),
            reason=reason,
            flags=(*self.flags[u.row], *u.flags),
            price_layer=self.catalog.origin[u.row],
            relative_cost=None if unit is None or math.isnan(unit) else round(float(e.cost_usd[i]) / unit, 6),
        )

    def _p_capacity(self, u: Usable) -> float | None:
        """Share of time that a spot zone of this interruption band is up, in our model; None without a band."""
        band = self.catalog.interruption.get((u.offer.instance_type, u.offer.region))
        if band is None or u.offer.market is not Market.SPOT:
            return None
        process = losses(scale_of(band, self.nodes))
        return round(process.mean_up_h / (process.mean_up_h + process.mean_down_h), 3)


def to_json(found: Plan) -> dict[str, Any]:
    """The plan with stable keys; relative costs and layers have places of their own: options stay as they are."""

    def option(o: Option | None) -> dict[str, Any] | None:
        return None if o is None else {k: v for k, v in asdict(o).items() if k not in APART}

    return {
        "options": [option(o) for o in found.options],
        "baseline": option(found.baseline),
        "chosen": option(found.chosen),
        "runner_up": option(found.runner_up),
        "rejected": [asdict(r) for r in found.rejected],
        "work": {"kind": found.work_kind, "range": found.work_range_h},
        "prices_as_of": found.prices_as_of,
        "prices": [asdict(layer) for layer in found.prices],
        "price_layers": {o.offer_id: o.price_layer for o in found.options},
        "relative_cost": {o.offer_id: o.relative_cost for o in found.options if o.relative_cost is not None},
        "sensitivity": [asdict(s) for s in found.sensitivity],
        "probe_saves_usd": found.probe_saves_usd,
        "notes": list(found.notes),
    }
