"""Dated prices of the catalog as markets to simulate on: what spot cost when, by region.

They say nothing of availability: spot counts as always there, so only moves for a price are seen, never losses.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from shoestring.catalog.history import DatedPrice, history, regions_of
from shoestring.domain.errors import BadInput
from shoestring.domain.units import SECONDS_PER_HOUR, seconds_between
from shoestring.market.traces import MAX_SAMPLES, Trace, overlapping

NOTE = (
    "Dated list prices say nothing of availability: spot counts as always there, so these figures show what moves "
    "for a price bring, not what preemptions cost."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceHistory:
    """A type's dated prices on one grid: spot as a trace for each region, and the cheapest price on demand.

    Attributes:
        on_demand: moments, ascending, and the $/h that held from each on.
    """

    instance_type: str
    traces: tuple[Trace, ...]
    on_demand: tuple[tuple[datetime, float], ...]

    def on_demand_at(self, moment: datetime) -> float:
        """$/h on demand in the region that was cheapest then; the first known price before that."""
        place = bisect_right([since for since, _ in self.on_demand], moment) - 1
        return self.on_demand[max(place, 0)][1]


def price_history(text: str, *, step_s: int) -> PriceHistory:
    """The history of ``[PROVIDER/]TYPE[@REGION,REGION...]``; without regions, of all that sell it on spot.

    Raises:
        NotFound: no history of such a type in such a region. BadInput: it has no spot prices, or regions that
            were never priced at the same time.
    """
    kind, _, wanted = text.partition("@")
    kind = kind.rpartition("/")[2]
    regions = tuple(dict.fromkeys(r.strip() for r in wanted.split(",") if r.strip())) or regions_of(kind)
    if not regions:
        history(kind, "any region")  # says which types there are
    by_region = {region: history(kind, region) for region in regions}
    spot = {r: [p for p in prices if p.spot_usd_per_hour is not None] for r, prices in by_region.items()}
    if wanted and any(not prices for prices in spot.values()):
        empty = next(r for r, prices in spot.items() if not prices)
        raise BadInput(
            f"--history {text}: no spot prices of {kind} in {empty} are known", next_step=_others(kind)
        )
    spot = {r: prices for r, prices in spot.items() if prices}
    if not spot:
        raise BadInput(
            f"--history {text}: the history of {kind} holds no spot prices",
            next_step="shoestring catalog history TYPE REGION; Google's types have both",
        )
    last = max(prices[-1].since for prices in by_region.values())
    try:
        traces = overlapping([_trace(r, prices, last, step_s) for r, prices in spot.items()])
    except ValueError as error:
        raise BadInput(f"--history {text}: {error}", next_step="name fewer regions: TYPE@REGION") from None
    return PriceHistory(instance_type=kind, traces=traces, on_demand=_cheapest([by_region[r] for r in spot]))


def _others(kind: str) -> str:
    return f"leave the region out, or one of {', '.join(regions_of(kind))}"


def _moment(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _trace(region: str, prices: Sequence[DatedPrice], last: date, step_s: int) -> Trace:
    """Spot from its first known day until a day after the whole history's last change."""
    start, end = _moment(prices[0].since), _moment(last) + timedelta(days=1)
    count = math.floor(seconds_between(start, end) / step_s)
    if count > MAX_SAMPLES:
        raise BadInput(
            f"--step {step_s} s: {count:,} steps of history; at most {MAX_SAMPLES:,}", next_step="--step 10m"
        )
    changes_s = np.array([seconds_between(start, _moment(p.since)) for p in prices])
    usd = np.array([p.spot_usd_per_hour for p in prices], dtype=float)
    held = np.searchsorted(changes_s, np.arange(count) * step_s + 1e-9, side="right") - 1
    return Trace(
        zone=region, gap_s=step_s, available=np.ones(count, dtype=bool), price_usd_per_hour=usd[held], start=start,
        source="dated list prices",
    )  # fmt: skip


def _cheapest(histories: Sequence[Sequence[DatedPrice]]) -> tuple[tuple[datetime, float], ...]:
    """The lowest price on demand over all regions, from each change on."""
    days = sorted({p.since for prices in histories for p in prices if p.on_demand_usd_per_hour is not None})
    found = []
    for day in days:
        held = [
            next(p for p in reversed(prices) if p.since <= day and p.on_demand_usd_per_hour is not None)
            for prices in histories
            if any(p.since <= day and p.on_demand_usd_per_hour is not None for p in prices)
        ]
        found.append((_moment(day), min(p.on_demand_usd_per_hour or math.inf for p in held)))
    if not found:
        raise BadInput("the history holds no price on demand", next_step="give --on-demand, in $/h")
    return tuple(found)


def span_told(found: PriceHistory) -> str:
    """Which regions and days a history covers, for people."""
    first = found.traces[0]
    assert first.start is not None, "dated prices have dates"
    end = first.start + timedelta(hours=first.length_s / SECONDS_PER_HOUR)
    regions = ", ".join(t.zone for t in found.traces)
    return f"{found.instance_type} in {regions}, {first.start.date()} to {end.date()}"
