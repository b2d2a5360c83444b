"""Budgets as a tree: what is spent, promised and likely, and what its owner wants done about it."""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate

from shoestring.domain.fleet import Allowance
from shoestring.domain.units import money
from shoestring.ledger.forecast import expected_days

ACTIONS = ("warn", "hold", "suspend")
LEVELS = ("organization", "team", "project", "experiment")
ONE_OFF_DAYS = 366  # how far ahead the end of a budget without a month is looked for


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
        forecast_usd: at the month's end by `forecast.expected_days`, so the same as the outlook's; None for
            ``once``, which has no end, or without a whole day to learn from.
        breach_on: first day on which the forecast reaches the limit; None if it does not (``once``: within a year).
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
    budget: Budget,
    spending: Iterable[Spending],
    commitments: Iterable[Commitment],
    today: date,
    past: Iterable[Spending] | None = None,
) -> BudgetStatus:
    """Where a budget stands on ``today`` (whose spending is still incomplete).

    Args:
        spending: of this period at least; what is older than it does not count as spent.
        past: days before today for the forecast to learn from; None: those of ``spending``.
    """
    first = period_start(budget, today)
    covered = [s for s in spending if budget.covers(s.labels)]
    mine = [s for s in covered if first is None or s.day >= first]
    spent = sum((s.usd for s in mine), money(0))
    learnt = covered if past is None else [s for s in past if budget.covers(s.labels)]
    so_far = sum((s.usd for s in mine if s.day < today), money(0))
    ahead = _ahead(budget, learnt, today)
    return BudgetStatus(
        budget=budget,
        spent_usd=spent,
        outside_usd=sum((s.usd for s in mine if not s.ours), money(0)),
        committed_usd=sum((c.usd for c in commitments if budget.covers(c.labels)), money(0)),
        # Today counts as the forecast has it, or as what it has cost already if the sum is more.
        forecast_usd=max(spent, so_far + sum(ahead, money(0)))
        if ahead and budget.period == "month"
        else None,
        breach_on=_breach(budget, spent, so_far, ahead, today),
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


def _ahead(budget: Budget, learnt: Sequence[Spending], today: date) -> list[Decimal]:
    """Dollars expected on today and each later day of the period; empty without a whole day to learn from."""
    daily: dict[date, float] = {}
    for spent in learnt:
        if spent.day < today:
            daily[spent.day] = daily.get(spent.day, 0.0) + float(spent.usd)
    if not daily:
        return []
    begin = min(daily)
    history = [daily.get(begin + timedelta(days=n), 0.0) for n in range((today - begin).days)]
    left = calendar.monthrange(today.year, today.month)[1] - today.day + 1
    return [
        money(Decimal(usd))
        for usd in expected_days(history, left if budget.period == "month" else ONE_OFF_DAYS)
    ]


def _breach(
    budget: Budget, spent: Decimal, so_far: Decimal, ahead: Sequence[Decimal], today: date
) -> date | None:
    if spent >= budget.limit_usd:
        return today
    sums = accumulate(ahead, initial=so_far)
    next(sums)
    return next((today + timedelta(days=n) for n, usd in enumerate(sums) if usd >= budget.limit_usd), None)
