"""Quality against cost: one point a run, and the frontier of runs that no other run beats on both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from shoestring.ledger.unit_costs import RunWork

LOSS = "loss"
LESS_IS_BETTER = ("loss", "error", "perplexity", "wer", "rmse", "mae")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPoint:
    """What a run cost and how good it got. ``on_frontier``: no run was both cheaper and at least as good."""

    run_id: str
    keys: tuple[str | None, ...]
    usd: float
    value: float
    on_frontier: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityAgainstCost:
    """All runs that reported one metric, in rising order of cost.

    Attributes:
        left_out: runs that reported it and have no known price.
    """

    metric: str
    more_is_better: bool
    points: tuple[QualityPoint, ...]
    left_out: int


def reported_metrics(runs: Iterable[RunWork]) -> tuple[str, ...]:
    """The metrics that runs reported, those of most runs first; ``loss`` is the heartbeat's own, and comes last."""
    counts: dict[str, int] = {}
    for run in runs:
        names = set(run.metric_names)
        names |= {LOSS for beat in run.beats if beat.loss is not None}
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts, key=lambda name: (name == LOSS, -counts[name], name)))


def more_is_better(metric: str) -> bool:
    """Whether a larger value is a better one, by the last word of the metric's name.

    >>> more_is_better("accuracy"), more_is_better("eval_loss"), more_is_better("word/WER")
    (True, False, False)
    """
    words = "".join(c if c.isalnum() else " " for c in metric.lower()).split()
    return not words or words[-1] not in LESS_IS_BETTER


def quality_against_cost(runs: Sequence[RunWork], metric: str) -> QualityAgainstCost:
    """The newest value of ``metric`` of each run against the dollars of its whole life."""
    better = more_is_better(metric)
    told = [(run, value) for run in runs if (value := _value(run, metric)) is not None]
    known = [
        QualityPoint(run_id=run.run_id, keys=run.keys, usd=float(run.usd), value=value)
        for run, value in told
        if run.usd is not None
    ]
    sign = 1.0 if better else -1.0
    known.sort(key=lambda p: (p.usd, -sign * p.value, p.run_id))
    points, best = [], float("-inf")
    for point in known:
        reached = sign * point.value > best
        best = max(best, sign * point.value)
        points.append(
            QualityPoint(
                run_id=point.run_id, keys=point.keys, usd=point.usd, value=point.value, on_frontier=reached
            )
        )
    return QualityAgainstCost(
        metric=metric, more_is_better=better, points=tuple(points), left_out=len(told) - len(known)
    )


def _value(run: RunWork, metric: str) -> float | None:
    """The newest finite value; a run that diverged to NaN has no quality to show."""
    for beat in run.beats:
        value = beat.metrics.get(metric, beat.loss if metric == LOSS else None)
        if value is not None and isfinite(value):
            return value
    tracked = run.tracked.get(metric)
    return tracked if tracked is not None and isfinite(tracked) else None
