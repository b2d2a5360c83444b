"""When a run had got as good as it would get, and what was paid after that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from shoestring.domain.run import Heartbeat
from shoestring.domain.units import money
from shoestring.ledger.expected import Expected
from shoestring.ledger.quality_cost import LOSS, more_is_better
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.timeline import cost_curve, paid_at

NEARLY_ALL = 0.99  # of the improvement: what comes after is the plateau
LEAST_BEATS = 8  # fewer say nothing about a shape
LEAST_SHARE = 0.2  # of the cost, paid on the plateau, before anybody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """A run whose metric stopped improving.

    Attributes:
        first, best: of the metric. since: when all but a hundredth of the improvement was reached.
        usd: paid in all. after_usd: of that, paid since then.
        last_tenth_usd: paid from nine tenths of the improvement on until then: the marginal price of quality.
    """

    run_id: str
    metric: str
    first: float
    best: float
    since: datetime
    usd: float
    after_usd: float
    last_tenth_usd: float


def plateau_of(paid: Receipt, metric: str | None = None) -> Plateau | None:
    """The plateau of a run's metric (its first by name that is no loss, else the loss); None if there is none.

    Improvement is that of the best value so far, so that noise does not end a plateau. A run that never improved
    is on its plateau from its first beat on.
    """
    beats = sorted(paid.trail, key=lambda b: b.at)
    name = metric or _metric(beats)
    sign = 1.0 if more_is_better(name) else -1.0
    series = [(b.at, sign * v) for b in beats if (v := _value(b, name)) is not None and isfinite(v)]
    if len(series) < LEAST_BEATS:
        return None
    first, best = series[0][1], max(value for _, value in series)
    nine_tenths, since = (_reached(series, first + share * (best - first)) for share in (0.9, NEARLY_ALL))
    curve = cost_curve(paid.charges)
    usd, at_turn, at_nine = (
        curve[-1][1] if curve else 0.0,
        paid_at(curve, since),
        paid_at(curve, nine_tenths),
    )
    if usd <= 0 or usd - at_turn < LEAST_SHARE * usd:
        return None
    return Plateau(
        run_id=paid.run_id,
        metric=name,
        first=sign * first,
        best=sign * best,
        since=since,
        usd=usd,
        after_usd=usd - at_turn,
        last_tenth_usd=at_turn - at_nine,
    )


def stop_early(receipts: Sequence[Receipt]) -> tuple[Expected, ...]:
    """A recommendation for each run on a plateau: from nothing to all that was paid on it."""
    found = []
    for paid in receipts:
        told = plateau_of(paid)
        if told is None:
            continue
        still = "it still runs" if not paid.state.terminal else "the next one like it may end sooner"
        found.append(
            Expected(
                kind="stop_early",
                subject=paid.run_id,
                low_usd=money(0),
                high_usd=money(str(round(told.after_usd, 6))),
                reason=f"{told.metric} went from {told.first:.4g} to {told.best:.4g}, nearly all of it by "
                f"{told.since:%Y-%m-%d %H:%M}; {told.after_usd:,.2f} of {told.usd:,.2f} $ came after, and the last "
                f"tenth before it had cost {told.last_tenth_usd:,.2f} $; {still}",
            )
        )
    return tuple(found)


def _metric(beats: Sequence[Heartbeat]) -> str:
    names = sorted({name for beat in beats for name in beat.metrics if more_is_better(name)})
    return names[0] if names else LOSS


def _value(beat: Heartbeat, name: str) -> float | None:
    return beat.metrics.get(name, beat.loss if name == LOSS else None)


def _reached(series: Sequence[tuple[datetime, float]], value: float) -> datetime:
    return next(at for at, found in series if found >= value)
