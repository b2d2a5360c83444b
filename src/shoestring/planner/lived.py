"""Estimates of some rows by simulation, laid over the closed form's, also when an input is shifted a little."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from shoestring.planner.screen import Estimates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lived:
    """What simulation says of some rows.

    Attributes:
        rows: which. values: simulated, in that order. base: what the closed form said of them then.
    """

    rows: NDArray[np.intp]
    values: Estimates
    base: Estimates

    def over(self, closed: Estimates) -> Estimates:
        """The closed form's estimates with the simulated rows' own in their place.

        Where an input was shifted since, the simulated value moves by the closed form's ratio; the chance of
        being in time stays, since it is the policy that keeps it. Where the closed form has no finite value
        (spot alone would never end) the simulated one stands as it is.
        """
        found = {}
        for f in fields(Estimates):
            column = getattr(closed, f.name).copy()
            value, before, now = (
                getattr(self.values, f.name),
                getattr(self.base, f.name),
                column[self.rows],
            )
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = now / before
            usable = np.isfinite(ratio) & np.isfinite(before) & (before > 0) & (f.name != "p_deadline")
            column[self.rows] = value * np.where(usable, ratio, 1.0)
            found[f.name] = column
        return Estimates(**found)
