"""`shoestring budget`: set limits, see where they stand, let a run pass; what the supervisor obeys."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.domain.fleet import Allowance
from shoestring.domain.units import parse_usd
from shoestring.ledger.budgets import Budget, BudgetStatus, Commitment, Spending, allowances_for, status_of
from shoestring.ledger.forecast import LOOK_BACK_DAYS
from shoestring.store.answers import Question, ask
from shoestring.store.budget_book import Change, approved_runs, budgets, changes, record
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_schema import LABEL_COLUMNS


def set_budget(
    store: ChargeStore,
    scope: str,
    limit: str,
    *,
    period: str,
    on_breach: str,
    since: date | None,
    why: str,
    user: str,
    now: datetime,
) -> Budget:
    """Set (or change) a limit for ``team=vision/project=eyes``, or for ``organization``."""
    try:
        budget = Budget(
            scope=parse_scope(scope),
            limit_usd=parse_usd(limit),
            period=period,
            on_breach=on_breach,
            since=since,
        )
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(f"budget {scope}: {error}") from None
    record(store.folder, Change(at=now, user=user, what="set", why=why, budget=budget))
    return budget


def remove_budget(store: ChargeStore, scope: str, *, why: str, user: str, now: datetime) -> Budget:
    """Take a limit away. Raises BadInput if there is none for this scope."""
    there = {b.name: b for b in budgets(changes(store.folder))}
    name = Budget(scope=parse_scope(scope), limit_usd=Decimal(0)).name
    if name not in there:
        raise BadInput(f"no budget for {name}", next_step=f"there are: {', '.join(there) or 'none'}")
    record(store.folder, Change(at=now, user=user, what="remove", why=why, budget=there[name]))
    return there[name]


def approve_run(store: ChargeStore, run_id: str, *, why: str, user: str, now: datetime) -> None:
    """Let one run start or go on although a budget holds it."""
    record(store.folder, Change(at=now, user=user, what="approve", why=why, run_id=run_id))


def parse_scope(text: str) -> dict[str, str]:
    """Labels in ``team=vision/project=eyes``; ``organization`` has none."""
    if text == "organization":
        return {}
    scope: dict[str, str] = {}
    for part in text.split("/"):
        key, equals, value = part.partition("=")
        if not equals or not value or key not in LABEL_COLUMNS:
            raise BadInput(
                f"scope {text!r}: {part!r} is no label=value",
                next_step=f"labels: {', '.join(LABEL_COLUMNS)}; or `organization`",
            )
        scope[key] = value
    return scope


def standing(
    store: ChargeStore, *, today: date, commitments: Sequence[Commitment] = ()
) -> tuple[BudgetStatus, ...]:
    """Where every budget stands, by what the ledger holds."""
    there = budgets(changes(store.folder))
    if not there:
        return ()
    once = any(b.period == "once" for b in there)
    spending = spending_of(store, since=None if once else today.replace(day=1))
    past = past_of(store, there, today)
    return tuple(status_of(b, spending, commitments, today, past) for b in there)


def past_of(store: ChargeStore, budgets: Sequence[Budget], today: date) -> list[Spending]:
    """Days before ``today`` by the labels that the budgets name: what their forecasts learn from."""
    labels = tuple(sorted({key for budget in budgets for key in budget.scope}))
    return spending_of(store, labels, since=today - timedelta(days=LOOK_BACK_DAYS), until=today)


def allowances(
    store: ChargeStore, run_id: str, labels: Mapping[str, str], *, today: date
) -> tuple[Allowance, ...]:
    """What the budgets leave a run, as data for the FleetView; none for a run that was approved."""
    if run_id in approved_runs(changes(store.folder)):
        return ()
    return allowances_for(labels, standing(store, today=today))


def spending_of(
    store: ChargeStore,
    labels: Sequence[str] = tuple(LABEL_COLUMNS),
    *,
    since: date | None,
    until: date | None = None,
) -> list[Spending]:
    """Daily effective cost by label; ``ours`` where it belongs to a run, which takes the label ``run``."""
    answer = ask(store, Question(by=("day", *labels), since=since, until=until))
    return [
        Spending(
            day=date.fromisoformat(row.keys[0] or ""),
            labels=dict(zip(labels, row.keys[1:], strict=True)),
            usd=row.known_usd,
            ours="run" in labels and row.keys[1 + labels.index("run")] is not None,
        )
        for row in answer.rows
    ]


def standing_json(statuses: Sequence[BudgetStatus]) -> dict[str, Any]:
    """Budgets as plain data."""
    return {
        "budgets": [
            {
                "scope": s.budget.name,
                "limit_usd": float(s.budget.limit_usd),
                "period": s.budget.period,
                "on_breach": s.budget.on_breach,
                "spent_usd": float(s.spent_usd),
                "outside_usd": float(s.outside_usd),
                "committed_usd": float(s.committed_usd),
                "remaining_usd": float(s.remaining_usd),
                "forecast_usd": None if s.forecast_usd is None else float(s.forecast_usd),
                "breach_on": None if s.breach_on is None else s.breach_on.isoformat(),
            }
            for s in statuses
        ]
    }
