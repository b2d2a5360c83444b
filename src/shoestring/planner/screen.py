"""The closed form of :mod:`estimate` for a whole catalog at once; tests hold the two together."""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.planner.estimate import BOOT_SPREAD, NEVER_H, ROUNDS, Z90, Terms
from shoestring.planner.hazard import STEP_S, Losses, losses

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
    """Estimates of all rows; rows that share a hazard are done together."""
    found = {f.name: np.empty(len(c.mid_h)) for f in fields(Estimates)}
    for scale in np.unique(c.scale):
        rows = np.flatnonzero(c.scale == scale)
        part = _same_hazard(c.pick(rows), t, float(scale))
        for name, column in found.items():
            column[rows] = getattr(part, name)
    return Estimates(**found)


def _same_hazard(c: Candidates, t: Terms, scale: float) -> Estimates:
    process = losses(scale) if scale > 0 else None
    mean_up = process.mean_up_h if process else math.inf
    asked = math.sqrt(2 * t.save_h * mean_up) if t.interval_h is None else t.interval_h
    interval = max(asked, t.save_h)
    work = c.mid_h * (1 + (t.save_h / interval if math.isfinite(interval) else 0.0))
    redo = np.minimum(interval, c.mid_h) / 2
    per_loss = t.boot_h + t.restore_h + redo
    up, lost, several = work.copy(), np.zeros_like(work), np.zeros_like(work)
    wait, down_spread = 0.0, 0.0
    if process:
        wait, down_spread = process.mean_down_h, process.down_spread
        for _ in range(ROUNDS):
            before = up
            lost = _read(process.expected, np.minimum(up, NEVER_H), 1 / mean_up)
            up = work + lost * per_loss
            if np.array_equal(before, up):
                break
        several = _read(process.variance, np.minimum(up, NEVER_H), process.spread / mean_up)
    up = np.where(up >= NEVER_H, np.inf, up)
    start = t.boot_h + c.data_h
    queue = t.launch_failure / (1 - t.launch_failure) * t.retry_h * (1 + lost)
    finish = start + queue + up + lost * wait
    variable = t.nodes * c.price_usd_per_hour
    with np.errstate(invalid="ignore"):
        held = np.where(c.storage_usd_per_hour > 0, c.storage_usd_per_hour * finish, 0.0)
        billed = _billed_h(start + up, lost, c) - (_free_h(process, up, lost, c) if process else 0.0)
        cost = variable * billed + c.data_usd + held
        base = (np.log(c.high_h / c.low_h) / (2 * Z90) * up) ** 2 + (BOOT_SPREAD * t.boot_h) ** 2 * (1 + lost)
        redo_variance = lost * redo**2 / 3
        v_up = base + several * per_loss**2 + redo_variance
        v_finish = base + several * (per_loss + wait) ** 2 + redo_variance + lost * down_spread * wait**2
        energy = c.power_kw * (start + up)
        return Estimates(
            cost_usd=cost,
            p90_cost_usd=_p90(cost, (variable + c.storage_usd_per_hour) ** 2 * v_up),
            finish_h=finish,
            p90_finish_h=_p90(finish, v_finish),
            p_deadline=_before(t.deadline_h, finish, v_finish),
            losses=lost,
            energy_kwh=energy,
            co2_kg=energy * c.co2_kg_per_kwh,
        )


def _read(grid: Floats, hours: Floats, slope: float) -> Floats:
    at, last = hours * 3600 / STEP_S, len(grid) - 1
    inside = np.interp(np.minimum(at, last), np.arange(last + 1), grid)
    return np.asarray(inside + np.maximum(at - last, 0) * STEP_S / 3600 * slope)


def _billed_h(hours: Floats, lost: Floats, c: Candidates) -> Floats:
    grain, least, lives = c.granularity_s / 3600, c.minimum_s / 3600, 1 + lost
    many = lives * np.maximum(hours / lives + grain / 2, least)
    once = np.maximum(np.ceil(hours / grain - 1e-9) * grain, least)
    return np.where(lost > 0, many, once)


def _free_h(process: Losses, up: Floats, lost: Floats, c: Candidates) -> Floats:
    """Hours that are not billed because an instance was taken back young."""
    free = np.zeros_like(up)
    for free_s in np.unique(c.free_s[c.free_s > 0]):
        rows = np.flatnonzero(c.free_s == free_s)
        free[rows] = lost[rows] * process.free_hours(up[rows], float(free_s) / SECONDS_PER_HOUR)
    return free


def _p90(mean: Floats, variance: Floats) -> Floats:
    sigma2 = np.log1p(variance / np.maximum(mean, 1e-300) ** 2)
    high = np.maximum(mean, mean * np.exp(Z90 * np.sqrt(sigma2) - sigma2 / 2))
    return np.where(np.isfinite(mean) & (mean > 0), high, mean)


_erf = np.frompyfunc(math.erf, 1, 1)


def _before(deadline_h: float | None, mean: Floats, variance: Floats) -> Floats:
    if deadline_h is None:
        return np.full(len(mean), np.nan)
    sigma2 = np.log1p(variance / mean**2)
    with np.errstate(divide="ignore"):
        z = (np.log(deadline_h / mean) + sigma2 / 2) / np.sqrt(np.maximum(sigma2, 1e-12))
    chance = 0.5 * (1 + np.asarray(_erf(z / math.sqrt(2)), dtype=np.float64))
    return np.where(np.isfinite(mean), chance, 0.0)
