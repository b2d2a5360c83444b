"""How often to look at a market where a look costs something.

Looking every T hours costs ``probe / T`` an hour, and a change is found half of T late on average, which costs
``changes x saving x T / 2`` an hour. The sum is least at T = sqrt(2 probe / (changes x saving)): the rule of the
economic order quantity (Harris, Factory 10(2), 1913), with looks for orders.
"""

import math

LONGEST_S = 3600.0  # a market that never changed is still looked at once an hour
PRIOR_CHANGES, PRIOR_H = 1.0, 2.0  # what is assumed before anything was seen: a change every two hours


def interval_s(
    probe_usd: float, saving_usd_per_hour: float, changes: int, watched_h: float, *, shortest_s: float
) -> float:
    """Seconds between two looks that cost the least, together with what is missed in between.

    Args:
        probe_usd: what a look costs, its time counted in money; 0: looking is free.
        saving_usd_per_hour: what knowing of a change is worth at most, an hour.
        changes: seen so far in ``watched_h`` hours.
        shortest_s: as often as the loop turns.

    >>> round(interval_s(0.01, 2.0, 10, 18.0, shortest_s=60.0))
    485
    >>> interval_s(0.0, 2.0, 10, 18.0, shortest_s=60.0)
    60.0
    """
    if probe_usd < 0 or saving_usd_per_hour < 0:
        raise ValueError(
            f"a look for {probe_usd} $ that saves {saving_usd_per_hour} $/h: neither may be negative"
        )
    if probe_usd == 0:
        return shortest_s
    per_hour = (changes + PRIOR_CHANGES) / (watched_h + PRIOR_H)
    worth = per_hour * saving_usd_per_hour
    best_s = LONGEST_S if worth <= 0 else 3600.0 * math.sqrt(2 * probe_usd / worth)
    return min(max(best_s, shortest_s), max(LONGEST_S, shortest_s))
