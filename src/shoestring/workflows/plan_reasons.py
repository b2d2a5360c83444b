"""Why this option: a sentence for the choice and its runner-up, what it hangs on, what a probe would buy."""

import math

from shoestring.catalog.candidates import Usable
from shoestring.domain.plan import Option, Sensitivity
from shoestring.domain.workload import Goal
from shoestring.planner.estimate import Terms
from shoestring.planner.frontier import Rows, Scored, Wishes, probe_saves, shifts


def reasons(
    s: Scored, order: list[int], runner_up: int | None, baseline: Option | None, wishes: Wishes, goal: Goal
) -> dict[int, str]:
    """By row. ``order``: rows that may be chosen, best first; empty if there is none."""
    if not order:
        return {}
    cost, best = s.estimates.cost_usd, float(s.estimates.cost_usd[order[0]])
    text = f"{goal} of {len(order)} offers that may be used"
    if wishes.deadline_h is not None:
        text += f"; in time with {s.estimates.p_deadline[order[0]]:.0%}"
    if baseline and baseline.expected_cost_usd and baseline.expected_cost_usd > best * 1.005:
        text += f"; {1 - best / baseline.expected_cost_usd:.0%} below the file as it stands"
    found = {order[0]: text}
    if runner_up is not None:
        more = float(cost[runner_up]) - best
        share = f"{more / best:+.0%}" if best > 0 else f"{more:+.2f} $"
        found[runner_up] = f"runner-up: {share} in cost"
    return found


def sensitivity(
    s: Scored, rows: Rows, chosen: int | None, terms: Terms, wishes: Wishes
) -> tuple[Sensitivity, ...]:
    """What the choice hangs on, largest effect first."""
    if chosen is None:
        return ()
    return tuple(
        Sensitivity(input=f.input, change=f.change, cost_usd=round(f.cost_usd, 4), chosen=s.ids[f.best])
        for f in shifts(s, rows, chosen, terms, wishes)
        if math.isfinite(f.cost_usd)
    )


def probe_worth_usd(
    s: Scored, rows: Rows, chosen: int | None, usable: tuple[Usable, ...], terms: Terms
) -> float | None:
    """The most that one more probe could save; None where nothing is chosen."""
    if chosen is None:
        return None
    shapes = [(u.offer.accelerator, u.offer.accelerator_count) for u in usable]
    return round(probe_saves(s, rows, chosen, shapes, terms), 4)
