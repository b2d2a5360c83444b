"""`shoestring costs --unit` and `--leaderboard`: the ledger's dollars of runs over what the runs reported."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.ledger.marginal import Marginal, marginal_of
from shoestring.ledger.quality_cost import LOSS
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.tracking import TrackedRun
from shoestring.ledger.unit_costs import (
    UNITS,
    RunWork,
    UnitCost,
    Use,
    beats_of,
    leaderboard,
    measure_of,
    unit_costs,
)
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_schema import LABEL_COLUMNS
from shoestring.store.dimensions import Condition
from shoestring.store.tracked_book import tracked_runs

# Refunds and restatements of something else are no price of work.
PRICES_OF_WORK = (
    Condition(dimension="charge", operator="!=", value="Credit"),
    Condition(dimension="class", operator="!=", value="Correction"),
)


PARAM = "param."
NO_METRICS = "none; report them with step(..., metrics={...}), or read them with shoestring bridge"


def cost_per_unit(
    store: ChargeStore, receipts: Sequence[Receipt], question: Question, unit: str
) -> tuple[UnitCost, ...]:
    """Dollars per unit, grouped by labels of runs. Raises BadInput for an unknown unit or label."""
    try:
        measure_of(unit)
    except ValueError as error:
        raise BadInput(f"--unit: {error}", next_step=f"one of: {', '.join(UNITS)}") from None
    return unit_costs(works(store, receipts, question), unit)


def metric_per_dollar(
    store: ChargeStore, receipts: Sequence[Receipt], question: Question, metric: str
) -> tuple[UnitCost, ...]:
    """Groups by their best value of a metric per dollar. Raises BadInput naming the metrics there are."""
    runs = works(store, receipts, question)
    there = sorted({name for run in runs for name in run.metric_names})
    if metric not in there:
        raise BadInput(
            f"no run reported a metric {metric!r}",
            next_step=f"there are: {', '.join(there) or NO_METRICS}",
        )
    return leaderboard(runs, metric)


def marginal_costs(
    store: ChargeStore, receipts: Sequence[Receipt], question: Question, metric: str
) -> tuple[Marginal, ...]:
    """Dollars per point of a metric for each run of the question, those whose last tenth was dearest first.

    Raises BadInput naming the metrics that heartbeats reported.
    """
    chosen = {run.run_id for run in works(store, receipts, question)}
    there = sorted({name for r in receipts for beat in r.trail for name in (*beat.metrics, LOSS)})
    if metric not in there:
        raise BadInput(
            f"no run reported a metric {metric!r} over time",
            next_step=f"there are: {', '.join(there) or NO_METRICS}",
        )
    found = [m for r in receipts if r.run_id in chosen and (m := marginal_of(r, metric)) is not None]
    return tuple(sorted(found, key=lambda m: (-(m.last_usd_per_point or 0.0), m.run_id)))


def marginal_json(metric: str, found: Sequence[Marginal]) -> dict[str, Any]:
    """Marginal costs as plain data: unknown as null."""
    return {"metric": metric, "rows": [asdict(m) for m in found]}


def works(store: ChargeStore, receipts: Sequence[Receipt], question: Question) -> list[RunWork]:
    """Runs that ended (or go on) within the question's days, each with the dollars of its whole life.

    Dollars are the ledger's, so a run that was billed counts as billed. Without its charges in the ledger, or
    with unrated use, they are None. ``where`` chooses charges; a run that has none of them is left out.
    """
    for name in question.by:
        if name not in LABEL_COLUMNS and not name.startswith(PARAM):
            raise BadInput(
                f"can't group runs by {name!r}", next_step=f"one of: {', '.join(LABEL_COLUMNS)}, {PARAM}NAME"
            )
    tracked = tracked_runs(store.folder)
    answer = ask(
        store, Question(by=("run",), metric=question.metric, where=(*question.where, *PRICES_OF_WORK))
    )
    dollars = {row.keys[0]: row.usd for row in answer.rows}
    uses = {
        row.keys[0]: Use(
            accelerator_hours=row.accelerator_hours, energy_kwh=row.energy_kwh, carbon_kg=row.carbon_kg
        )
        for row in answer.rows
    }
    return [
        RunWork(
            run_id=paid.run_id,
            keys=tuple(_label(paid, name, tracked.get(paid.run_id)) for name in question.by),
            usd=None if paid.unrated else dollars.get(paid.run_id),
            beats=beats_of(paid),
            tracked={} if (known := tracked.get(paid.run_id)) is None else known.metrics,
            use=uses.get(paid.run_id, Use()),
        )
        for paid in receipts
        if _within(paid, question) and (paid.run_id in dollars or not question.where)
    ]


def _within(paid: Receipt, question: Question) -> bool:
    day = paid.until.date()
    return (question.since is None or day >= question.since) and (
        question.until is None or day < question.until
    )


def _label(paid: Receipt, name: str, tracked: TrackedRun | None) -> str | None:
    if name.startswith(PARAM):
        return None if tracked is None else tracked.params.get(name.removeprefix(PARAM))
    if name == "run":
        return paid.run_id
    if name == "user":
        return paid.labels.get("user") or paid.user or None
    return paid.labels.get(name)


def unit_costs_json(by: Sequence[str], unit: str, lines: Sequence[UnitCost]) -> dict[str, Any]:
    """Unit costs as plain data: unknown as null."""
    return {
        "by": list(by),
        "unit": unit,
        "rows": [
            {
                **dict(zip(by, line.keys, strict=True)),
                "runs": line.runs,
                "runs_left_out": line.left_out,
                "usd": None if line.usd is None else float(line.usd),
                "units": line.units,
                "usd_per_unit": line.usd_per_unit,
                "units_per_usd": line.units_per_usd,
                **asdict(line.use),
                "kwh_per_unit": line.kwh_per_unit,
            }
            for line in lines
        ],
    }
