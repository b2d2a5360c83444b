"""From estimates to an answer: what is left, which to take, what comes second, what it hangs on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.workload import Goal
from shoestring.planner.estimate import Z90, Terms
from shoestring.planner.lived import Lived
from shoestring.planner.screen import Candidates, Estimates, screen
from shoestring.planner.starts import Starts

SURE, Z_SURE = (
    0.95,
    1.6448536269514722,
)  # chance of meeting the deadline that a choice must have; its quantile
SHOWN = 12
PATIENCE, PATIENCE_H = 20.0, 24.0  # a finish beyond so many times the work (and a day) is no way to run a job
Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user asked for: goal, deadline (hours) and budget ($); None for no limit."""

    goal: Goal = Goal.CHEAPEST
    deadline_h: float | None = None
    budget_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scored:
    """Candidates with their estimates; ``ids`` break ties, ``kinds`` tell shapes and markets apart.

    ``starts``: rows of markets with rules about their start (already in ``estimates``); None if there is none.
    ``lived``: what simulation says of some rows (already in ``estimates``); None if none was simulated.
    """

    ids: Sequence[str]
    kinds: Sequence[str]
    candidates: Candidates
    estimates: Estimates
    lived: Lived | None = None
    starts: Starts | None = None

    def shifted(self, candidates: Candidates, terms: Terms) -> "Scored":
        """The same rows with other inputs: the closed form anew, simulated rows moved along."""
        closed = screen(candidates, terms)
        if self.starts is not None:
            closed = self.starts.over(closed, candidates, terms)
        estimates = closed if self.lived is None else self.lived.over(closed)
        return replace(self, candidates=candidates, estimates=estimates)


def score(
    ids: Sequence[str],
    kinds: Sequence[str],
    candidates: Candidates,
    terms: Terms,
    starts: Starts | None = None,
) -> Scored:
    """All candidates estimated."""
    closed = screen(candidates, terms)
    estimates = closed if starts is None else starts.over(closed, candidates, terms)
    return Scored(ids=ids, kinds=kinds, candidates=candidates, estimates=estimates, starts=starts)


def admissible(s: Scored, w: Wishes) -> tuple[Rows, Rows, Rows]:
    """Rows that end (with some patience), in time and within the budget; rows too late; rows too dear."""
    e = s.estimates
    ends = np.isfinite(e.finish_h) & (e.finish_h <= np.maximum(PATIENCE * s.candidates.mid_h, PATIENCE_H))
    in_time = ends if w.deadline_h is None else ends & (e.p_deadline >= SURE)
    cheap = np.full(len(ends), True) if w.budget_usd is None else e.cost_usd <= w.budget_usd
    late, dear = np.flatnonzero(~in_time), np.flatnonzero(in_time & ~cheap)
    return np.flatnonzero(in_time & cheap), late, dear


def surely_by_h(e: Estimates, rows: Rows) -> float:
    """Hours by which the soonest of some rows has ended as surely as a choice must; inf if none ever does.

    The log-normal with the same mean and 90th percentile, read at ``SURE``.
    """
    mean, p90 = e.finish_h[rows], e.p90_finish_h[rows]
    ends = np.isfinite(p90) & np.isfinite(mean) & (mean > 0)
    if not ends.any():
        return math.inf
    mean, p90 = mean[ends], p90[ends]
    sigma = Z90 - np.sqrt(np.maximum(Z90**2 - 2 * np.log(p90 / mean), 0.0))
    return float((mean * np.exp(Z_SURE * sigma - sigma**2 / 2)).min())


def ranked(s: Scored, rows: Rows, goal: Goal) -> list[int]:
    """Rows, best first by the goal; ties by cost, then by id."""
    e = s.estimates

    def key(i: int) -> float:
        cost, hours = float(e.cost_usd[i]), float(e.finish_h[i])
        return {Goal.CHEAPEST: cost, Goal.FASTEST: hours, Goal.BALANCED: cost * hours}[goal]

    return sorted(rows.tolist(), key=lambda i: (round(key(i), 6), round(float(e.cost_usd[i]), 6), s.ids[i]))


def second(s: Scored, order: list[int]) -> int | None:
    """The best that is another kind (shape, provider or market) than the first; else the next; else None."""
    others = [i for i in order[1:] if s.kinds[i] != s.kinds[order[0]]]
    return next(iter([*others, *order[1:]]), None)


def frontier(s: Scored, rows: Rows) -> list[int]:
    """Rows that no other beats in both expected cost and P90 finish, and the best of each kind, by cost."""
    e = s.estimates
    by_cost = sorted(
        rows.tolist(),
        key=lambda i: (round(float(e.cost_usd[i]), 6), round(float(e.p90_finish_h[i]), 6), s.ids[i]),
    )
    front, seen, soonest = [], set(), math.inf
    kinds = []
    for i in by_cost:
        if e.p90_finish_h[i] < soonest * (1 - 1e-9):
            front.append(i)
            soonest = e.p90_finish_h[i]
        elif s.kinds[i] not in seen:
            kinds.append(i)
        seen.add(s.kinds[i])
    kept = [*front[:SHOWN], *kinds[: max(SHOWN - len(front), 0)]]
    return sorted(kept, key=by_cost.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One input changed: what the chosen row costs then, and which row would be chosen."""

    input: str
    change: str
    cost_usd: float
    best: int


def shifts(s: Scored, rows: Rows, chosen: int, terms: Terms, w: Wishes) -> tuple[Shift, ...]:
    """What the answer hangs on, largest effect on the cost first."""
    c = s.candidates
    dearer = c.price_usd_per_hour.copy()
    dearer[chosen] *= 1.2
    changed = [
        ("price", "+20 % on the chosen offer", replace(c, price_usd_per_hour=dearer)),
        ("work", "high end of the range", replace(c, mid_h=c.high_h)),
        ("work", "low end of the range", replace(c, mid_h=c.low_h)),
    ]
    if (c.scale[rows] > 0).any():
        changed.append(("hazard", "preemptions twice as frequent", replace(c, scale=c.scale * 2)))
    found = []
    for name, text, other in changed:
        again = s.shifted(other, terms)
        left, _, _ = admissible(again, w)
        order = ranked(again, np.intersect1d(left, rows), w.goal)
        cost = float(again.estimates.cost_usd[chosen])
        found.append(Shift(input=name, change=text, cost_usd=cost, best=order[0] if order else chosen))
    base = float(s.estimates.cost_usd[chosen])
    return tuple(sorted(found, key=lambda f: -abs(f.cost_usd - base)))


def probe_saves(s: Scored, rows: Rows, chosen: int, shapes: Sequence[object], terms: Terms) -> float:
    """Most dollars that knowing the work could save: another shape at its low end against the chosen one.

    0 when no other shape can win; an upper bound on what a probe is worth, not its expected value.
    """
    ruled = set() if s.starts is None else {start.row for start in s.starts.of}
    free = [i for i in rows.tolist() if i not in ruled]
    others = np.array([i for i in free if shapes[i] != shapes[chosen]], dtype=np.intp)
    if not len(others):
        return 0.0
    best = screen(replace(s.candidates, mid_h=s.candidates.low_h).pick(others), terms).cost_usd.min()
    return max(0.0, float(s.estimates.cost_usd[chosen] - best))
