"""What the next bit of quality costs: dollars for each point of a metric, on the whole way and on its last tenth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from shoestring.domain.run import Heartbeat
from shoestring.ledger.quality_cost import LOSS, more_is_better
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.timeline import cost_curve, paid_at

LAST_TENTH = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal:
    """A run's way to its best value.

    Attributes:
        first, best: of the metric. usd: paid until the best value was reached.
        usd_per_point: of the whole improvement. last_usd_per_point: of its last tenth. None: nothing improved.
    """

    run_id: str
    first: float
    best: float
    usd: float
    usd_per_point: float | None
    last_usd_per_point: float | None


def marginal_of(paid: Receipt, metric: str) -> Marginal | None:
    """Dollars per point; None for a run that did not report the metric, or whose dollars are unknown.

    A point is one unit of the metric: for an accuracy in 0..1 that is all of it, so its hundredth is a percent point.
    """
    series = improvement(paid.trail, metric)
    if not series or paid.unrated:
        return None
    sign = 1.0 if more_is_better(metric) else -1.0
    (_, first), (reached, best) = series[0], series[-1]
    curve = cost_curve(paid.charges)
    usd, gained = paid_at(curve, reached), best - first
    per_point = last = None
    if gained > 0:
        turn, value = next(step for step in series if step[1] >= first + LAST_TENTH * gained)
        before = max((s for s in series if s[0] < turn), default=series[0])
        start = (turn, value) if value < best else before  # one leap over the last tenth: from where it began
        per_point = (usd - paid_at(curve, series[0][0])) / gained
        last = (usd - paid_at(curve, start[0])) / (best - start[1])
    return Marginal(
        run_id=paid.run_id,
        first=sign * first,
        best=sign * best,
        usd=usd,
        usd_per_point=per_point,
        last_usd_per_point=last,
    )


def improvement(beats: Sequence[Heartbeat], metric: str) -> list[tuple[datetime, float]]:
    """When a metric was better than ever before, oldest first; losses are negated, so that more is better."""
    sign = 1.0 if more_is_better(metric) else -1.0
    found: list[tuple[datetime, float]] = []
    for beat in sorted(beats, key=lambda b: b.at):
        value = beat.metrics.get(metric, beat.loss if metric == LOSS else None)
        if value is not None and isfinite(value) and (not found or sign * value > found[-1][1]):
            found.append((beat.at, sign * value))
    return found
