"""How the report's page says numbers: the filters of its templates. Unknown is said, and is never 0."""

from datetime import datetime

UNKNOWN = "unknown"
NONE = "(none)"


def usd(amount: float | None) -> str:
    """Dollars for people; four places where cents would hide the amount.

    >>> usd(1234.5), usd(0.0042), usd(-3), usd(0), usd(1e-9), usd(None)
    ('1,234.50 $', '0.0042 $', '-3.00 $', '0.00 $', 'under 0.0001 $', 'unknown')
    """
    if amount is None:
        return UNKNOWN
    if 0 < abs(amount) < 0.00005:
        return "under 0.0001 $"
    return f"{amount:,.4f} $" if abs(amount) < 0.1 and amount else f"{amount:,.2f} $"


def signed(amount: float) -> str:
    """Dollars of a change, with their sign.

    >>> signed(12), signed(-0.5)
    ('+12.00 $', '-0.50 $')
    """
    return f"+{usd(amount)}" if amount > 0 else usd(amount)


def percent(share: float | None) -> str:
    """A share of one.

    >>> percent(0.125), percent(None)
    ('12 %', 'unknown')
    """
    return UNKNOWN if share is None else f"{share:.0%}".replace("%", " %")


def number(value: float | None, places: int = 2) -> str:
    """A plain number.

    >>> number(1234.567), number(None), number(7, 0)
    ('1,234.57', 'unknown', '7')
    """
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def name(label: str | None) -> str:
    """A label, or that there is none."""
    return NONE if label is None else label


def moment(text: str | None) -> str:
    """An ISO moment to the minute, in UTC.

    >>> moment("2026-01-31T12:30:59+00:00"), moment(None)
    ('2026-01-31 12:30', 'unknown')
    """
    return UNKNOWN if text is None else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"


def age(days: float | None) -> str:
    """How old something is.

    >>> age(0.5), age(1.2), age(40.0), age(None)
    ('12 h', '1 day', '40 days', 'unknown')
    """
    if days is None:
        return UNKNOWN
    if days < 1:
        return f"{days * 24:.0f} h"
    whole = int(days)
    return f"{whole} day{'' if whole == 1 else 's'}"


FILTERS = {
    "usd": usd,
    "signed": signed,
    "percent": percent,
    "number": number,
    "name": name,
    "moment": moment,
    "age": age,
}
