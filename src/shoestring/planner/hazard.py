"""How often a spot gang is lost: a renewal process whose hazard falls with the age of the instance.

The chance of a loss by age comes from the market's pooled prior. AWS interruption bands scale it: band
middles (2.5, 7.5, 12.5, 17.5, 25 % reclaimed in a month) against the middle band; that the bands are
proportional to the hazard is our assumption, not AWS's word.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.market.ages import age_classes
from shoestring.market.prior import prior_hazard

STEP_S = 600.0
GRID_H = 120.0  # beyond this the renewal function is a straight line
BANDS = (0.2, 0.6, 1.0, 1.4, 2.0)  # of the prior's hazard, by band
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses:
    """What a scaled hazard means for a job.

    Attributes:
        mean_up_h: mean life of an instance. spread: variance of a life over its squared mean.
        mean_down_h: mean wait until the zone has capacity again.
        expected, variance: of losses within k steps of uptime, k = 0 ..; cut at ``GRID_H``.
        gone: share of lives that have ended by k steps. lost_young_h: hours lived, per life, by those.
        chance: probability per step that an instance of that age is lost (the last holds ever after).
    """

    mean_up_h: float
    spread: float
    mean_down_h: float
    down_spread: float
    expected: Floats
    variance: Floats
    gone: Floats
    lost_young_h: Floats
    chance: Floats

    def free_h(self, hours: float, below_h: float) -> float:
        """Mean uptime per loss that is not billed where losses before the age of ``below_h`` are free.

        The age at a loss within ``hours`` of uptime is taken as a life that ends within ``hours``, which is
        exact for the first loss.
        """
        return float(self.free_hours(np.array([hours]), below_h)[0])

    def free_hours(self, hours: Floats, below_h: float) -> Floats:
        """:meth:`free_h` for many uptimes at once."""
        step, last = STEP_S / SECONDS_PER_HOUR, len(self.gone) - 1
        seen = np.interp(hours / step, np.arange(last + 1), self.gone)
        young = np.floor(np.minimum(np.minimum(hours, below_h) / step + 1e-9, last)).astype(np.intp)
        return self.lost_young_h[young] / np.maximum(seen, 1e-300)

    def within(self, hours: float) -> float:
        """Expected losses in so many hours of uptime; the age starts anew after each."""
        return _read(self.expected, hours, 1 / self.mean_up_h)

    def variance_within(self, hours: float) -> float:
        """Variance of the losses in so many hours of uptime."""
        return _read(self.variance, hours, self.spread / self.mean_up_h)


def _read(grid: Floats, hours: float, slope: float) -> float:
    """A value between grid points; beyond the grid it goes on with ``slope`` per hour."""
    at, last = hours * 3600 / STEP_S, len(grid) - 1
    if at >= last:
        return float(grid[last]) + (hours - last * STEP_S / 3600) * slope
    low = int(at)
    return float(grid[low] + (at - low) * (grid[low + 1] - grid[low]))


def scale_of(band: int | None, nodes: int) -> float:
    """Factor on the prior's hazard: the interruption band (None: unknown, the prior as it is) and the gang.

    A gang is lost with its first node; taking nodes as independent is the pessimistic end.
    """
    return (1.0 if band is None else BANDS[band]) * nodes


@lru_cache(maxsize=256)
def losses(scale: float) -> Losses:
    """The renewal process of a hazard ``scale`` times the prior's. Cox, Renewal Theory (1962), chapter 4."""
    ages = age_classes(STEP_S)
    loss, back = prior_hazard(ages)
    steps = int(GRID_H * 3600 / STEP_S)
    at = ages.index(np.arange(steps, dtype=np.float64) * STEP_S)
    chance = 1 - (1 - loss[at]) ** scale
    alive = np.concatenate([[1.0], np.cumprod(1 - chance)])
    died = alive[:-1] - alive[1:]
    renewals = np.zeros(steps + 1)
    for k in range(1, steps + 1):
        renewals[k] = died[k - 1] + died[: k - 1] @ renewals[k - 1 : 0 : -1]
    mean, variance = _life(alive, float(chance[-1]))
    gone = np.concatenate([[1.0], np.cumprod(1 - back[at])])
    down, down_variance = _life(gone, float(back[at][-1]))
    expected = np.cumsum(renewals)
    second = expected + 2 * np.convolve(renewals, expected)[: steps + 1]
    return Losses(
        mean_up_h=mean,
        spread=variance / mean**2,
        mean_down_h=down,
        down_spread=down_variance / down**2,
        expected=expected,
        variance=second - expected**2,
        gone=1 - alive,
        lost_young_h=np.concatenate(
            [[0.0], np.cumsum((np.arange(steps) + 0.5) * died) * STEP_S / SECONDS_PER_HOUR]
        ),
        chance=chance,
    )


def _life(alive: Floats, last: float) -> tuple[float, float]:
    """Mean and variance in hours of a life with these chances to be alive, constant hazard at the end."""
    step, n = STEP_S / 3600, len(alive) - 1
    k = np.arange(n)
    tail = alive[-1]
    mean = (alive[:-1].sum() + tail / last) * step
    second = ((2 * k + 1) * alive[:-1]).sum() + tail * ((2 * n + 1) / last + 2 * (1 - last) / last**2)
    return float(mean), float(second * step**2 - mean**2)
