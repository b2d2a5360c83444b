"""`shoestring costs --outlook`: where the month is heading, and what was odd about the past."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from shoestring.ledger.anomalies import Anomaly, anomalies
from shoestring.ledger.forecast import LOOK_BACK_DAYS, Forecast, forecast
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.notice_book import ACCEPTED, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class OddDay:
    """An anomaly with its date."""

    day: date
    anomaly: Anomaly

    @property
    def id(self) -> str:
        """By which people mute and accept it."""
        return f"odd-day/{self.day}/{self.anomaly.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The month's end and the past's odd days.

    Attributes:
        spent_usd: in this month until yesterday. ahead: from today to its last day; None without a past.
    """

    today: date
    spent_usd: float
    ahead: Forecast | None
    odd: tuple[OddDay, ...]


def outlook(
    store: ChargeStore, *, today: date, by: Sequence[str] = ("team", "experiment"), metric: str = "effective"
) -> Outlook:
    """Forecast this month by the days before today, and look for anomalies among them, by driver.

    What somebody has accepted is no anomaly any more. A driver's quantity is its accelerator hours.
    """
    first = today - timedelta(days=LOOK_BACK_DAYS)
    answer = ask(store, Question(by=("day", *by), metric=metric, since=first, until=today))
    usd: dict[str, dict[date, float]] = {}
    hours: dict[str, dict[date, float]] = {}
    for row in answer.rows:
        day, name = date.fromisoformat(row.keys[0] or ""), _driver(row.keys[1:])
        usd.setdefault(name, {})[day] = float(row.known_usd)
        if row.accelerator_hours is not None:
            hours.setdefault(name, {})[day] = row.accelerator_hours
    days = sorted({day for values in usd.values() for day in values})
    if not days:
        return Outlook(today=today, spent_usd=0.0, ahead=None, odd=())
    whole = [days[0] + timedelta(days=n) for n in range((today - days[0]).days)]
    daily, used = _whole(usd, whole), _whole(hours, whole)
    totals = [sum(values[n] for values in daily.values()) for n in range(len(whole))]
    left = calendar.monthrange(today.year, today.month)[1] - today.day + 1
    accepted = {name for name, what in settled(store.folder).items() if what == ACCEPTED}
    odd = [OddDay(day=whole[a.day], anomaly=a) for a in anomalies(daily, used)]
    return Outlook(
        today=today,
        spent_usd=sum(usd for day, usd in zip(whole, totals, strict=True) if day >= today.replace(day=1)),
        ahead=forecast(totals, left),
        odd=tuple(o for o in odd if o.id not in accepted),
    )


def _driver(keys: Sequence[str | None]) -> str:
    """Who it is: the labels there are, e.g. ``vision / eyes``."""
    return " / ".join(key for key in keys if key is not None) or "(none)"


def _whole(series: dict[str, dict[date, float]], days: Sequence[date]) -> dict[str, list[float]]:
    """A value for every day; days without charges are days at nothing."""
    return {name: [values.get(day, 0.0) for day in days] for name, values in series.items()}


def outlook_json(told: Outlook) -> dict[str, Any]:
    """The outlook as plain data."""
    ahead = told.ahead
    return {
        "today": told.today.isoformat(),
        "spent_usd": told.spent_usd,
        "month_end_usd": None if ahead is None else told.spent_usd + ahead.total,
        "range_usd": None
        if ahead is None
        else [told.spent_usd + ahead.total_low, told.spent_usd + ahead.total_high],
        "coverage": None if ahead is None else ahead.coverage,
        "backtest_coverage": None if ahead is None else ahead.backtest_coverage,
        "method": None if ahead is None else ahead.method,
        "anomalies": [
            {
                "id": odd.id,
                "day": odd.day.isoformat(),
                "kind": odd.anomaly.kind,
                "usd": odd.anomaly.usd,
                "expected_usd": odd.anomaly.expected_usd,
                "score": odd.anomaly.score,
                "drivers": [{"name": name, "usd": usd} for name, usd in odd.anomaly.drivers],
                "because": odd.anomaly.because,
            }
            for odd in told.odd
        ],
    }


def sentences(told: Outlook) -> Sequence[str]:
    """The outlook in words."""
    ahead = told.ahead
    if ahead is None:
        return ("no past to forecast from",)
    low, high = told.spent_usd + ahead.total_low, told.spent_usd + ahead.total_high
    checked = "not checked yet: too short a past"
    if ahead.backtest_coverage is not None:
        checked = f"such bands have held {ahead.backtest_coverage:.0%} of past days"
    lines = [
        f"month's end {told.spent_usd + ahead.total:,.2f} $, between {low:,.2f} and {high:,.2f} $ "
        f"({ahead.coverage:.0%}; {checked})"
    ]
    for odd in told.odd:
        a = odd.anomaly
        who = ", ".join(f"{name} {usd:+,.2f} $" for name, usd in a.drivers) or "nobody in particular"
        kind = "a lasting change" if a.kind == "level" else f"a {a.kind}"
        why = "" if a.because is None else f" ({a.because})"
        lines.append(f"{odd.day}: {kind} of {a.usd:+,.2f} $ a day (usual {a.expected_usd:,.2f}): {who}{why}")
    return lines
