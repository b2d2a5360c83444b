"""Markets with rules about when a job starts and how long it may run: what they do to finish, cost and certainty.

The closed form gives a job's time from its launch. A block starts at a fixed hour, is bought in steps and paid
whole; a flexible start comes within a stated time of which nothing else is known, so any moment in it is taken as
equally likely. A job must fit into what it buys with 98 % (log-normal, as everywhere).
"""

import math
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.offer import StartRule
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.planner.estimate import Z90, Terms
from shoestring.planner.screen import Candidates, Estimates

FITS_Z = 2.0537489106318225  # 98 % of a normal distribution lie below
WAITS, LUCKS = 48, 41  # points at which waiting and the job's own luck are looked at
HOURS_A_DAY = 24.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One row with a rule. ``wait_h``: until the fixed start; 0 where there is none."""

    row: int
    rule: StartRule
    wait_h: float

    @property
    def told(self) -> str:
        """The rule in a few words; empty where a job starts at once."""
        words = []
        if self.rule.starts_at_utc_h is not None:
            words.append(f"starts in {self.wait_h:.1f} h at the earliest")
        if self.rule.wait_max_h is not None:
            words.append(f"starts within {self.rule.wait_max_h:g} h")
        if self.rule.paid_whole:
            words.append("is paid whole, used or not")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Starts:
    """All rows with rules."""

    of: tuple[Start, ...]

    def told(self, row: int) -> str:
        """A row's rule in a few words; empty for a row without one."""
        return next((start.told for start in self.of if start.row == row), "")

    def over(self, closed: Estimates, c: Candidates, t: Terms) -> Estimates:
        """The closed form's estimates with these rows' start rules obeyed."""
        found = {f.name: getattr(closed, f.name).copy() for f in fields(Estimates)}
        for start in self.of:
            values = _one(start, closed, c, t)
            for name, value in values.items():
                found[name][start.row] = value
        return Estimates(**found)


def next_start_h(now: datetime, at_utc_h: float) -> float:
    """Hours from ``now`` to the next moment with this hour of the day, UTC.

    >>> [next_start_h(datetime(2026, 1, 1, hour, tzinfo=UTC), 11.5) for hour in (10, 12)]
    [1.5, 23.5]
    """
    utc = now.astimezone(UTC)
    return (at_utc_h - (utc.hour + utc.minute / 60 + utc.second / SECONDS_PER_HOUR)) % HOURS_A_DAY


def _one(start: Start, closed: Estimates, c: Candidates, t: Terms) -> dict[str, float]:
    i, rule = start.row, start.rule
    mean, p90 = float(closed.finish_h[i]), float(closed.p90_finish_h[i])
    sigma = _sigma(mean, p90)
    longest = mean * math.exp(FITS_Z * sigma - sigma**2 / 2)
    bought = rule.bought_h(longest) if math.isfinite(longest) else None
    if bought is None:
        return {"cost_usd": math.inf, "p90_cost_usd": math.inf, "finish_h": math.inf, "p90_finish_h": math.inf,
                "p_deadline": math.nan if t.deadline_h is None else 0.0}  # fmt: skip
    waits = np.array([start.wait_h])
    if rule.wait_max_h is not None:
        waits = start.wait_h + (np.arange(WAITS) + 0.5) / WAITS * rule.wait_max_h
    ends = np.sort((waits[:, None] + _lucks(mean, sigma)[None, :]).ravel())
    finish = float(waits.mean()) + mean
    found = {
        "finish_h": finish,
        "p90_finish_h": max(finish, float(np.quantile(ends, 0.9))),
        "p_deadline": math.nan if t.deadline_h is None else float((ends <= t.deadline_h).mean()),
    }
    if rule.paid_whole:
        held = float(c.storage_usd_per_hour[i]) * finish
        usd = t.nodes * float(c.price_usd_per_hour[i]) * bought + float(c.data_usd[i]) + held
        found |= {"cost_usd": usd, "p90_cost_usd": usd}
    return found


def _sigma(mean: float, p90: float) -> float:
    """Of the log-normal with this mean and 90th percentile."""
    if not (math.isfinite(mean) and math.isfinite(p90)) or p90 <= mean or mean <= 0:
        return 0.0
    return Z90 - math.sqrt(max(Z90**2 - 2 * math.log(p90 / mean), 0.0))


def _lucks(mean: float, sigma: float) -> Floats:
    """Equally likely times of a job, ascending: the middles of so many equal shares of its log-normal."""
    from statistics import NormalDist

    normal = NormalDist()
    z = np.array([normal.inv_cdf((k + 0.5) / LUCKS) for k in range(LUCKS)])
    return np.asarray(mean * np.exp(z * sigma - sigma**2 / 2))
