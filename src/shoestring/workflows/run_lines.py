"""Runs of some days, a line each: those whose journal is here, and those that only the ledger knows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from shoestring.domain.units import money
from shoestring.domain.usage import CostPart
from shoestring.ledger.budgets import Spending
from shoestring.ledger.provenance import utilization_of
from shoestring.ledger.receipt import Receipt

LABELS = ("team", "project", "experiment", "model", "dataset", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """A run in a table. ``paid`` None: its journal is not here, and only its charges are known.

    Attributes:
        usd: over its whole life; of these days where only charges are known; None if a price is unknown.
    """

    run_id: str
    labels: dict[str, str | None]
    usd: Decimal | None
    paid: Receipt | None


def run_lines(receipts: Sequence[Receipt], spending: Iterable[Spending]) -> tuple[RunLine, ...]:
    """The receipts, newest first, then runs of other machines, the dearest first."""
    here = [
        RunLine(run_id=r.run_id, labels=_labels(r), usd=_usd(r), paid=r)
        for r in sorted(receipts, key=lambda r: (r.submitted_at, r.run_id), reverse=True)
    ]
    known = {line.run_id for line in here}
    sums: dict[str, RunLine] = {}
    for spent in spending:
        run_id = spent.labels.get("run")
        if run_id is None or run_id in known:
            continue
        before = sums.get(run_id)
        sums[run_id] = RunLine(
            run_id=run_id,
            labels={name: spent.labels.get(name) for name in LABELS} if before is None else before.labels,
            usd=spent.usd + (money(0) if before is None or before.usd is None else before.usd),
            paid=None,
        )
    elsewhere = sorted(sums.values(), key=lambda line: (-(line.usd or money(0)), line.run_id))
    return (*here, *elsewhere)


def in_days(receipts: Iterable[Receipt], since: date | None, until: date | None) -> list[Receipt]:
    """Runs that lived on one of these days (``until`` is not included)."""
    return [
        r
        for r in receipts
        if (since is None or r.until.date() >= since) and (until is None or r.submitted_at.date() < until)
    ]


def _labels(paid: Receipt) -> dict[str, str | None]:
    labels: dict[str, str | None] = {name: paid.labels.get(name) for name in LABELS}
    labels["user"] = labels["user"] or paid.user or None
    return labels


def _usd(paid: Receipt) -> Decimal | None:
    return paid.cost.total_usd if paid.billed_usd is None else paid.billed_usd


def run_line_json(line: RunLine) -> dict[str, Any]:
    """A line as plain data; what the ledger alone cannot know is null."""
    paid = line.paid
    told: dict[str, Any] = {"run": line.run_id, **line.labels, "usd": _float(line.usd)}
    if paid is None:
        return told | {"basis": "LEDGER"}
    parts, saving = paid.cost.parts, paid.saving
    prices = [p for a in paid.attempts for p in (a.price_low_usd_per_hour, a.price_high_usd_per_hour)]
    known = [p for p in prices if p is not None]
    return told | {
        "name": paid.name,
        "state": paid.state.value,
        "cause": paid.cause or None,
        "basis": paid.basis,
        "submitted_at": _moment(paid.submitted_at),
        "until": _moment(paid.until),
        "in_time": paid.in_time,
        "attempts": len(paid.attempts),
        "preemptions": paid.preemptions,
        "moves": len(paid.moves),
        "price_usd_per_hour": [_float(min(known)), _float(max(known))] if known else None,
        "lost_work_usd": _float(parts[CostPart.LOST_WORK]),
        "checkpoint_usd": _float(parts[CostPart.CHECKPOINT]),
        "idle_usd": _float(parts[CostPart.IDLE]),
        "baseline": None if paid.baseline is None else paid.baseline.name,
        "saving_usd": _float(saving.usd),
        "saving_range_usd": None if saving.usd is None else [_float(saving.low_usd), _float(saving.high_usd)],
        "goodput": paid.goodput,
        "held_hours": paid.held_s / 3600,
        "energy_kwh": paid.energy.kwh,
        "energy_covered": paid.energy.covered,
        "utilization": utilization_of(a.attempt for a in paid.attempts),
        "unrated_usages": len(paid.unrated),
    }


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
