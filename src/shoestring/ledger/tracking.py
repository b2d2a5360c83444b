"""What an experiment tracker is told about a run's money, and what it tells about a run's work."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from shoestring.domain.usage import CostPart
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.unit_costs import RunWork, beats_of, unit_costs

PREFIX = "shoestring/"  # of metrics: trackers show what shares a prefix together
RUN_ID_TAG = "shoestring.run_id"
COST_ON_TAG = "shoestring.cost_on"
# What adds up over runs: told once for each of ours, however many the tracker has of it.
ADDITIVE = (
    "cost_usd", "lost_work_usd", "checkpoint_usd", "idle_usd",
    "saving_usd", "saving_low_usd", "saving_high_usd", "energy_kwh", "carbon_kg",
)  # fmt: skip
NAME_MOST, TEXT_MOST = 250, 6_000  # MLflow's own bounds of names and params
VALUES_MOST = 5_000
T = TypeVar("T")
PER_UNIT = ("epoch", "million_samples", "million_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """A run as its tracker knows it.

    Attributes:
        run_id: ours. tracked_id: the tracker's own.
        params: what was set, as text. metrics: the newest values that the script logged.
        told: our own figures, as they stand there now (without the prefix).
        tags: our own tags, as they stand there now.
    """

    run_id: str
    tracked_id: str
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def bounded(told: Mapping[str, T]) -> dict[str, T]:
    """What a tracker told, as far as trackers themselves go: others write there, too, and we keep what we read.

    Longer names and texts are left out rather than cut: half a value is another value.
    """
    fitting = (
        (name, value)
        for name, value in told.items()
        if len(name) <= NAME_MOST and (not isinstance(value, str) or len(value) <= TEXT_MOST)
    )
    return dict(itertools.islice(fitting, VALUES_MOST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a tracker is told. ``values`` holds what is known; names of the rest are in ``unknown``."""

    values: Mapping[str, float]
    unknown: tuple[str, ...]
    tags: Mapping[str, str]


def figures_of(paid: Receipt, carbon_kg: float | None = None) -> Figures:
    """Dollars, kWh, CO2 and saving of a run, each unknown one by name and never as 0.

    The dollars are the bill's once the run is billed; parts stay as metered, as no bill has them.
    """
    usd = paid.cost.total_usd if paid.billed_usd is None else paid.billed_usd
    saving = paid.saving
    found: dict[str, Decimal | float | None] = {
        "cost_usd": usd,
        "lost_work_usd": paid.cost.parts[CostPart.LOST_WORK],
        "checkpoint_usd": paid.cost.parts[CostPart.CHECKPOINT],
        "idle_usd": paid.cost.parts[CostPart.IDLE],
        "saving_usd": saving.usd,
        "saving_low_usd": saving.low_usd,
        "saving_high_usd": saving.high_usd,
        "saving_fraction": saving.fraction,
        "energy_kwh": paid.energy.kwh,
        "carbon_kg": carbon_kg,
        "energy_covered": paid.energy.covered,
        "goodput": paid.goodput,
        "preemptions": float(paid.preemptions),
    }
    work = RunWork(run_id=paid.run_id, keys=(), usd=usd, beats=beats_of(paid))
    for unit in PER_UNIT:
        (line,) = unit_costs([work], unit)
        found[f"usd_per_{unit}"] = line.usd_per_unit
    unknown = tuple(name for name, value in found.items() if value is None)
    tags = {
        RUN_ID_TAG: paid.run_id,
        "shoestring.state": paid.state.value,
        "shoestring.basis": paid.basis,
        "shoestring.baseline": "" if paid.baseline is None else paid.baseline.name,
        "shoestring.price_sources": "; ".join(sorted({p.source for p in paid.price_sources})),
        "shoestring.unknown": ", ".join(unknown),
        COST_ON_TAG: "",
    }
    return Figures(
        values={name: float(value) for name, value in found.items() if value is not None},
        unknown=unknown,
        tags=tags,
    )


def told_elsewhere(older: TrackedRun, newest_id: str) -> Figures | None:
    """For a tracked run that a later one of the same run has taken over from: nothing of the cost is on it.

    None if nothing was ever told to it, so that there is nothing to take back.
    """
    if not older.told:
        return None
    values = {name: 0.0 for name in ADDITIVE if name in older.told}
    return Figures(values=values, unknown=(), tags={RUN_ID_TAG: older.run_id, COST_ON_TAG: newest_id})


def news(figures: Figures, tracked: TrackedRun) -> tuple[dict[str, float], dict[str, str]]:
    """What of it the tracker does not have yet: metrics (without the prefix) and tags."""
    values = {name: value for name, value in figures.values.items() if tracked.told.get(name) != value}
    tags = {name: text for name, text in figures.tags.items() if tracked.tags.get(name, "") != text}
    return values, tags
