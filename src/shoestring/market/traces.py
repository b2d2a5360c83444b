"""Trace: what a zone was like over time, recorded or generated: availability and price on a regular grid.

Parsing takes text that somebody else has read: this room does no I/O. In these files 1 means available;
windows cut elsewhere from the same recordings use the opposite, so the encoding is never guessed.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.units import seconds_between

MAX_SAMPLES = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """One zone's availability (and price) over time.

    Attributes:
        zone: its name. gap_s: seconds between samples; sample i covers [i*gap_s, (i+1)*gap_s).
        available: bool, shape (samples,).
        price_usd_per_hour: float, shape (samples,); None when the trace knows no price.
        start: the moment of sample 0; None when the recording does not say.
        source: ``recorded`` or ``generated``, and from what.
    """

    zone: str
    gap_s: float
    available: NDArray[np.bool_]
    price_usd_per_hour: NDArray[np.float64] | None = None
    start: datetime | None = None
    source: str = "recorded"

    def __post_init__(self) -> None:
        if not (self.gap_s > 0 and math.isfinite(self.gap_s)):
            raise ValueError(f"{self.zone}: gap of {self.gap_s} s; samples need a positive distance")
        if self.available.ndim != 1 or not 0 < len(self.available) <= MAX_SAMPLES:
            raise ValueError(
                f"{self.zone}: {self.available.shape} samples; a trace is 1 to {MAX_SAMPLES:,} long"
            )
        price = self.price_usd_per_hour
        if price is not None and price.shape != self.available.shape:
            raise ValueError(f"{self.zone}: {len(price)} prices for {len(self.available)} samples")
        if price is not None and not (np.isfinite(price).all() and (price >= 0).all()):
            bad = int(np.flatnonzero(~(np.isfinite(price) & (price >= 0)))[0])
            raise ValueError(f"{self.zone}: price {price[bad]} $/h in sample {bad}; a price is 0 or more")

    @property
    def length_s(self) -> float:
        return len(self.available) * self.gap_s

    def index(self, at_s: float) -> int:
        """Sample that holds at ``at_s`` seconds after the start; the trace repeats beyond its end."""
        return int(at_s // self.gap_s) % len(self.available)

    def up(self, at_s: float) -> bool:
        """Whether an instance can be had at ``at_s``."""
        return bool(self.available[self.index(at_s)])

    def price(self, at_s: float) -> float | None:
        """Price at ``at_s`` in $/h; None when the trace knows none."""
        return None if self.price_usd_per_hour is None else float(self.price_usd_per_hour[self.index(at_s)])

    def next_loss_s(self, after_s: float) -> float:
        """When the zone next goes down at or after ``after_s``, in seconds; infinity if it never does."""
        first = int(after_s // self.gap_s)
        if not self.up(after_s):
            return after_s
        rolled = np.roll(self.available, -(first % len(self.available)))
        down = np.flatnonzero(~rolled)
        return math.inf if not len(down) else (first + int(down[0])) * self.gap_s

    def next_price_change_s(self, after_s: float) -> float:
        """When the price next differs, after ``after_s``, in seconds; infinity if it never does."""
        if self.price_usd_per_hour is None:
            return math.inf
        first = int(after_s // self.gap_s)
        rolled = np.roll(self.price_usd_per_hour, -(first % len(self.available)))
        changed = np.flatnonzero(rolled != rolled[0])
        return math.inf if not len(changed) else (first + int(changed[0])) * self.gap_s

    def resample(self, gap_s: float) -> "Trace":
        """The trace on another grid: each new sample is the last old one at or before it."""
        count = max(1, int(self.length_s // gap_s))
        index = np.floor(np.arange(count) * gap_s / self.gap_s + 1e-9).astype(int)
        price = self.price_usd_per_hour
        return Trace(
            zone=self.zone,
            gap_s=gap_s,
            available=self.available[index],
            price_usd_per_hour=None if price is None else price[index],
            start=self.start,
            source=self.source,
        )


def parse_availability(text: str, zone: str, *, instances: int = 1) -> Trace:
    """A trace from JSON ``{"metadata": {"gap_seconds": 195}, "data": [1, 0, ...]}``; 1 is available.

    Args:
        instances: count as available where the file says at least so many (multi-node recordings).

    Raises:
        ValueError: not such a file; says what is wrong and where.
    """
    try:
        body = json.loads(text)
        gap_s, data = float(body["metadata"]["gap_seconds"]), body["data"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{zone}: no availability trace ({error}); see docs/rehearsal.md") from None
    if not isinstance(data, list) or not data:
        raise ValueError(f"{zone}: the trace holds no samples")
    wrong = next((i for i, v in enumerate(data) if isinstance(v, bool | str) or not _is_count(v)), None)
    if wrong is not None:
        raise ValueError(f"{zone}: sample {wrong} is {data[wrong]!r}; samples are counts of instances")
    prices = body.get("prices")
    try:
        price = None if prices is None else np.asarray(prices, dtype=float)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{zone}: prices must be a list of numbers in $/h ({error})") from None
    return Trace(
        zone=zone,
        gap_s=gap_s,
        available=np.asarray(data) >= instances,
        price_usd_per_hour=price,
    )


def parse_prices(text: str, zone: str, *, gap_s: float = 3600.0) -> Trace:
    """A trace from CSV with columns ``timestamp,price`` (ISO 8601, $/h; optional ``available``), any order.

    Raises:
        ValueError: a missing column, no rows, a bad or negative value; names the line.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise ValueError(f"{zone}: no CSV ({error})") from None
    if not rows or not {"timestamp", "price"} <= set(rows[0]):
        raise ValueError(f"{zone}: expected CSV with columns timestamp and price, and at least one row")
    points: list[tuple[datetime, float, bool]] = []
    for line, row in enumerate(rows, start=2):
        try:
            at = datetime.fromisoformat(row["timestamp"])
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
            points.append((at, float(row["price"]), (row.get("available") or "1") not in ("0", "false")))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{zone}: line {line}: {error}") from None
    points.sort(key=lambda point: point[0])
    start, end = points[0][0], points[-1][0]
    count = max(1, int((end - start).total_seconds() // gap_s) + 1)
    if count > MAX_SAMPLES:
        raise ValueError(f"{zone}: {count:,} samples at {gap_s} s; give a larger gap")
    at_s = np.array([(p[0] - start).total_seconds() for p in points])
    index = np.searchsorted(at_s, np.arange(count) * gap_s + 1e-9, side="right") - 1
    return Trace(
        zone=zone,
        gap_s=gap_s,
        available=np.array([p[2] for p in points])[index],
        price_usd_per_hour=np.array([p[1] for p in points])[index],
        start=start,
    )


def overlapping(traces: Sequence[Trace]) -> tuple[Trace, ...]:
    """Dated traces of one gap, cut to the time that all of them cover; undated ones as they are.

    Raises:
        ValueError: some are dated and some are not, the gaps differ, or nothing is covered by all.
    """
    dated = [t for t in traces if t.start is not None]
    if not dated:
        return tuple(traces)
    if len(dated) < len(traces):
        undated = next(t for t in traces if t.start is None)
        raise ValueError(
            f"{undated.zone} says no dates, {dated[0].zone} does: they can't be laid side by side"
        )
    gap_s = traces[0].gap_s
    if any(t.gap_s != gap_s for t in traces):
        raise ValueError("the traces have different gaps; resample them first")
    first = max(t.start for t in traces if t.start is not None)
    cut = []
    for trace in traces:
        assert trace.start is not None
        skipped = round(seconds_between(trace.start, first) / gap_s)
        cut.append((trace, skipped, len(trace.available) - skipped))
    count = min(left for _, _, left in cut)
    if count <= 0:
        last = next(t for t in traces if t.start == first)
        raise ValueError(f"no time is covered by all traces: {last.zone} begins at {first.isoformat()}")
    return tuple(
        replace(
            trace,
            available=trace.available[skipped : skipped + count],
            price_usd_per_hour=None
            if trace.price_usd_per_hour is None
            else trace.price_usd_per_hour[skipped : skipped + count],
            start=first,
        )
        for trace, skipped, _ in cut
    )


def same_grid(traces: Sequence[Trace]) -> Mapping[str, Trace]:
    """Traces by zone, if they fit together. Raises ValueError for unequal grids, lengths, or a zone twice."""
    if not traces:
        raise ValueError("no traces")
    first = traces[0]
    for trace in traces[1:]:
        if trace.gap_s != first.gap_s or len(trace.available) != len(first.available):
            raise ValueError(
                f"{trace.zone} has {len(trace.available)} samples of {trace.gap_s:g} s, {first.zone} has "
                f"{len(first.available)} of {first.gap_s:g} s; resample them or cut them to one length"
            )
    by_zone = {trace.zone: trace for trace in traces}
    if len(by_zone) != len(traces):
        raise ValueError("a zone occurs twice")
    return by_zone


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0
