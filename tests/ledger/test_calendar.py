"""Fiscal calendars, beside a calendar looked up day by day."""

from datetime import date, timedelta

import pytest

from shoestring.ledger.calendar import FiscalCalendar

DAY = timedelta(days=1)


def nearest_monday(first: date) -> date:
    """No Monday is nearer to a day than three days."""
    return next(day for n in range(4) for day in (first - n * DAY, first + n * DAY) if day.isoweekday() == 1)


@pytest.mark.parametrize("first_month", [1, 2, 10])
@pytest.mark.parametrize("year", range(2015, 2027), ids=str)  # firsts of every weekday, leap years among them
def test_years_of_weeks_begin_on_the_monday_nearest_to_the_first(year, first_month):
    calendar = FiscalCalendar(first_month=first_month, weeks_445=True)
    begins = nearest_monday(date(year, first_month, 1))
    before = nearest_monday(date(year - 1, first_month, 1))
    assert calendar.year_start(begins) == begins
    assert calendar.year_start(begins - DAY) == before
    assert (begins - before).days in (52 * 7, 53 * 7)
    assert calendar.month(begins) == 1
    assert calendar.month(begins - DAY) == 12, "the last month takes the 53rd week"
    assert calendar.year(begins) == calendar.year(begins - DAY) + 1
    assert calendar.year(begins) == (year if first_month == 1 else year + 1)
