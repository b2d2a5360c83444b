"""Text to units and back: what is read, and what is refused in words."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from shoestring.domain.units import (
    cents,
    describe_duration,
    money,
    parse_bytes,
    parse_duration_s,
    parse_usd,
    require_utc,
    seconds_between,
)


def test_halves_of_a_step_go_to_the_even_neighbor() -> None:
    assert money("0.0000000000005") == 0
    assert money("0.0000000000015") == Decimal("0.000000000002")
    assert (cents(Decimal("1.005")), cents(Decimal("1.015"))) == (Decimal("1.00"), Decimal("1.02"))


def test_a_moment_without_a_zone_is_none() -> None:
    with pytest.raises(ValueError, match="deadline: 2026-01-31T12:00:00 has no time zone"):
        require_utc(datetime(2026, 1, 31, 12), "deadline")
    east = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert require_utc(east, "deadline") == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("36h", 129_600), ("1d 12h", 129_600), ("90 min", 5400), ("01:30:05", 5405), ("2", 7200), ("0.5", 1800),
     (3, 10_800), (0.25, 900), ("1w", 604_800), ("2 hours, 30s", 7230), ("1.5D", 129_600), ("0.001s", 0.001)],
)  # fmt: skip
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "says"),
    [(True, "True is no duration"), ("soon", "'soon' is no duration"), ("", "'' is no duration"),
     ("3h!", "'3h!' is no duration"), ("3 parsecs", "unknown unit 'parsecs'; allowed"), (0, "is 0 s"),
     (-1, "above 0"), ("0s", "is 0 s"), ("100000000000s", "below 100 years"), (float("nan"), "is nan s")],
)  # fmt: skip
def test_what_is_no_duration_is_refused(text: str | float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_duration_s(text)


@pytest.mark.parametrize(
    ("text", "usd"),
    [("25", "25"), ("25.50 USD", "25.50"), ("$1,250.50", "1250.50"), ("25 usd", "25"), ("25$", "25"), (7, "7"),
     (Decimal("0.10"), "0.10"), ("0", "0"), ("999999999999999.99", "999999999999999.99")],
)  # fmt: skip
def test_dollars(text: str | Decimal | int, usd: str) -> None:
    assert parse_usd(text) == Decimal(usd)


@pytest.mark.parametrize(
    ("text", "says"),
    [(False, "False is no amount of money"), ("25 EUR", "no amount in US dollars"), ("-1", "out of range"),
     ("inf", "out of range"), ("NaN", "out of range"), ("1000000000000000", "out of range")],
)  # fmt: skip
def test_what_are_no_dollars_is_refused(text: str | bool, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_usd(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("50 GB", 50 * 10**9), ("50GiB", 50 * 2**30), (1024, 1024), ("1.5 kb", 1500), ("0.5 MiB", 524_288),
     ("3TB", 3 * 10**12), ("1 PiB", 2**50), ("7 b", 7)],
)  # fmt: skip
def test_sizes(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", [True, "big", "-5 GB", "5 GBit", ""])
def test_what_is_no_size_is_refused(text: str | bool) -> None:
    with pytest.raises(ValueError, match=r"is no size; write e\.g\. 50 GB"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "unknown"), (0.0, "0 s"), (99.0, "99 s"), (100.0, "2 min"), (5399.0, "90 min"), (5400.0, "1.5 h"),
     (4 * 86400.0 - 360, "95.9 h"), (4 * 86400.0, "4.0 d"), (-7200.0, "-2.0 h"), (-5.0, "-5 s")],
)  # fmt: skip
def test_durations_for_people(seconds: float | None, shown: str) -> None:
    assert describe_duration(seconds) == shown


def test_seconds_between_two_moments_have_a_sign() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    later = noon + timedelta(minutes=2, microseconds=500_000)
    assert (seconds_between(noon, later), seconds_between(later, noon)) == (120.5, -120.5)
