"""Luck: how long a zone stays up and down, a job takes, a machine boots, drawn as the closed form has them."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.plan import WorkRange
from shoestring.market.ages import age_classes
from shoestring.market.prior import prior_hazard
from shoestring.planner.estimate import Z90
from shoestring.planner.hazard import GRID_H, STEP_S, losses

Floats = NDArray[np.float64]
STEP_H = STEP_S / 3600
BEFORE_H = 240.0  # a market is old when a job comes: it has lived so long already


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lives:
    """Chances per step, by age, that a zone goes down (``loss``) and comes back (``back``)."""

    loss: Floats
    back: Floats
    mean_up_h: float

    @classmethod
    def of(cls, scale: float) -> "Lives":
        """Of a hazard so many times the prior's; 0 is never lost."""
        return _lives(scale)

    def intervals(self, rng: np.random.Generator, hours: float) -> Floats:
        """Up-intervals that end after hour 0, as rows (from, to), until after ``hours``.

        The process starts long before hour 0, so the first interval is one under way, as a job finds it.
        """
        if not self.loss.any():
            return np.array([[-BEFORE_H, np.inf]])
        rows: list[Floats] = []
        at = -BEFORE_H
        while at <= hours:
            ups, downs = _draw(self.loss, rng, 64), _draw(self.back, rng, 64)
            ends = at + np.cumsum(ups + downs)
            rows.append(np.column_stack([ends - ups, ends]))
            at = float(ends[-1])
        found = np.concatenate(rows)
        return found[found[:, 1] > 0]


@lru_cache(maxsize=64)
def _lives(scale: float) -> Lives:
    steps = int(GRID_H * 3600 / STEP_S)
    if scale <= 0:
        return Lives(loss=np.zeros(1), back=np.ones(1), mean_up_h=np.inf)
    ages = age_classes(STEP_S)
    back = prior_hazard(ages)[1][ages.index(np.arange(steps, dtype=np.float64) * STEP_S)]
    process = losses(scale)
    return Lives(loss=process.chance, back=back, mean_up_h=process.mean_up_h)


def _draw(chance: Floats, rng: np.random.Generator, count: int) -> Floats:
    """Lengths in hours of states that end with these chances per step; the last chance holds ever after."""
    alive = np.cumprod(1 - chance)
    luck = rng.random(count)
    steps = np.searchsorted(-alive, -luck, side="left").astype(float)
    beyond = luck < alive[-1]
    if beyond.any():
        more = np.log(luck[beyond] / alive[-1]) / np.log1p(-chance[-1])
        steps[beyond] = len(chance) + np.floor(more)
    return (steps + rng.random(count)) * STEP_H


def drawn_work_h(work: WorkRange, rng: np.random.Generator) -> float:
    """Hours of work: log-normal on either side of a median, as wide as the range; its mean is the range's middle."""
    draw = float(rng.normal())
    down, up = (abs(math.log(end / work.mid_h)) / Z90 for end in (work.low_h, work.high_h))
    mean = sum(
        math.exp(s**2 / 2) * (1 + math.erf(sign * s / math.sqrt(2))) / 2 for s, sign in ((up, 1), (down, -1))
    )
    return float(work.mid_h * math.exp(draw * (up if draw > 0 else down)) / mean)


def positive(mean: float, spread: float, rng: np.random.Generator) -> float:
    """Log-normal with this mean and relative standard deviation."""
    sigma2 = math.log1p(spread**2)
    return mean * math.exp(float(rng.normal()) * math.sqrt(sigma2) - sigma2 / 2)
