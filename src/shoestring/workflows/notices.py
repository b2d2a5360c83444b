"""What somebody should be told: budgets that are used up or will be, and odd days. Each is told once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from shoestring.ledger.budgets import BudgetStatus
from shoestring.store.charges import ChargeStore
from shoestring.store.notice_book import settled
from shoestring.workflows.budgets import standing
from shoestring.workflows.outlook import OddDay, outlook

RECENT_DAYS = 7  # an odd day that is older is history


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell. ``id`` is stable, so that it is told once and can be muted.

    Attributes:
        kind: ``budget_used_up`` | ``budget_will_be_used_up`` | ``odd_day``.
    """

    id: str
    kind: str
    text: str


def notices(store: ChargeStore, *, today: date, again: bool = False) -> tuple[Notice, ...]:
    """What there is to tell today and was neither told nor muted.

    Args:
        again: also what was told before (what was muted stays so).
    """
    before = settled(store.folder)
    hidden = {i for i, what in before.items() if what != "sent" or not again}
    return tuple(n for n in _all(store, today) if n.id not in hidden)


def _all(store: ChargeStore, today: date) -> Iterator[Notice]:
    for status in standing(store, today=today):
        told = _of_budget(status, today)
        if told is not None:
            yield told
    for odd in outlook(store, today=today).odd:
        if odd.day >= today - timedelta(days=RECENT_DAYS):
            yield _of_day(odd)


def _of_budget(status: BudgetStatus, today: date) -> Notice | None:
    name, limit = status.budget.name, f"{status.budget.limit_usd:,.2f} $"
    period = f"{today:%Y-%m}" if status.budget.period == "month" else "once"
    if status.breached:
        text = f"the budget of {name} is used up: {status.spent_usd:,.2f} $ of {limit}; then {status.budget.on_breach}"
        return Notice(id=f"used-up/{name}/{period}", kind="budget_used_up", text=text)
    if status.breach_on is not None and status.forecast_usd is not None:
        ahead = f"forecast {status.forecast_usd:,.2f} $ of {limit}"
        text = f"the budget of {name} will be used up on {status.breach_on}: {ahead}"
        return Notice(id=f"forecast/{name}/{period}", kind="budget_will_be_used_up", text=text)
    return None


def _of_day(odd: OddDay) -> Notice:
    a = odd.anomaly
    who = ", ".join(f"{name} {usd:+,.2f} $" for name, usd in a.drivers) or "nobody in particular"
    kind = "a lasting change" if a.kind == "level" else f"a {a.kind}"
    why = "" if a.because is None else f" ({a.because})"
    text = f"{odd.day}: {kind} of {a.usd:+,.2f} $ a day (usual {a.expected_usd:,.2f} $): {who}{why}"
    return Notice(id=odd.id, kind="odd_day", text=text)
