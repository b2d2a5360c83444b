"""`shoestring report`: everything that the page shows, as one document of plain data.

The page renders this document and asks nothing else; `--json` prints it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from shoestring.catalog.load import Catalog
from shoestring.ledger.breakdown import breakdown
from shoestring.ledger.budgets import BudgetStatus, Spending, status_of
from shoestring.ledger.movers import movers
from shoestring.ledger.quality_cost import QualityAgainstCost, quality_against_cost, reported_metrics
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.timeline import Timeline, timeline_of
from shoestring.store.answers import Answer, Question, ask
from shoestring.store.budget_book import budgets, changes
from shoestring.store.charges import ChargeStore
from shoestring.workflows.budgets import past_of, spending_of, standing_json
from shoestring.workflows.energy import energy_json
from shoestring.workflows.month import month_json, month_of
from shoestring.workflows.outlook import outlook, outlook_json
from shoestring.workflows.receipt import with_bill
from shoestring.workflows.run_lines import in_days, run_line_json, run_lines
from shoestring.workflows.savings import savings, savings_json
from shoestring.workflows.savings_chain import chains_json, savings_chains
from shoestring.workflows.sources import price_ages, sources_json, sources_of
from shoestring.workflows.tie_out import tie_out_json, tie_out_of
from shoestring.workflows.unit_costs import works

DIMENSIONS = ("team", "project", "experiment", "model", "dataset")
TIMELINES, METRICS = 50, 12  # as many as a reader chooses from


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The days of a report: ``[since, until)``, as seen on ``today``. A bound of None: from the first, or until
    now. Whole days end at ``closes``."""

    since: date | None
    until: date | None
    today: date

    @property
    def over(self) -> bool:
        """Whether nothing of it is still to come."""
        return self.until is not None and self.until <= self.today

    @property
    def closes(self) -> date:
        """The day after the last whole day in it."""
        return self.until if self.until is not None and self.over else self.today

    @property
    def month_since(self) -> date:
        """First day of the month that the report looks at most closely: the one in which it closes."""
        return (self.closes - timedelta(days=1) if self.over else self.today).replace(day=1)


def report(
    store: ChargeStore,
    receipts: Sequence[Receipt],
    period: Period,
    *,
    now: datetime,
    grid_kg_per_kwh: float | None = None,
    catalog: Catalog | None = None,
) -> dict[str, Any]:
    """The whole report as plain data: dollars as numbers, moments as ISO 8601, unknown as null.

    Args:
        receipts: of this machine's runs; those that the ledger does not know are left out.
        grid_kg_per_kwh: what the grid emits, for energy whose carbon neither a bill nor the catalog tells; None
            leaves it unknown.
        catalog: for recommendations that need other prices than those paid; None leaves them out.
    """
    since, until = period.since, period.until
    spending = _spending(store, period)
    asked = [s for s in spending if _asked(s, period)]
    everything = ask(store, Question(by=("team",), since=since, until=until))
    paid = _known(store, receipts, period)
    told = None if period.over else outlook(store, today=period.today)
    limits = _budgets(store, spending, period)
    return {
        "made_at": now.isoformat(timespec="seconds"),
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "tie_out": tie_out_json(
            tie_out_of(store, since=since, until=until, unallocated=_unallocated(everything))
        ),
        "totals": _totals(everything),
        "month": month_json(month_of(spending, told, limits, until=period.closes)),
        "budgets": standing_json(limits)["budgets"],
        "odd_days": [] if told is None else outlook_json(told)["anomalies"],
        "savings": savings_json(
            savings(store, paid, since=since, until=until, catalog=catalog, today=period.today)
        ),
        "chains": chains_json(savings_chains(store, since=since, until=until)),
        "movers": _movers(spending, period),
        "costs": {
            "dimensions": list(DIMENSIONS),
            "cells": [
                {**dict(zip(DIMENSIONS, cell.labels, strict=True)), "usd": float(cell.usd)}
                for cell in breakdown(asked, DIMENSIONS)
            ],
        },
        "runs": [run_line_json(line) for line in run_lines(paid, asked)],
        "timelines": [_timeline(timeline_of(r)) for r in paid[:TIMELINES]],
        "quality": [_quality(q) for q in _qualities(store, paid, period)],
        "energy": energy_json(
            everything, ask(store, Question(by=("basis",), since=since, until=until)), paid, grid_kg_per_kwh
        ),
        "sources": sources_json(sources_of(store), price_ages(paid), now=now),
    }


def _spending(store: ChargeStore, period: Period) -> list[Spending]:
    """One look at the charges by all labels, wide enough for every part of the report."""
    since = period.since
    if since is not None:
        since = min(since - (period.closes - since), period.month_since, since)
    if any(b.period == "once" for b in budgets(changes(store.folder))):
        since = None
    return spending_of(store, since=since, until=period.until)


def _asked(spent: Spending, period: Period) -> bool:
    return (period.since is None or spent.day >= period.since) and (
        period.until is None or spent.day < period.until
    )


def _known(store: ChargeStore, receipts: Sequence[Receipt], period: Period) -> list[Receipt]:
    """Receipts of the period whose run is in this ledger, newest first; a run without charges is in any."""
    manifest = store.manifest()
    booked = {p.source.removeprefix("shoestring/") for p in manifest.parts if p.kind == "metered"}
    there = [r for r in receipts if r.run_id in booked or not r.charges]
    chosen = in_days(there, period.since, period.until)
    chosen.sort(key=lambda r: (r.submitted_at, r.run_id), reverse=True)
    return [with_bill(r, manifest) for r in chosen]


def _budgets(store: ChargeStore, spending: Sequence[Spending], period: Period) -> tuple[BudgetStatus, ...]:
    """Budgets in the month that the report looks at. A month that is over has no forecast."""
    day = period.closes - timedelta(days=1) if period.over else period.today
    there = budgets(changes(store.folder))
    past = past_of(store, there, day) if there else []
    found = [status_of(b, spending, (), day, past) for b in there]
    if period.over:
        found = [replace(s, forecast_usd=None, breach_on=None) for s in found]
    return tuple(found)


def _unallocated(everything: Answer) -> float | None:
    before_credits = everything.total_usd - everything.credit_usd
    return max(0.0, float(everything.unallocated_usd / before_credits)) if before_credits else None


def _totals(everything: Answer) -> dict[str, Any]:
    """What the period cost, and what must never be hidden in it."""
    return {
        "usd": float(everything.total_usd),
        "idle_usd": float(everything.idle_usd),
        "unused_usd": float(everything.unused_usd),
        "unallocated_usd": float(everything.unallocated_usd),
        "credit_usd": float(everything.credit_usd),
        "metered_usd": float(everything.metered_usd),
        "unconverted": {c: str(v) for c, v in everything.unconverted.items()},
        "charges": sum(row.charges for row in everything.rows),
    }


def _movers(spending: Sequence[Spending], period: Period) -> dict[str, Any]:
    """Movers between the period's whole days and as many before; of the last 30 days without a beginning."""
    until = period.closes
    since = until - timedelta(days=30) if period.since is None else period.since
    found = movers(spending, since=since, until=until, dimensions=DIMENSIONS) if since < until else ()
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "before": (since - (until - since)).isoformat(),
        "lines": [
            {
                "dimension": m.dimension,
                "key": m.key,
                "before_usd": float(m.before_usd),
                "now_usd": float(m.now_usd),
                "change_usd": float(m.change_usd),
            }
            for m in found
        ],
    }


def _qualities(store: ChargeStore, paid: Sequence[Receipt], period: Period) -> list[QualityAgainstCost]:
    if not paid:
        return []
    question = Question(by=("experiment", "team"), since=period.since, until=period.until)
    runs = works(store, paid, question)
    return [quality_against_cost(runs, metric) for metric in reported_metrics(runs)[:METRICS]]


def _quality(told: QualityAgainstCost) -> dict[str, Any]:
    return {
        "metric": told.metric,
        "more_is_better": told.more_is_better,
        "runs_left_out": told.left_out,
        "points": [
            {
                "run": p.run_id,
                "experiment": p.keys[0],
                "team": p.keys[1],
                "usd": p.usd,
                "value": p.value,
                "on_frontier": p.on_frontier,
            }
            for p in told.points
        ],
    }


def _timeline(life: Timeline) -> dict[str, Any]:
    return {
        "run": life.run_id,
        "name": life.name,
        "stays": [
            {
                "attempt": s.number,
                "place": s.place,
                "market": s.market,
                "start": s.start.isoformat(),
                "end": s.end.isoformat(),
                "ended_by": s.ended_by,
                "reason": s.reason,
                "usd": s.usd,
                "prices": [{"at": at.isoformat(), "usd_per_hour": usd} for at, usd in s.prices],
            }
            for s in life.stays
        ],
        "events": [{"at": e.at.isoformat(), "kind": e.kind, "text": e.text} for e in life.events],
        "cost": [{"at": at.isoformat(), "usd": usd} for at, usd in life.cost],
    }
