"""The words of the estimate: what holds for a job everywhere, one offer as the formula sees it, what comes out.

:mod:`screen` computes it, for a whole catalog at once.
"""

import math
from dataclasses import dataclass

from shoestring.domain.plan import WorkRange
from shoestring.domain.units import SECONDS_PER_HOUR

Z90 = 1.2815515655446004
NEVER_H = 50_000.0  # a job that needs more uptime is taken as never ending
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
