"""What a finished job costs on every offer of a catalog, in expectation and at the 90th percentile.

The job is bound to its offer: it waits there for capacity, so the finish on spot is the pessimistic end of what a
policy that moves can do. What losses do to time and bill is :mod:`attempts`; the rest is arithmetic on columns.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.planner.attempts import Setting, Totals, totals, young_h
from shoestring.planner.estimate import BOOT_SPREAD, NEVER_H, Z90, Candidate, Estimate, Terms
from shoestring.planner.hazard import losses

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Columns of :class:`estimate.Candidate`."""

    price_usd_per_hour: Floats
    low_h: Floats
    mid_h: Floats
    high_h: Floats
    scale: Floats
    granularity_s: Floats
    minimum_s: Floats
    free_s: Floats
    data_usd: Floats
    data_h: Floats
    storage_usd_per_hour: Floats
    power_kw: Floats
    co2_kg_per_kwh: Floats

    def pick(self, rows: NDArray[np.intp]) -> "Candidates":
        return Candidates(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """Columns of :class:`estimate.Estimate`."""

    cost_usd: Floats
    p90_cost_usd: Floats
    finish_h: Floats
    p90_finish_h: Floats
    p_deadline: Floats
    losses: Floats
    energy_kwh: Floats
    co2_kg: Floats


def screen(c: Candidates, t: Terms) -> Estimates:
    """Estimates of all rows; rows that share a hazard and a billing rule are done together."""
    found = {f.name: np.empty(len(c.mid_h)) for f in fields(Estimates)}
    for scale in np.unique(c.scale):
        alike = np.flatnonzero(c.scale == scale)
        free = c.free_s[alike] if scale > 0 else np.zeros(len(alike))
        for free_s in np.unique(free):
            rows = alike[free == free_s]
            part = _alike(c.pick(rows), t, float(scale), float(free_s))
            for name, column in found.items():
                column[rows] = getattr(part, name)
    return Estimates(**found)


def estimate(c: Candidate, t: Terms) -> Estimate:
    """One offer's estimate."""
    row = {f.name: np.array([getattr(c, f.name)], dtype=np.float64) for f in fields(c) if f.name != "work"}
    work = {f"{end}_h": np.array([getattr(c.work, f"{end}_h")]) for end in ("low", "mid", "high")}
    found = screen(Candidates(**work, **row), t)
    return Estimate(**{f.name: float(getattr(found, f.name)[0]) for f in fields(found)})


def _alike(c: Candidates, t: Terms, scale: float, free_s: float) -> Estimates:
    way = _totals(c.mid_h, t, scale, free_s)
    up = np.where(way.up_h >= NEVER_H, np.inf, way.up_h)
    queue = t.launch_failure / (1 - t.launch_failure) * t.retry_h * (1 + way.losses)
    finish = np.where(np.isfinite(up), c.data_h + queue + way.elapsed_h, np.inf)
    variable = t.nodes * c.price_usd_per_hour
    with np.errstate(invalid="ignore"):
        held = np.where(c.storage_usd_per_hour > 0, c.storage_usd_per_hour * finish, 0.0)
        hours = np.where(np.isfinite(up), c.data_h + way.billed_h, np.inf)
        cost = variable * _billed_h(hours, way.losses, c) + c.data_usd + held
        spread = np.log(c.high_h / c.mid_h) / Z90  # the upper half: costs and deadlines hang on it
        base = (spread * (up - t.boot_h)) ** 2 + (BOOT_SPREAD * t.boot_h) ** 2 * (1 + way.losses)
        v_finish = base + way.elapsed_variance
        energy = c.power_kw * (c.data_h + up)
        return Estimates(
            cost_usd=cost,
            p90_cost_usd=_p90(cost, (variable + c.storage_usd_per_hour) ** 2 * (base + way.billed_variance)),
            finish_h=finish,
            p90_finish_h=_p90(finish, v_finish),
            p_deadline=_before(t.deadline_h, finish, v_finish),
            losses=way.losses,
            energy_kwh=energy,
            co2_kg=energy * c.co2_kg_per_kwh,
        )


def _totals(work_h: Floats, t: Terms, scale: float, free_s: float) -> Totals:
    """Attempts where capacity may be lost; where it stays, boot and work with the saves that were asked for."""
    if scale > 0:
        chunk = young_h(t.save_h, losses(scale).mean_up_h, t.interval_h)
        free_h = free_s / SECONDS_PER_HOUR
        setting = Setting(scale=scale, boot_h=t.boot_h, restore_h=t.restore_h, save_h=t.save_h, chunk_h=chunk,
                          free_h=free_h)  # fmt: skip
        return totals(setting, work_h)
    saves = 0.0 if t.interval_h is None else t.save_h / max(t.interval_h, t.save_h)
    up, none = t.boot_h + work_h * (1 + saves), np.zeros_like(work_h)
    return Totals(
        losses=none, up_h=up, billed_h=up, elapsed_h=up, billed_variance=none, elapsed_variance=none
    )


def _billed_h(hours: Floats, lost: Floats, c: Candidates) -> Floats:
    """Rounded up per attempt: exactly for one attempt, by half a step on average for each of several."""
    grain, least, lives = c.granularity_s / 3600, c.minimum_s / 3600, 1 + lost
    many = lives * np.maximum(hours / lives + grain / 2, least)
    once = np.maximum(np.ceil(hours / grain - 1e-9) * grain, least)
    return np.where(lost > 0, many, once)


def _p90(mean: Floats, variance: Floats) -> Floats:
    """90th percentile of the log-normal with this mean and variance."""
    sigma2 = np.log1p(variance / np.maximum(mean, 1e-300) ** 2)
    high = np.maximum(mean, mean * np.exp(Z90 * np.sqrt(sigma2) - sigma2 / 2))
    return np.where(np.isfinite(mean) & (mean > 0), high, mean)


_erf = np.frompyfunc(math.erf, 1, 1)


def _before(deadline_h: float | None, mean: Floats, variance: Floats) -> Floats:
    """Chance that a log-normal finish comes before the deadline; nan without a deadline."""
    if deadline_h is None:
        return np.full(len(mean), np.nan)
    sigma2 = np.log1p(variance / mean**2)
    with np.errstate(divide="ignore"):
        z = (np.log(deadline_h / mean) + sigma2 / 2) / np.sqrt(np.maximum(sigma2, 1e-12))
    chance = 0.5 * (1 + np.asarray(_erf(z / math.sqrt(2)), dtype=np.float64))
    return np.where(np.isfinite(mean), chance, 0.0)
