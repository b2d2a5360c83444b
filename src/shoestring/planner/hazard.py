"""How often a spot gang is lost: a renewal process whose hazard falls with the age of the instance.

The chance of a loss by age comes from the market's pooled prior. AWS interruption bands scale it: band
middles (2.5, 7.5, 12.5, 17.5, 25 % reclaimed in a month) against the middle band; that the bands are
proportional to the hazard is our assumption, not AWS's word.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.market.ages import age_classes
from shoestring.market.prior import prior_hazard

STEP_S = 600.0
FINE = 10  # parts of a step in the integrals below
GRID_H = 120.0  # beyond this age the last chance holds
BANDS = (0.2, 0.6, 1.0, 1.4, 2.0)  # of the prior's hazard, by band
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """What a scaled hazard means for a job.

    Attributes:
        mean_up_h: mean life of an instance.
        mean_down_h, down_spread: mean wait until the zone has capacity again, its variance over its squared mean.
        chance: probability per step that an instance of that age is lost (the last holds ever after).
        times_h, survival, lived, squared: age on a fine grid, chance to live so long, mean and mean square of
            a life cut off there.
    """

    mean_up_h: float
    mean_down_h: float
    down_spread: float
    chance: Floats
    times_h: Floats
    survival: Floats
    lived: Floats
    squared: Floats

    @property
    def tail_per_h(self) -> float:
        """Constant hazard beyond the grid."""
        return -math.log1p(-float(self.chance[-1])) * SECONDS_PER_HOUR / STEP_S

    def alive(self, hours: Floats) -> Floats:
        """Chance that an instance lives at least so long."""
        over = np.maximum(hours - GRID_H, 0.0)
        return np.asarray(np.interp(hours, self.times_h, self.survival) * np.exp(-self.tail_per_h * over))

    def lived_h(self, hours: Floats) -> Floats:
        """Mean of a life, cut off at ``hours``."""
        over, rate = np.maximum(hours - GRID_H, 0.0), self.tail_per_h
        tail = self.survival[-1] * np.expm1(-rate * over) / rate
        return np.asarray(np.interp(hours, self.times_h, self.lived) - tail)

    def lived_squared(self, hours: Floats) -> Floats:
        """Mean square of a life, cut off at ``hours``."""
        over, rate = np.maximum(hours - GRID_H, 0.0), self.tail_per_h
        faded = np.exp(-rate * over)
        tail = (GRID_H + 1 / rate) * (
            1 - faded
        ) - over * faded  # integral of t S(t) beyond the grid, times rate
        return np.asarray(np.interp(hours, self.times_h, self.squared) + 2 * self.survival[-1] * tail / rate)

    def ended_h(self, hours: Floats) -> Floats:
        """Mean of a life that ends before ``hours``, 0 for the others."""
        return self.lived_h(hours) - hours * self.alive(hours)

    def ended_squared(self, hours: Floats) -> Floats:
        """Mean square of a life that ends before ``hours``, 0 for the others."""
        return self.lived_squared(hours) - hours**2 * self.alive(hours)


def scale_of(band: int | None, nodes: int) -> float:
    """Factor on the prior's hazard: the interruption band (None: unknown, the prior as it is) and the gang.

    A gang is lost with its first node; taking nodes as independent is the pessimistic end.
    """
    return (1.0 if band is None else BANDS[band]) * nodes


@lru_cache(maxsize=256)
def losses(scale: float) -> Losses:
    """Lives and waits of a hazard ``scale`` times the prior's."""
    ages = age_classes(STEP_S)
    loss, back = prior_hazard(ages)
    steps = int(GRID_H * SECONDS_PER_HOUR / STEP_S)
    at = ages.index(np.arange(steps, dtype=np.float64) * STEP_S)
    chance = 1 - (1 - loss[at]) ** scale
    alive = np.concatenate([[1.0], np.cumprod(1 - chance)])
    gone = np.concatenate([[1.0], np.cumprod(1 - back[at])])
    mean, _ = _life(alive, float(chance[-1]))
    down, down_variance = _life(gone, float(back[at][-1]))
    times = np.linspace(0.0, GRID_H, steps * FINE + 1)
    survival = np.interp(times, np.linspace(0.0, GRID_H, steps + 1), alive)
    return Losses(
        mean_up_h=mean,
        mean_down_h=down,
        down_spread=down_variance / down**2,
        chance=chance,
        times_h=times,
        survival=survival,
        lived=_integral(survival, times),
        squared=2 * _integral(times * survival, times),
    )


def _integral(values: Floats, times: Floats) -> Floats:
    """From 0 to each time, by trapezoids."""
    parts = (values[1:] + values[:-1]) / 2 * np.diff(times)
    return np.concatenate([[0.0], np.cumsum(parts)])


def _life(alive: Floats, last: float) -> tuple[float, float]:
    """Mean and variance in hours of a life with these chances to be alive, constant hazard at the end.

    A life ends anywhere in its last step, so it is half a step shorter than the steps it has begun.
    """
    step, n = STEP_S / SECONDS_PER_HOUR, len(alive) - 1
    k = np.arange(n)
    tail = alive[-1]
    begun = alive[:-1].sum() + tail / last
    squared = ((2 * k + 1) * alive[:-1]).sum() + tail * ((2 * n + 1) / last + 2 * (1 - last) / last**2)
    return float((begun - 1 / 2) * step), float((squared - begun**2 + 1 / 12) * step**2)
