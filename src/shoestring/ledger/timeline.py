"""A run over time: where it was, what interrupted it, what it paid an hour and had paid in all."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shoestring.domain.charge import Charge
from shoestring.domain.run import Observation
from shoestring.ledger.receipt import AttemptLine, Receipt

POINTS = 400  # of the cost curve: more than a screen has


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. ``kind``: ``checkpoint`` | ``restore`` | ``notice`` | how the attempt ended."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One attempt in its place. ``usd`` None: unknown. ``prices``: from when on, $ per instance-hour."""

    number: int
    place: str
    market: str
    start: datetime
    end: datetime
    ended_by: str | None
    reason: str | None
    usd: float | None
    prices: tuple[tuple[datetime, float | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A run's life. ``cost``: dollars paid until a moment; straight lines between the points."""

    run_id: str
    name: str
    stays: tuple[Stay, ...]
    events: tuple[Event, ...]
    cost: tuple[tuple[datetime, float], ...]


def timeline_of(paid: Receipt) -> Timeline:
    """The timeline of a receipt; attempts that were never billed are left out, as they were nowhere."""
    lines = [line for line in paid.attempts if line.launched_at is not None]
    events = [e for line in lines for e in _events(line.attempt.number, line.attempt.observation)]
    return Timeline(
        run_id=paid.run_id,
        name=paid.name,
        stays=tuple(_stay(line, line.launched_at or paid.until, paid.until) for line in lines),
        events=tuple(sorted(events, key=lambda e: (e.at, e.kind, e.text))),
        cost=_thinned(cost_curve(paid.charges), POINTS),
    )


def cost_curve(charges: Sequence[Charge]) -> tuple[tuple[datetime, float], ...]:
    """Dollars paid until each moment at which the rate changes. A charge accrues evenly over its time, one
    without a duration all at once; the last point is the sum of all."""
    slopes: dict[datetime, float] = {}
    jumps: dict[datetime, float] = {}
    for charge in charges:
        usd, lasted = float(charge.amount_usd), (charge.end - charge.start).total_seconds()
        if lasted <= 0:
            jumps[charge.start] = jumps.get(charge.start, 0.0) + usd
            continue
        slopes[charge.start] = slopes.get(charge.start, 0.0) + usd / lasted
        slopes[charge.end] = slopes.get(charge.end, 0.0) - usd / lasted
    points: list[tuple[datetime, float]] = []
    total = rate = 0.0
    for at in sorted(slopes.keys() | jumps.keys()):
        if points:
            total += rate * (at - points[-1][0]).total_seconds()
        if at in jumps and points:
            points.append((at, total))
        total += jumps.get(at, 0.0)
        rate += slopes.get(at, 0.0)
        points.append((at, total))
    return tuple(points)


def paid_at(curve: Sequence[tuple[datetime, float]], at: datetime) -> float:
    """Dollars until a moment, on the straight lines between the points of a cost curve."""
    index = bisect_right(curve, at, key=lambda point: point[0])
    if index == 0:
        return 0.0
    if index == len(curve):
        return curve[-1][1]
    (start, low), (end, high) = curve[index - 1], curve[index]
    return low + (high - low) * ((at - start) / (end - start))


def _stay(line: AttemptLine, start: datetime, until: datetime) -> Stay:
    attempt, end = line.attempt, line.attempt.observation.exit
    total = line.cost.total_usd
    return Stay(
        number=attempt.number,
        place=attempt.offer.place,
        market=attempt.offer.market.value,
        start=start,
        end=line.ended_at or max(start, until),
        ended_by=None if end is None else end.kind.value,
        reason=line.reason,
        usd=None if total is None else float(total),
        prices=tuple(
            (span.start, None if span.price.usd_per_hour is None else float(span.price.usd_per_hour))
            for span in sorted(attempt.observation.price_spans, key=lambda s: s.start)
        ),
    )


def _events(number: int, seen: Observation) -> list[Event]:
    found = [
        Event(at=c.at, kind="checkpoint", text=f"step {c.step}, {c.size_bytes:,} bytes, {c.trigger}")
        for c in seen.checkpoints
    ]
    found += [
        Event(at=r.at, kind="restore", text=f"step {r.step}, took {r.restore_s:.0f} s") for r in seen.restores
    ]
    if seen.notice_at is not None:
        found.append(Event(at=seen.notice_at, kind="notice", text=f"attempt {number} will be taken back"))
    if seen.exit is not None:
        detail = f": {seen.exit.detail}" if seen.exit.detail else ""
        found.append(Event(at=seen.exit.at, kind=seen.exit.kind.value, text=f"attempt {number}{detail}"))
    return found


def _thinned(points: tuple[tuple[datetime, float], ...], most: int) -> tuple[tuple[datetime, float], ...]:
    """At most so many points, evenly chosen, the first and the last among them."""
    if len(points) <= most:
        return points
    step = (len(points) - 1) / (most - 1)
    return tuple(points[round(n * step)] for n in range(most))
