"""Whether the slashed or dashed dates of a file begin with the day or the month: decided by all of them together."""

import re
from collections.abc import Iterable
from datetime import date, timedelta

SLASHED = re.compile(r"\s*(\d{1,2})(?:/(?=\d+/)|-(?=\d+-\d{4}))(\d{1,2})[/-](\d{4}|\d{2})\b")
ISO = re.compile(r"\s*(\d{4})-(\d{2})-(\d{2})")


def day_first(texts: Iterable[str], months: Iterable[str] = ()) -> bool | None:
    """Whether days come first in slashed dates; None if that can't be told from these texts, False if none is slashed.

    A number above 12 is a day. Billing periods (``months``) begin on the first of a month. Else the reading wins under
    which all dates lie closer together: a bill is of one month or a few. Dates that are all the first of a month
    in one reading, and days of one month in the other, could be either.

    >>> day_first(["25/01/2026"]), day_first(["01/25/2026"]), day_first(["05/02/2026"])
    (True, False, None)
    >>> day_first(["01/05/2026", "02/05/2026"]), day_first(["05/02/2026", "2026-02-01"])
    (True, True)
    >>> day_first(["4/1/2026", "5/1/2026"]), day_first(["4/1/2026", "5/1/2026"], months=["4/1/2026"])
    (None, False)
    """
    slashed, fixed = set(), set()
    for text in texts:
        if match := SLASHED.match(text):
            slashed.add((int(match[1]), int(match[2]), int(match[3])))
        elif match := ISO.match(text):
            fixed |= _date(int(match[1]), int(match[2]), int(match[3]))
    if any(second > 12 for _, second, _ in slashed) or not slashed:
        return False
    if any(first > 12 for first, _, _ in slashed):
        return True
    if all(first == second for first, second, _ in slashed):
        return False  # the same day either way
    begins = {(int(m[1]), int(m[2])) for text in months if (m := SLASHED.match(text))}
    if (told := _ones_first(begins)) is not None:
        return told
    if not fixed and _ones_first({(first, second) for first, second, _ in slashed}) is not None:
        return None
    month = _span(fixed.union(*(_date(year, a, b) for a, b, year in slashed)))
    day = _span(fixed.union(*(_date(year, b, a) for a, b, year in slashed)))
    return None if day == month else day < month


def _ones_first(pairs: set[tuple[int, int]]) -> bool | None:
    """Whether the number that is 1 in all pairs is their first; None if none is, or both are."""
    first = bool(pairs) and all(a == 1 for a, _ in pairs)
    second = bool(pairs) and all(b == 1 for _, b in pairs)
    return None if first == second else first


def _date(year: int, month: int, day: int) -> set[date]:
    try:
        return {date(year if year > 99 else 2000 + year, month, day)}
    except ValueError:
        return set()


def _span(days: set[date]) -> timedelta:
    return max(days) - min(days) if days else timedelta(0)
