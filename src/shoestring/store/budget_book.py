"""The budgets' own journal: who set, removed or approved what, when and why. One sealed line a change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.units import require_utc
from shoestring.ledger.budgets import Budget
from shoestring.store.charges_manifest import writing
from shoestring.training.spool import append_sealed, read_sealed

NAME = "budgets.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the budgets. ``user`` is the operating system's, not authenticated.

    Attributes:
        what: ``set`` | ``remove`` | ``approve`` (lets one run start or go on although a budget holds it).
        budget: the new budget, or the one removed. run_id: the run approved.
    """

    at: datetime
    user: str
    what: str
    why: str
    budget: Budget | None = None
    run_id: str | None = None


def record(folder: Path, change: Change) -> None:
    """Write a change down, durably."""
    require_utc(change.at, "a change of budgets")
    with writing(folder):
        append_sealed(folder / NAME, _to_json(change), durable=True)


def changes(folder: Path) -> tuple[Change, ...]:
    """Every change so far, oldest first. A line that was torn or altered is passed over."""
    return tuple(_from_json(data) for _, data in read_sealed(folder / NAME))


def budgets(history: Iterable[Change]) -> tuple[Budget, ...]:
    """The budgets that hold after these changes, by name."""
    current: dict[str, Budget] = {}
    for change in history:
        if change.budget is None:
            continue
        if change.what == "set":
            current[change.budget.name] = change.budget
        elif change.what == "remove":
            current.pop(change.budget.name, None)
    return tuple(current[name] for name in sorted(current))


def approved_runs(history: Iterable[Change]) -> frozenset[str]:
    """Runs that somebody let pass."""
    return frozenset(c.run_id for c in history if c.what == "approve" and c.run_id is not None)


def _to_json(change: Change) -> dict[str, Any]:
    data: dict[str, Any] = {
        "at": change.at.isoformat(),
        "user": change.user,
        "what": change.what,
        "why": change.why,
        "run_id": change.run_id,
    }
    if (b := change.budget) is not None:
        data["budget"] = {
            "scope": dict(b.scope),
            "limit_usd": str(b.limit_usd),
            "period": b.period,
            "on_breach": b.on_breach,
            "since": None if b.since is None else b.since.isoformat(),
        }
    return data


def _from_json(data: dict[str, Any]) -> Change:
    budget = None
    if (b := data.get("budget")) is not None:
        budget = Budget(
            scope=b["scope"],
            limit_usd=Decimal(b["limit_usd"]),
            period=b["period"],
            on_breach=b["on_breach"],
            since=None if b["since"] is None else date.fromisoformat(b["since"]),
        )
    return Change(
        at=datetime.fromisoformat(data["at"]),
        user=data["user"],
        what=data["what"],
        why=data["why"],
        budget=budget,
        run_id=data["run_id"],
    )
