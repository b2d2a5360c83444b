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


def test_years_named_by_months_begin_on_the_first():
    calendar = FiscalCalendar(first_month=10)
    assert calendar.year_start(date(2026, 9, 30)) == date(2025, 10, 1)
    assert calendar.year_start(date(2026, 10, 1)) == date(2026, 10, 1)
    told = [(calendar.year(d), calendar.quarter(d), calendar.month(d)) for d in MONTHS_OF_2026]
    assert told == [
        (2026, 2, 4), (2026, 2, 5), (2026, 2, 6), (2026, 3, 7), (2026, 3, 8), (2026, 3, 9),
        (2026, 4, 10), (2026, 4, 11), (2026, 4, 12), (2027, 1, 1), (2027, 1, 2), (2027, 1, 3),
    ]  # fmt: skip


MONTHS_OF_2026 = [date(2026, month, 17) for month in range(1, 13)]


def test_without_a_word_it_is_the_calendar_year():
    plain = FiscalCalendar()
    assert [plain.month(d) for d in MONTHS_OF_2026] == list(range(1, 13))
    assert {plain.year(d) for d in MONTHS_OF_2026} == {2026}
    assert plain.year_start(date(2026, 12, 31)) == date(2026, 1, 1)


def test_quarters_of_weeks_have_four_four_and_five():
    """The fiscal year 2026 begins on Monday, 29 December 2025."""
    calendar = FiscalCalendar(weeks_445=True)
    begins = date(2025, 12, 29)
    months = [calendar.month(begins + n * DAY) for n in range(52 * 7)]
    assert [months.count(month) // 7 for month in range(1, 13)] == [4, 4, 5] * 4
    assert months == sorted(months)
    assert [calendar.quarter(begins + 7 * week * DAY) for week in (0, 12, 13, 25, 26, 38, 39, 51)] == [
        1, 1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip


@pytest.mark.parametrize("month", [0, 13])
def test_a_year_has_twelve_months(month):
    with pytest.raises(ValueError, match=f"month 1 to 12, not {month}"):
        FiscalCalendar(first_month=month)
    assert FiscalCalendar(first_month=12).year_start(date(2026, 5, 5)) == date(2025, 12, 1)
