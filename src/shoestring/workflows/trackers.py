"""`shoestring bridge`: a run's cost to its experiment tracker, and what the tracker knows of it back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from shoestring.ledger.receipt import Receipt
from shoestring.ledger.tracking import Figures, TrackedRun, figures_of, news, told_elsewhere

Progress = Callable[[int, int], None]


class Tracker(Protocol):
    """An experiment tracker. All of it raises ShoestringError for what can't be reached or is refused."""

    name: str

    def runs(self, run_ids: Sequence[str]) -> list[TrackedRun]:
        """What it has of these runs, the newest first; runs nested in others are left out."""

    def named(self, run_id: str, tracked_id: str) -> TrackedRun:
        """One of its runs by its own id, as ours of ``run_id``."""

    def create(self, paid: Receipt) -> TrackedRun:
        """A new run in it."""

    def tell(self, tracked: TrackedRun, values: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Write metrics (names without our prefix) and tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridged:
    """What came of one run.

    Attributes:
        tracked_id: the tracker's run; None where it has none and none was made.
        told: metrics written now. unknown: figures that nobody knows, of which nothing was written.
        read: params and metrics that came back.
    """

    run_id: str
    tracked_id: str | None
    told: Mapping[str, float] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    read: TrackedRun | None = None


def bridge(
    tracker: Tracker,
    receipts: Sequence[Receipt],
    *,
    carbon_kg: Mapping[str, float | None] | None = None,
    create: bool = False,
    tracked_id: str | None = None,
    dry: bool = False,
    progress: Progress | None = None,
) -> tuple[Bridged, ...]:
    """Tell a tracker what runs cost, and read back what it knows of them.

    The whole cost of a run goes to the newest of its tracked runs; from older ones (attempts before a
    preemption) what was told is taken back, so that sums over the tracker's runs count everything once.

    Args:
        carbon_kg: by run, where the ledger knows it.
        create: make a run in the tracker for each that has none.
        tracked_id: the tracker's id for the only receipt, where it does not carry our run id.
        dry: write nothing.
    """
    if tracked_id is not None:
        (paid,) = receipts
        there = {paid.run_id: [tracker.named(paid.run_id, tracked_id)]}
    else:
        there = {}
        for tracked in tracker.runs([r.run_id for r in receipts]):
            there.setdefault(tracked.run_id, []).append(tracked)
    done = []
    for count, paid in enumerate(receipts, start=1):
        found = there.get(paid.run_id, [])
        if not found and create and not dry:
            found = [tracker.create(paid)]
        figures = figures_of(paid, (carbon_kg or {}).get(paid.run_id))
        done.append(_bridged(tracker, figures, paid.run_id, found, dry=dry))
        if progress is not None:
            progress(count, len(receipts))
    return tuple(done)


def _bridged(
    tracker: Tracker, figures: Figures, run_id: str, found: Sequence[TrackedRun], *, dry: bool
) -> Bridged:
    if not found:
        return Bridged(run_id=run_id, tracked_id=None, unknown=figures.unknown)
    newest = found[0]
    told = _tell(tracker, newest, figures, dry=dry)
    for older in found[1:]:
        elsewhere = told_elsewhere(older, newest.tracked_id)
        if elsewhere is not None:
            _tell(tracker, older, elsewhere, dry=dry)
    return Bridged(
        run_id=run_id,
        tracked_id=newest.tracked_id,
        told=told,
        unknown=figures.unknown,
        read=_together(found),
    )


def _tell(tracker: Tracker, tracked: TrackedRun, figures: Figures, *, dry: bool) -> Mapping[str, float]:
    values, tags = news(figures, tracked)
    if (values or tags) and not dry:
        tracker.tell(tracked, values, tags)
    return values


def _together(found: Sequence[TrackedRun]) -> TrackedRun:
    """What all tracked runs of a run know of it; the newest has the last word."""
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    for tracked in reversed(found):
        params |= tracked.params
        metrics |= tracked.metrics
    return TrackedRun(run_id=found[0].run_id, tracked_id=found[0].tracked_id, params=params, metrics=metrics)


def bridged_json(tracker: str, done: Sequence[Bridged], *, dry: bool) -> dict[str, Any]:
    """What was done, as plain data."""
    return {
        "tracker": tracker,
        "dry_run": dry,
        "runs": [
            {
                "run": b.run_id,
                "tracked": b.tracked_id,
                "told": dict(b.told),
                "unknown": list(b.unknown),
                "params": {} if b.read is None else dict(b.read.params),
                "metrics": {} if b.read is None else dict(b.read.metrics),
            }
            for b in done
        ],
    }
