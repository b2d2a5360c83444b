"""Age classes: how long a zone has been up (or down) is what best tells how long it will stay so.

Work is in seconds; a *step* is the time between two decisions of the planning model.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

GROWTH = 1.6  # each class is so many times longer than the one before
FIRST_CLASSES = 4  # the first ages are told apart step by step: that is where most runs end
LONGEST_H = 30.0  # beyond this age the hazard is taken as constant


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgeClasses:
    """Classes of age, in seconds since the state began.

    Attributes:
        step_s: length of a step.
        from_s: youngest age of each class, ascending from 0; the last class has no end.
        to_s: age at which each class ends; infinite for the last.
        advance: probability per step of growing into the next class; 0 in the last.
    """

    step_s: float
    from_s: NDArray[np.float64]
    to_s: NDArray[np.float64]
    advance: NDArray[np.float64]

    @property
    def count(self) -> int:
        return len(self.from_s)

    def index(self, age_s: NDArray[np.float64]) -> NDArray[np.intp]:
        """Class of each age; half a second of tolerance keeps sums of steps in their class."""
        return self.from_s.searchsorted(age_s + 0.5, side="right") - 1

    def middle_s(self) -> NDArray[np.float64]:
        """A typical age of each class: the middle; the last class is taken as long as the one before."""
        ends = np.append(self.from_s[1:], 2 * self.from_s[-1] - self.from_s[-2])
        return np.asarray((self.from_s + ends) / 2, dtype=np.float64)


@lru_cache(maxsize=16)
def age_classes(step_s: float) -> AgeClasses:
    """The classes for a step: single steps first, then growing by ``GROWTH`` up to ``LONGEST_H``.

    >>> [round(s / 600) for s in age_classes(600.0).from_s]
    [0, 1, 2, 3, 5, 8, 13, 21, 34, 54, 86, 138, 221]
    """
    if not step_s > 0:
        raise ValueError(f"a step of {step_s} s; decisions need a positive distance")
    steps = list(range(FIRST_CLASSES))
    while steps[-1] * step_s < LONGEST_H * 3600:
        steps.append(max(steps[-1] + 1, round(steps[-1] * GROWTH)))
    from_s = np.array(steps, float) * step_s
    advance = np.zeros(len(steps))
    advance[:-1] = step_s / np.diff(from_s)
    to_s = np.append(from_s[1:], np.inf)
    from_s.flags.writeable = to_s.flags.writeable = advance.flags.writeable = False
    return AgeClasses(step_s=step_s, from_s=from_s, to_s=to_s, advance=advance)
