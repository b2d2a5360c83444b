"""What a map works out of several columns: ``{product: [Hours, Rate]}``, a period that lasts so many minutes.

A number that can't be read makes the result one that can't be read, with the column's name: the row goes to quarantine.
An empty cell counts as nothing in a sum; a product, quotient or difference without its first number is nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shoestring.store.bills.values import NOTHING, number_sql
from shoestring.store.charges_engine import literal

Column = Callable[[str], str]  # a header -> SQL of its text
OPERATIONS = ("product", "quotient", "sum", "less")
SECONDS = {"milliseconds": "1e-3", "seconds": "1", "minutes": "60", "hours": "3600", "days": "86400"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """SQL of a number, and of what can't be read of it (null: nothing)."""

    value: str
    unread: str


def computed(given: Mapping[str, Any], column: Column, *, comma: bool) -> str:
    """SQL of the text of a result; numbers in it are written as the file writes them.

    Args:
        given: one of `OPERATIONS` -> its numbers: headers, constants or operations themselves.
        comma: amounts are written ``1.234,56``.

    Raises:
        ValueError: no such operation, or too few numbers.
    """
    number = _number(given, column, comma)
    text = f"cast({number.value} as varchar)"
    written = f"replace({text}, '.', ',')" if comma else text
    return f"coalesce({number.unread}, {written})"


def lasting(given: Mapping[str, Any], column: Column, *, comma: bool) -> str:
    """SQL of how many seconds a period lasts: ``{minutes: Duration}``; also ``01:30:00``.

    Raises:
        ValueError: no such unit.
    """
    ((unit, header),) = given.items()
    if unit not in SECONDS:
        raise ValueError(f"lasts {unit!r}; one of: {', '.join(SECONDS)}")
    text = f"trim(cast({column(str(header))} as varchar))"
    number = _number(header, column, comma)
    clock = f"try_cast({text} as interval)"
    return f"""case when regexp_full_match({text}, '[0-9]+(:[0-9]{{2}}){{1,2}}') then epoch({clock})
        else cast({number.value} as double) * {SECONDS[unit]} end"""


def _number(given: Any, column: Column, comma: bool) -> _Number:
    if isinstance(given, bool) or given is None:
        raise ValueError(f"{given!r} is no column and no number")
    if isinstance(given, int | float):
        return _Number(value=f"cast({given!r} as decimal(19,9))", unread="null")
    if isinstance(given, Mapping):
        return _operation(given, column, comma)
    sql = column(str(given))
    value, text = number_sql(sql, comma=comma), f"trim(cast({sql} as varchar))"
    name = literal(f"{given}: ")
    unread = f"case when {value} is null and lower({text}) not in {NOTHING} then {name} || {text} end"
    return _Number(value=value, unread=unread)


def _operation(given: Mapping[str, Any], column: Column, comma: bool) -> _Number:
    what, numbers = next(iter(given.items()), ("", []))
    if len(given) != 1 or what not in OPERATIONS or not isinstance(numbers, list) or len(numbers) < 2:
        raise ValueError(f"{dict(given)!r}: one of {', '.join(OPERATIONS)}, with two numbers or more")
    parts = [_number(n, column, comma) for n in numbers]
    first, *rest = [p.value for p in parts]
    unread = f"coalesce({', '.join(p.unread for p in parts)})"
    if what == "product":
        return _Number(value=_chained(first, rest, "{} * {}"), unread=unread)
    if what == "quotient":
        return _Number(value=_chained(first, rest, "cast({} as double) / nullif({}, 0)"), unread=unread)
    taken = " + ".join(f"coalesce({r}, 0)" for r in rest)
    if what == "less":
        return _Number(value=f"cast({first} - ({taken}) as decimal(38,12))", unread=unread)
    said = f"coalesce({', '.join((first, *rest))}) is not null"
    return _Number(
        value=f"case when {said} then cast(coalesce({first}, 0) + {taken} as decimal(38,12)) end",
        unread=unread,
    )


def _chained(first: str, rest: list[str], form: str) -> str:
    """An operation on one number after the other. Twelve places stay, as many as the ledger keeps."""
    for number in rest:
        first = f"try_cast({form.format(f'cast({first} as decimal(19,9))', number)} as decimal(38,12))"
    return first
