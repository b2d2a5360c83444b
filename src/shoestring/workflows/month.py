"""A month day by day: spent so far, the limit, and the band in which its end is expected."""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from typing import Any

from shoestring.ledger.budgets import BudgetStatus, Spending
from shoestring.workflows.outlook import Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class DayAhead:
    """Dollars of the month until the end of a day to come, with their band."""

    day: date
    usd: float
    low_usd: float
    high_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month until ``until`` (not included).

    Attributes:
        days: each whole day that is over, with dollars of the month until its end.
        ahead: the days to come; empty for a month that is over, or without a past.
        limit_usd: the organization's monthly budget; None if there is none.
    """

    first: date
    until: date
    days: tuple[tuple[date, float], ...]
    ahead: tuple[DayAhead, ...]
    limit_usd: float | None
    outlook: Outlook | None

    @property
    def spent_usd(self) -> float:
        return self.days[-1][1] if self.days else 0.0


def month_of(
    spending: Iterable[Spending], told: Outlook | None, budgets: Iterable[BudgetStatus], *, until: date
) -> Month:
    """The month of the day before ``until``, or with an outlook that of its today.

    Args:
        told: an outlook from ``until`` on; None for a month that is over.
    """
    first = (until - timedelta(days=1) if told is None else told.today).replace(day=1)
    daily: dict[date, float] = {first + timedelta(days=n): 0.0 for n in range((until - first).days)}
    for spent in spending:
        if spent.day in daily:
            daily[spent.day] += float(spent.usd)
    sums = list(accumulate(daily.values()))
    whole = [b for b in budgets if not b.budget.scope and b.budget.period == "month"]
    return Month(
        first=first,
        until=until,
        days=tuple(zip(daily, sums, strict=True)),
        ahead=() if told is None else _ahead(told, sums[-1] if sums else 0.0),
        limit_usd=float(whole[0].budget.limit_usd) if whole else None,
        outlook=told,
    )


def _ahead(told: Outlook, spent: float) -> tuple[DayAhead, ...]:
    """The forecast added up. The band of the sum is known for the last day; until then it widens with the square
    root of the days, as sums of independent errors do."""
    seen = told.ahead
    if seen is None:
        return ()
    last = calendar.monthrange(told.today.year, told.today.month)[1]
    count = last - told.today.day + 1
    sums = list(accumulate(seen.days[:count]))
    return tuple(
        DayAhead(
            day=told.today + timedelta(days=n),
            usd=spent + usd,
            low_usd=max(spent, spent + usd - (seen.total - seen.total_low) * ((n + 1) / count) ** 0.5),
            high_usd=spent + usd + (seen.total_high - seen.total) * ((n + 1) / count) ** 0.5,
        )
        for n, usd in enumerate(sums)
    )


def month_json(month: Month) -> dict[str, Any]:
    """The month as plain data."""
    seen = None if month.outlook is None else month.outlook.ahead
    end = month.ahead[-1] if month.ahead else None
    return {
        "month": f"{month.first:%Y-%m}",
        "until": month.until.isoformat(),
        "spent_usd": month.spent_usd,
        "limit_usd": month.limit_usd,
        "end_usd": None if end is None else end.usd,
        "range_usd": None if end is None else [end.low_usd, end.high_usd],
        "coverage": None if seen is None else seen.coverage,
        "backtest_coverage": None if seen is None else seen.backtest_coverage,
        "method": None if seen is None else seen.method,
        "days": [{"day": day.isoformat(), "usd": usd} for day, usd in month.days],
        "ahead": [
            {"day": a.day.isoformat(), "usd": a.usd, "low_usd": a.low_usd, "high_usd": a.high_usd}
            for a in month.ahead
        ],
    }
