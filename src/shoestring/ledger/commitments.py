"""Commitments that are too large: what to renew, by the quantile rule."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoestring.domain.units import money
from shoestring.ledger.expected import Expected

LEAST_HOURS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentUse:
    """How a commitment was used, in dollars at its own rates.

    Attributes:
        used_usd: in each hour of the period. unused_usd: paid and not used in each of them.
        ratio: its price over the price without it, 0..1.
    """

    name: str
    used_usd: Sequence[float]
    unused_usd: Sequence[float]
    ratio: float


def best_level(used_usd: Sequence[float], ratio: float) -> float:
    """Dollars an hour to commit to: the (1 - ratio) quantile of what is used.

    A unit pays off if it is used more than ``ratio`` of the time: the newsvendor's critical ratio (Arrow, Harris,
    Marschak, Econometrica 19, 1951), as it is applied to reserved capacity.
    """
    return float(np.quantile(np.asarray(used_usd, dtype=float), 1 - ratio, method="inverted_cdf"))


def cost_at(used_usd: Sequence[float], ratio: float, level: float) -> float:
    """Dollars of the period had the commitment been ``level`` an hour, and the rest been paid without one."""
    used = np.asarray(used_usd, dtype=float)
    return float(level * used.size + np.maximum(0.0, used - level).sum() / ratio)


def not_to_renew(uses: Sequence[CommitmentUse]) -> tuple[Expected, ...]:
    """A recommendation for each commitment that the rule would make smaller.

    The range is what the two halves of the period say, each taken twice and against the level of the whole; use
    above the commitment is not known, so no larger commitment is ever advised here.
    """
    found = []
    for use in uses:
        hours = len(use.used_usd)
        if hours < LEAST_HOURS or not 0 < use.ratio < 1:
            continue
        level = best_level(use.used_usd, use.ratio)
        now = float(np.mean(np.add(use.used_usd, use.unused_usd)))
        if level >= 0.99 * now:
            continue
        halves = sorted(
            2 * _saved(use, part, level) for part in (slice(None, hours // 2), slice(hours // 2, None))
        )
        unused = sum(use.unused_usd) / (now * hours)
        found.append(
            Expected(
                kind="renew_less",
                subject=use.name,
                low_usd=money(str(round(max(0.0, halves[0]), 6))),
                high_usd=money(str(round(max(0.0, halves[1]), 6))),
                reason=f"{unused:.0%} of {now:,.2f} $ an hour was unused; at {use.ratio:.0%} of the price without it, "
                + (f"{level:,.2f} $ an hour would do" if level > 0 else "none of it pays: let it end"),
            )
        )
    return tuple(found)


def _saved(use: CommitmentUse, part: slice, level: float) -> float:
    used = use.used_usd[part]
    return sum(used) + sum(use.unused_usd[part]) - cost_at(used, use.ratio, level)
