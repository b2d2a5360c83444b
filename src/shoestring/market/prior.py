"""The pooled prior: chance per hour that a zone's state ends, by how long it has lasted.

The numbers are written by ``bench/fit_prior.py``, which alone knows the traces. Recordings sampled at a
longer distance miss short interruptions, so the chance depends on the sampling distance too.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shoestring.market import prior_data
from shoestring.market.ages import AgeClasses, age_classes

RARE, CERTAIN = 1e-4, 0.95  # no chance per step is taken to be below or above


@lru_cache(maxsize=16)
def _of_step(step_s: float) -> NDArray[np.float64]:
    ages = age_classes(step_s)
    at = np.log(ages.middle_s())
    sampled = np.log(prior_data.SAMPLED_S)
    per_hour = np.empty((2, len(sampled), ages.count))
    for state, tables in enumerate((prior_data.LOSS_PER_HOUR, prior_data.RETURN_PER_HOUR)):
        for i, table in enumerate(tables):
            per_hour[state, i] = np.interp(at, np.log(prior_data.AGE_S[i]), np.log(table))
    where = float(np.clip(np.log(step_s), sampled[0], sampled[-1]))
    right = int(np.clip(np.searchsorted(sampled, where), 1, len(sampled) - 1))
    share = (where - sampled[right - 1]) / (sampled[right] - sampled[right - 1])
    log_rate = (1 - share) * per_hour[:, right - 1] + share * per_hour[:, right]
    chance: NDArray[np.float64] = np.clip(1 - np.exp(-np.exp(log_rate) * step_s / 3600), RARE, CERTAIN)
    chance.flags.writeable = False
    return chance


def prior_hazard(ages: AgeClasses) -> NDArray[np.float64]:
    """Chance per step that the state ends, shape (2, classes): [0] loss while up, [1] return while down."""
    return _of_step(ages.step_s)
