"""Where each estimated row stands: open to choice, or out for a doubtful price, its date, its cost, or no look."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoestring.catalog.candidates import Usable
from shoestring.catalog.sanity import suspect
from shoestring.domain.plan import Rejection
from shoestring.planner.frontier import Rows, Scored, Wishes, admissible
from shoestring.workflows.plan_rejections import limits, rejection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """Rows by what holds of them; no row is in two groups.

    Attributes:
        open: may be chosen. doubtful: by price. late, dear: by deadline or patience, and budget.
        unseen: may be taken away, and the policy was not let live through them: their estimate is a bound.
    """

    open: Rows
    doubtful: Rows
    late: Rows
    dear: Rows
    unseen: Rows

    def left_out(self, s: Scored, wishes: Wishes, words: Sequence[str]) -> list[Rejection]:
        """Everything but the open rows, grouped. ``words``: what is doubtful about the doubtful ones."""
        found = limits(s, wishes, self.late, self.dear)
        if len(self.unseen):
            text = "spot that is like what was simulated or can't beat the choice"
            found.append(rejection("not_simulated", s, self.unseen, text, None))
        if len(self.doubtful):
            text = f"doubtful price: {', '.join(words)}"
            found.append(rejection("suspect_price", s, self.doubtful, text, "--allow-suspect"))
        return found


def standing(
    s: Scored, usable: Sequence[Usable], doubtful: Rows, wishes: Wishes, *, simulates: bool
) -> Standing:
    """``simulates``: whether rows that may be taken away must have been lived through to be chosen."""
    fit, late, dear = (np.setdiff1d(rows, doubtful) for rows in admissible(s, wishes))
    seen = np.array([], dtype=np.intp) if s.lived is None else s.lived.rows
    taken = np.array([i for i in fit.tolist() if usable[i].offer.market.preemptible], dtype=np.intp)
    unseen = np.setdiff1d(taken, seen) if simulates else np.array([], dtype=np.intp)
    return Standing(open=np.setdiff1d(fit, unseen), doubtful=doubtful, late=late, dear=dear, unseen=unseen)


def doubts(usable: Sequence[Usable], rows: Rows, flags: Sequence[tuple[str, ...]]) -> list[str]:
    """What is doubtful about the prices of some rows; ``flags`` by row of the catalog."""
    return sorted({word for i in rows.tolist() for word in flags[usable[i].row] if suspect((word,))})
