"""How often to save: Young's and Daly's rule with the hazard that holds at the instance's age.

An instance that came up a minute ago is likelier to be lost soon than one that has run for a day, so it
should save more often. Sources: Young, CACM 17(9), 1974; Daly, Future Generation Computer Systems 22(3),
2006, equation (20), higher-order estimate for a save that is short against the lifetime.
"""

import math

from shoestring.market.memory import Memory

LONGEST_S = 3600.0  # save at least so often: failures that no market explains happen too
SHORTEST_SAVES = 4.0  # of a short interval, saving may take no more than a quarter


def interval_s(save_s: float, lifetime_s: float) -> float:
    """Seconds of work between two saves that lose the least time to saving and redoing.

    Args:
        save_s: how long training stands still for a save; above 0.
        lifetime_s: mean time until the instance is lost, from now on.

    >>> round(interval_s(10, 53 * 60)), round(interval_s(10, 13 * 3600))
    (246, 961)
    """
    if not (save_s > 0 and lifetime_s > 0):
        raise ValueError(f"save of {save_s} s, lifetime of {lifetime_s} s: both must be above 0")
    if save_s >= 2 * lifetime_s:  # Daly: nothing helps any more; save whenever the last save is over
        best = lifetime_s
    else:
        ratio = math.sqrt(save_s / (2 * lifetime_s))
        best = math.sqrt(2 * save_s * lifetime_s) * (1 + ratio / 3 + ratio**2 / 9) - save_s
    return min(max(best, SHORTEST_SAVES * save_s), max(LONGEST_S, SHORTEST_SAVES * save_s))


def lifetime_s(hazard_per_step: float, step_s: float) -> float:
    """Mean time to a loss while the hazard stays what it is now."""
    return step_s / max(hazard_per_step, 1e-9)


def due_s(save_s: float, memory: Memory, hazard_per_step: list[float], zone: int) -> float:
    """Interval for an instance in a zone at its present age.

    Args:
        hazard_per_step: chance of a loss per step by age class, of that zone.
    """
    age = int(memory.ages.index(memory.age_s)[zone])
    return interval_s(save_s, lifetime_s(hazard_per_step[age], memory.ages.step_s))


def overhead_share(save_s: float, every_s: float, lifetime: float) -> float:
    """Share of time lost to saves and to redoing what was not saved: save/interval + interval/(2 lifetime)."""
    return save_s / every_s + every_s / (2 * lifetime)
