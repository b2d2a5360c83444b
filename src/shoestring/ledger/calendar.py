"""Fiscal calendars: years that begin in any month, and quarters of 4-4-5 weeks."""

from dataclasses import dataclass
from datetime import date, timedelta

WEEKS_OF_QUARTER = (4, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiscalCalendar:
    """How an organization cuts its year.

    Attributes:
        first_month: month in which the fiscal year begins, 1..12. The year is named after the calendar year
            in which it ends, as most organizations do.
        weeks_445: quarters of 4, 4 and 5 weeks from the Monday nearest to the first of ``first_month``; the
            last month takes the 53rd week where there is one.
    """

    first_month: int = 1
    weeks_445: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.first_month <= 12:
            raise ValueError(f"a fiscal year begins in month 1 to 12, not {self.first_month}")

    def year_start(self, day: date) -> date:
        """The first day of the fiscal year that ``day`` is in.

        >>> FiscalCalendar(first_month=10).year_start(date(2026, 3, 1))
        datetime.date(2025, 10, 1)
        """
        for year in (day.year + 1, day.year, day.year - 1):
            start = self._start(year)
            if start <= day:
                return start
        raise AssertionError("a day lies after the start of the year before")

    def year(self, day: date) -> int:
        """The fiscal year's name."""
        start = self.year_start(day) + timedelta(days=15)  # 4-4-5 years may begin some days early
        return start.year if self.first_month == 1 else start.year + 1

    def month(self, day: date) -> int:
        """The fiscal month, 1..12."""
        start = self.year_start(day)
        if not self.weeks_445:
            return (day.month - self.first_month) % 12 + 1
        week = (day - start).days // 7
        for month, until in enumerate(_month_ends(), 1):
            if week < until:
                return month
        return 12

    def quarter(self, day: date) -> int:
        """The fiscal quarter, 1..4."""
        return (self.month(day) - 1) // 3 + 1

    def _start(self, year: int) -> date:
        first = date(year, self.first_month, 1)
        if not self.weeks_445:
            return first
        return first + timedelta(days=(3 - first.weekday()) % 7 - 3)  # the nearest Monday


def _month_ends() -> list[int]:
    """Weeks of the year after which each month has ended."""
    ends, total = [], 0
    for _ in range(4):
        for weeks in WEEKS_OF_QUARTER:
            total += weeks
            ends.append(total)
    return ends
