"""What a finalist really costs: the production policy lives through many modelled markets, and the bill is rated.

The closed form binds a job to its offer and lets it wait there. A policy does better (it switches to guaranteed
capacity before the deadline is lost) and worse (its guard switches early), so finalists that can be taken away
are simulated: same policy code, same rating of the use, made-up markets from the hazard that the closed form
uses. Same seed, same outcomes; all finalists see the same luck.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.offer import Offer
from shoestring.planner.lives import Lives
from shoestring.planner.simulated import Course, SimulatedRun
from shoestring.policies.base import Policy

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """What came of each simulated market; infinite hours where the job did not end.

    Attributes:
        cost_usd, finish_h: of each run. up_h: billed hours. losses: instances taken back.
    """

    cost_usd: Floats
    finish_h: Floats
    up_h: Floats
    losses: NDArray[np.intp]

    def p_before(self, deadline_h: float) -> float:
        """Share of runs that ended in time."""
        return float((self.finish_h <= deadline_h * (1 + 1e-9)).mean())


def rollout(course: Course, policy: Policy, *, samples: int, seed: int) -> Outcomes:
    """Let the policy run the job on ``samples`` made-up markets."""
    lives = Lives.of(course.scale)
    ends = []
    for number in range(samples):
        rng = np.random.default_rng([seed, number])
        ends.append(SimulatedRun(course, policy, lives, rng).live())
    return Outcomes(
        cost_usd=np.array([e.cost_usd for e in ends]),
        finish_h=np.array([e.finish_h for e in ends]),
        up_h=np.array([e.up_h for e in ends]),
        losses=np.array([e.losses for e in ends], dtype=np.intp),
    )


def fallback_for(offer: Offer, guaranteed: Sequence[Offer], prices: Mapping[str, float]) -> Offer | None:
    """The guaranteed offer of the same shape that a job on ``offer`` would switch to: near first, then cheap."""
    same = [
        o
        for o in guaranteed
        if (o.accelerator, o.accelerator_count) == (offer.accelerator, offer.accelerator_count)
    ]
    near = (
        lambda o: (o.provider, o.region) != (offer.provider, offer.region),
        lambda o: o.provider != offer.provider,
    )
    return min(
        same, key=lambda o: (*(far(o) for far in near), prices.get(o.id, math.inf), o.id), default=None
    )
