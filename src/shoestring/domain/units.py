"""Units: money is Decimal, time is UTC, sizes are bytes, and text is parsed here once.

Floats are for estimates only. None means unknown; zero means zero.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

CENT = Decimal("0.01")
MONEY_STEP = Decimal("1e-12")  # the ledger's DECIMAL(38,12)
SECONDS_PER_HOUR = 3600
GIB = 1024**3
JOULES_PER_KWH = 3_600_000.0
HOURS_PER_MONTH = 730  # the clouds' convention for GiB-month prices

_DURATION_S = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "hours": 3600,
               "d": 86400, "day": 86400, "days": 86400, "w": 604800}  # fmt: skip
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "PIB": 2**50}  # fmt: skip


def money(amount: Decimal | str | int) -> Decimal:
    """An amount of recorded money, in the ledger's step of 1e-12.

    >>> money("1.005")
    Decimal('1.005000000000')
    """
    return Decimal(amount).quantize(MONEY_STEP, rounding=ROUND_HALF_EVEN)


def cents(amount: Decimal) -> Decimal:
    """An amount rounded to the cent, for people.

    >>> cents(Decimal("1.005"))
    Decimal('1.00')
    """
    return amount.quantize(CENT, rounding=ROUND_HALF_EVEN)


def require_utc(moment: datetime, what: str) -> datetime:
    """The same moment in UTC. Raises ValueError for a naive datetime, which names no moment at all."""
    if moment.tzinfo is None:
        raise ValueError(f"{what}: {moment.isoformat()} has no time zone; write e.g. 2026-01-31T12:00:00Z")
    return moment.astimezone(UTC)


def parse_duration_s(text: str | int | float) -> float:
    """Seconds in ``36h``, ``1d 12h``, ``90 min``, ``01:30:00``; a bare number is hours.

    >>> parse_duration_s("1d 12h"), parse_duration_s("90m"), parse_duration_s(2)
    (129600.0, 5400.0, 7200.0)
    """
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is no duration; write e.g. 36h, 1d 12h, 90m")
    if isinstance(text, int | float):
        seconds = float(text) * SECONDS_PER_HOUR
    elif re.fullmatch(r"\s*\d+:\d{2}:\d{2}\s*", text):
        hours, minutes, secs = (int(p) for p in text.split(":"))
        seconds = float(hours * 3600 + minutes * 60 + secs)
    elif re.fullmatch(r"\s*\d+(\.\d+)?\s*", text):
        seconds = float(text) * SECONDS_PER_HOUR
    else:
        parts = re.findall(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)", text)
        if not parts or re.sub(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]+)|[\s,]", "", text):
            raise ValueError(f"{text!r} is no duration; write e.g. 36h, 1d 12h, 90m")
        unknown = [unit for _, unit in parts if unit.lower() not in _DURATION_S]
        if unknown:
            raise ValueError(f"{text!r}: unknown unit {unknown[0]!r}; allowed: s, min, h, d, w")
        seconds = sum(float(number) * _DURATION_S[unit.lower()] for number, unit in parts)
    if not 0 < seconds < 3.2e9:
        raise ValueError(f"{text!r} is {seconds:g} s; a duration is above 0 and below 100 years")
    return seconds


def parse_usd(text: str | int | float | Decimal) -> Decimal:
    """Dollars in ``25``, ``25.50 USD``, ``$25``. Raises ValueError for another currency or a negative amount.

    >>> parse_usd("$1,250.50")
    Decimal('1250.50')
    """
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is no amount of money; write e.g. 25 USD")
    cleaned = re.sub(r"^\$|\s*(usd|\$)\s*$", "", str(text).strip(), flags=re.IGNORECASE).replace(",", "")
    try:
        amount = Decimal(cleaned)
    except InvalidOperation:
        raise ValueError(f"{text!r} is no amount in US dollars; write e.g. 25 USD") from None
    if not amount.is_finite() or amount < 0 or amount >= Decimal(10) ** 15:
        raise ValueError(f"{text!r} is out of range; an amount is 0 or more, and finite")
    return amount


def parse_bytes(text: str | int) -> int:
    """Bytes in ``50 GB`` (10**9), ``50GiB`` (2**30) or a bare number of bytes.

    >>> parse_bytes("1.5 GB"), parse_bytes("2GiB")
    (1500000000, 2147483648)
    """
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is no size; write e.g. 50 GB")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", str(text))
    if match is None or match[2].upper() not in _BYTES:
        raise ValueError(f"{text!r} is no size; write e.g. 50 GB, 200 MiB")
    return int(Decimal(match[1]) * _BYTES[match[2].upper()])


def describe_duration(seconds: float | None) -> str:
    """A duration for people.

    >>> describe_duration(129600.0), describe_duration(5.0), describe_duration(None)
    ('36.0 h', '5 s', 'unknown')
    """
    if seconds is None:
        return "unknown"
    sign, size = ("-" if seconds < 0 else ""), abs(seconds)
    if size < 100:
        return f"{sign}{size:.0f} s"
    if size < 5400:
        return f"{sign}{size / 60:.0f} min"
    if size < 4 * 86400:
        return f"{sign}{size / 3600:.1f} h"
    return f"{sign}{size / 86400:.1f} d"


def seconds_between(start: datetime, end: datetime) -> float:
    """Seconds from ``start`` to ``end``; negative if ``end`` comes first."""
    return (end - start) / timedelta(seconds=1)
