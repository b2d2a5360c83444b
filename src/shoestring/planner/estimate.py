"""What a finished job costs on one offer, in expectation and at the 90th percentile: the closed form.

Uptime T solves T = W (1 + d/tau) + N(T) (R + lost): useful work W with a save of d every tau (Young 1974,
Daly 2006), and for each of the N(T) expected losses a restart R and the work since the last save. N is a
renewal process whose hazard falls with age (``hazard``). The job is bound to its offer: it waits there for
capacity, so the finish on spot is the pessimistic end of what a policy that moves can do.
"""

import math
from dataclasses import dataclass

from shoestring.domain.plan import WorkRange
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.planner.hazard import losses

Z90 = 1.2815515655446004
ROUNDS, NEVER_H = 80, 50_000.0
BOOT_SPREAD = 0.5  # standard deviation of a boot over its mean; no measured figure is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds for the job on every offer; hours.

    Attributes:
        boot_h: billed, from launch to the first step. restore_h: more after a loss. save_h: blocks training.
        interval_h: between saves; None takes Young's optimum. deadline_h: None if there is none.
        launch_failure: chance that a launch fails. retry_h: what a failed launch delays.
    """

    nodes: int = 1
    boot_h: float = 300 / SECONDS_PER_HOUR
    restore_h: float = 60 / SECONDS_PER_HOUR
    save_h: float = 30 / SECONDS_PER_HOUR
    interval_h: float | None = None
    deadline_h: float | None = None
    launch_failure: float = 0.05
    retry_h: float = 60 / SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One offer as the formula sees it.

    Attributes:
        price_usd_per_hour: of one node. scale: on the prior's hazard; 0 for capacity that is ours to keep.
        free_s: an instance taken back before this age costs nothing; 0 for no such rule.
        data_usd, data_h: to bring the data there, once. storage_usd_per_hour: of the checkpoints.
        power_kw: of the gang with the site's overhead; nan if unknown. co2_kg_per_kwh: nan if unknown.
    """

    price_usd_per_hour: float
    work: WorkRange
    scale: float = 0.0
    granularity_s: float = 1.0
    minimum_s: float = 60.0
    free_s: float = 0.0
    data_usd: float = 0.0
    data_h: float = 0.0
    storage_usd_per_hour: float = 0.0
    power_kw: float = math.nan
    co2_kg_per_kwh: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Dollars, hours from submission, kWh and kg; inf where the job would never end; nan for unknown."""

    cost_usd: float
    p90_cost_usd: float
    finish_h: float
    p90_finish_h: float
    p_deadline: float
    losses: float
    energy_kwh: float
    co2_kg: float


def estimate(c: Candidate, t: Terms) -> Estimate:
    """The formula, one offer at a time; :mod:`screen` does the same for all at once."""
    process = losses(c.scale) if c.scale > 0 else None
    interval = _interval(c, t, process.mean_up_h if process else math.inf)
    work = c.work.mid_h * (1 + (t.save_h / interval if math.isfinite(interval) else 0.0))
    redo = min(interval, c.work.mid_h) / 2
    per_loss = t.boot_h + t.restore_h + redo
    up, lost = work, 0.0
    if process:
        for _ in range(ROUNDS):
            lost = process.within(min(up, NEVER_H))
            up = work + lost * per_loss
    if up >= NEVER_H:
        up = math.inf
    start = t.boot_h + c.data_h
    queue = t.launch_failure / (1 - t.launch_failure) * t.retry_h * (1 + lost)
    wait = process.mean_down_h if process else 0.0
    finish = start + queue + up + lost * wait
    hours = _billed_h(start + up, lost, c)
    if process and c.free_s > 0:
        hours -= lost * process.free_h(up, c.free_s / SECONDS_PER_HOUR)
    held = c.storage_usd_per_hour * finish if c.storage_usd_per_hour else 0.0
    cost = t.nodes * c.price_usd_per_hour * hours + c.data_usd + held
    spread = math.log(c.work.high_h / c.work.low_h) / (2 * Z90)
    several = process.variance_within(min(up, NEVER_H)) if process else 0.0
    redo_variance = lost * redo**2 / 3
    base = (spread * up) ** 2 + (BOOT_SPREAD * t.boot_h) ** 2 * (1 + lost)
    v_up = base + several * per_loss**2 + redo_variance
    waiting = lost * process.down_spread * wait**2 if process else 0.0
    v_finish = base + several * (per_loss + wait) ** 2 + redo_variance + waiting
    variable = t.nodes * c.price_usd_per_hour + c.storage_usd_per_hour
    energy = c.power_kw * (start + up)
    return Estimate(
        cost_usd=cost,
        p90_cost_usd=_p90(cost, variable**2 * v_up),
        finish_h=finish,
        p90_finish_h=_p90(finish, v_finish),
        p_deadline=_before(t.deadline_h, finish, v_finish),
        losses=lost,
        energy_kwh=energy,
        co2_kg=energy * c.co2_kg_per_kwh,
    )


def _interval(c: Candidate, t: Terms, mean_up_h: float) -> float:
    """Hours between saves: asked for, or Young's sqrt(2 d MTBF); inf where nothing is ever lost."""
    if t.interval_h is not None:
        return max(t.interval_h, t.save_h)
    return max(math.sqrt(2 * t.save_h * mean_up_h), t.save_h)


def _billed_h(hours: float, lost: float, c: Candidate) -> float:
    """Rounded up per attempt: exactly for one attempt, by half a step on average for each of several."""
    grain, least, lives = c.granularity_s / 3600, c.minimum_s / 3600, 1 + lost
    if lost > 0:
        return lives * max(hours / lives + grain / 2, least)
    return max(math.ceil(hours / grain - 1e-9) * grain, least) if math.isfinite(hours) else math.inf


def _p90(mean: float, variance: float) -> float:
    """90th percentile of the log-normal with this mean and variance."""
    if not math.isfinite(mean) or mean <= 0:
        return mean
    sigma2 = math.log1p(variance / mean**2)
    return max(mean, mean * math.exp(Z90 * math.sqrt(sigma2) - sigma2 / 2))


def _before(deadline_h: float | None, mean: float, variance: float) -> float:
    """Chance that a log-normal finish comes before the deadline; nan without a deadline."""
    if deadline_h is None:
        return math.nan
    if not math.isfinite(mean):
        return 0.0
    sigma2 = math.log1p(variance / mean**2)
    z = (math.log(deadline_h / mean) + sigma2 / 2) / math.sqrt(max(sigma2, 1e-12))
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))
