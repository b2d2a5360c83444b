"""Limits: the deadline, as a duration from submission or a moment, and the budget."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from shoestring.domain.units import parse_duration_s, parse_usd, require_utc
from shoestring.jobfile import read
from shoestring.jobfile.node import Node
from shoestring.jobfile.report import Report

_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Exactly one of the two: seconds from submission, or a moment in UTC."""

    seconds: float | None = None
    at: datetime | None = None

    def seconds_left(self, now: datetime) -> float:
        """Seconds from ``now`` if the job were submitted now."""
        if self.at is not None:
            return (self.at - now).total_seconds()
        assert self.seconds is not None
        return self.seconds


def read_deadline(node: Node, report: Report, *, now: datetime) -> Deadline | None:
    """``36h``, ``1d 12h``, or ``2026-12-01T08:00:00+01:00``."""

    def parse(written: str) -> Deadline:
        if not _DATE.match(written.strip()):
            return Deadline(seconds=parse_duration_s(written))
        try:
            moment = datetime.fromisoformat(written.strip())
        except ValueError:
            raise ValueError(f"{node.shown} is no date and time") from None
        at = require_utc(moment, "deadline")
        if at <= now:
            raise ValueError(f"{node.shown} has passed; it is {now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        return Deadline(at=at)

    return read.convert(
        node,
        report,
        parse,
        allowed="a duration (36h, 1d 12h) or a moment with time zone (2026-12-01T08:00:00Z)",
    )


def read_budget(node: Node, report: Report) -> Decimal | None:
    """``25``, ``25.50 USD``, ``$25``."""

    def parse(written: str) -> Decimal:
        amount = parse_usd(written)
        if amount == 0:
            raise ValueError("a budget of 0 lets nothing run; leave it out for no limit")
        return amount

    return read.convert(node, report, parse, allowed="an amount in US dollars above 0, e.g. 25 or 25.50 USD")
