"""Budgets as a tree: what is spent, promised and likely, and what its owner wants done about it."""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from shoestring.domain.fleet import Allowance
from shoestring.domain.units import money

ACTIONS = ("warn", "hold", "suspend")
LEVELS = ("organization", "team", "project", "experiment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit for everything that carries these labels.

    Attributes:
        scope: label -> value; empty: the whole organization. The tree follows from the scopes: a budget is
            below another whose labels it all has.
        period: ``month`` (renewed each month) or ``once``.
        on_breach: ``warn``; ``hold``: new runs wait for approval; ``suspend``: running jobs save and stop.
    """

    scope: Mapping[str, str] = field(default_factory=dict)
    limit_usd: Decimal
    period: str = "month"
    on_breach: str = "warn"
    since: date | None = None

    def __post_init__(self) -> None:
        if self.on_breach not in ACTIONS:
            raise ValueError(f"on_breach {self.on_breach!r}; allowed: {', '.join(ACTIONS)}")
        if self.period not in ("month", "once"):
            raise ValueError(f"period {self.period!r}; allowed: month, once")
        if not self.limit_usd.is_finite() or self.limit_usd < 0:
            raise ValueError(f"limit {self.limit_usd}; a budget is 0 or more")

    @property
    def name(self) -> str:
        """``organization``, or ``team=vision/project=eyes``.

        >>> Budget(scope={"project": "eyes", "team": "vision"}, limit_usd=Decimal(1)).name
        'team=vision/project=eyes'
        """
        order = sorted(self.scope, key=lambda k: (LEVELS.index(k) if k in LEVELS else len(LEVELS), k))
        return "/".join(f"{key}={self.scope[key]}" for key in order) or "organization"

    def covers(self, labels: Mapping[str, str | None]) -> bool:
        """Whether something with these labels is paid from this budget."""
        return all(labels.get(key) == value for key, value in self.scope.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Dollars of one day with its labels. ``ours``: of runs that shoestring can stop."""

    day: date
    labels: Mapping[str, str | None]
    usd: Decimal
    ours: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Commitment:
    """What a running job will still cost until its end, at most; its budget limits it."""

    labels: Mapping[str, str | None]
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStatus:
    """A budget today.

    Attributes:
        spent_usd: in this period, whoever spent it; ``outside_usd``: of it, out of shoestring's reach.
        committed_usd: running jobs will still cost that.
        forecast_usd: at the period's end if it goes on like this; None for ``once`` or before the second day.
        breach_on: first day on which the forecast passes the limit; None if it does not.
    """

    budget: Budget
    spent_usd: Decimal
    outside_usd: Decimal
    committed_usd: Decimal
    forecast_usd: Decimal | None
    breach_on: date | None

    @property
    def remaining_usd(self) -> Decimal:
        """What is left, promises not counted; negative when it is passed."""
        return self.budget.limit_usd - self.spent_usd

    @property
    def breached(self) -> bool:
        return self.remaining_usd <= 0


def status_of(
    budget: Budget, spending: Iterable[Spending], commitments: Iterable[Commitment], today: date
) -> BudgetStatus:
    """Where a budget stands on ``today`` (whose spending is still incomplete)."""
    first = period_start(budget, today)
    mine = [s for s in spending if budget.covers(s.labels) and (first is None or s.day >= first)]
    spent = sum((s.usd for s in mine), money(0))
    forecast, breach = _run_rate(budget, mine, spent, first, today)
    return BudgetStatus(
        budget=budget,
        spent_usd=spent,
        outside_usd=sum((s.usd for s in mine if not s.ours), money(0)),
        committed_usd=sum((c.usd for c in commitments if budget.covers(c.labels)), money(0)),
        forecast_usd=forecast,
        breach_on=breach,
    )


def period_start(budget: Budget, today: date) -> date | None:
    """First day that counts; None: from the beginning."""
    if budget.period == "once":
        return budget.since
    month = today.replace(day=1)
    return month if budget.since is None else max(month, budget.since)


def allowances_for(
    labels: Mapping[str, str | None], statuses: Sequence[BudgetStatus]
) -> tuple[Allowance, ...]:
    """What the budgets above a run leave it, for the FleetView: every one on its path counts."""
    return tuple(
        Allowance(scope=s.budget.name, remaining_usd=float(s.remaining_usd), on_breach=s.budget.on_breach)
        for s in statuses
        if s.budget.covers(labels)
    )


def tree(budgets: Sequence[Budget]) -> list[tuple[int, Budget]]:
    """Budgets with their depth, each below the closest one that covers it."""
    ordered = sorted(budgets, key=lambda b: (_path(b), len(b.scope), b.name))
    return [(sum(_above(other, b) for other in budgets), b) for b in ordered]


def _above(upper: Budget, lower: Budget) -> bool:
    return len(upper.scope) < len(lower.scope) and upper.covers(lower.scope)


def _path(budget: Budget) -> tuple[str, ...]:
    return tuple(budget.scope.get(level, "") for level in LEVELS[1:])


def _run_rate(
    budget: Budget, mine: Sequence[Spending], spent: Decimal, first: date | None, today: date
) -> tuple[Decimal | None, date | None]:
    """Forecast by the daily rate of the whole days so far; the plain one, as a person would reckon it."""
    if budget.period != "month" or first is None:
        return None, None
    whole_days = (today - first).days
    if whole_days < 1:
        return None, None
    rate = sum((s.usd for s in mine if s.day < today), money(0)) / whole_days
    last = today.replace(day=calendar.monthrange(today.year, today.month)[1])
    # Today counts as one whole day of the rate, or as what it has cost already if that is more.
    so_far = spent - sum((s.usd for s in mine if s.day >= today), money(0))
    forecast = max(spent, so_far + rate * ((last - today).days + 1))
    breach = None
    if spent >= budget.limit_usd:
        breach = today
    elif rate > 0 and forecast > budget.limit_usd:
        days = int((budget.limit_usd - so_far) / rate)
        breach = max(today, today + timedelta(days=days))
    return money(forecast), breach
