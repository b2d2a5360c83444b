"""The deadline guard: pure arithmetic on unrounded numbers that any policy can put its wishes through.

A run can still be in time as long as a switch to guaranteed capacity, begun at the next decision, would be.
The worst that can happen until then: the instance is lost right after this decision, with all that was not
saved; the next decision comes ``poll_gap_s`` later; the switch costs ``Bounds.switch_s``; then the work that
is left is done without a break. So nothing but guaranteed capacity may be chosen once

    time left < work left + work at risk + poll gap + switch                              (1)

Work at risk is what has not been saved now, plus what may be done, unsaved, before the next decision (at
most one poll gap: the gap then passes without a gain). If (1) is false at every decision, the switch, begun
at the latest when (1) first turns true, ends the job in time: by induction over decisions, time left falls
by at most one poll gap between two of them, while the right-hand side never grows by more than the gap's
unsaved work, which it already counts. The guarantee holds within the stated bounds and while guaranteed
capacity can be had; a lateness beyond them is reported by cause.
"""

from datetime import datetime

from shoestring.domain.fleet import RunView
from shoestring.domain.offer import Offer


def slack_s(run: RunView, guaranteed: Offer | None, now: datetime, *, extra_s: float = 0.0) -> float | None:
    """Seconds by which inequality (1) is still false; negative once the switch is due.

    Args:
        guaranteed: where the run would be switched to; None if there is no such offer.
        extra_s: time the plan at hand would burn first, e.g. the restart of a spot attempt.

    Returns:
        None without a deadline. Minus infinity when there is a deadline but the work left on the guaranteed
        offer is unknown or there is no such offer: what can't be bounded must not be risked.
    """
    time_left = run.time_left_s(now)
    if time_left is None:
        return None
    work_left = None if guaranteed is None else run.work_left_on(guaranteed)
    if work_left is None:
        return float("-inf")
    bounds = run.bounds
    at_risk = run.checkpoint_age_s if run.attempt is not None else 0.0
    return time_left - (work_left + at_risk + bounds.poll_gap_s + bounds.switch_s + extra_s)
