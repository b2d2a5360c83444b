"""Top movers: whose cost changed most against the same number of days before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from shoestring.domain.units import money
from shoestring.ledger.budgets import Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """What one team, experiment ... cost in the days looked at and in those before. ``key`` None: no label."""

    dimension: str
    key: str | None
    before_usd: Decimal
    now_usd: Decimal

    @property
    def change_usd(self) -> Decimal:
        """Positive: it costs more than before."""
        return self.now_usd - self.before_usd


def movers(
    spending: Iterable[Spending], *, since: date, until: date, dimensions: Sequence[str], each: int = 3
) -> tuple[Mover, ...]:
    """The largest changes between ``[since, until)`` and as many days just before, ``each`` of every dimension.

    Only what moved is told, and nothing where nothing at all is known of the days before: all would be new.
    Dimensions overlap (a team's change is its experiments' change): no sum of these lines means anything.
    """
    before = since - (until - since)
    sums: dict[tuple[str, str | None], list[Decimal]] = {}
    for spent in spending:
        if not before <= spent.day < until:
            continue
        for dimension in dimensions:
            pair = sums.setdefault((dimension, spent.labels.get(dimension)), [money(0), money(0)])
            pair[spent.day >= since] += spent.usd
    found = [
        Mover(dimension=dimension, key=key, before_usd=was, now_usd=now)
        for (dimension, key), (was, now) in sums.items()
        if was != now
    ]
    found.sort(key=lambda m: (-abs(m.change_usd), dimensions.index(m.dimension), m.key or ""))
    if all(was == 0 for was, _ in sums.values()):
        return ()
    ranks: dict[str, int] = {}
    kept = []
    for mover in found:
        ranks[mover.dimension] = ranks.get(mover.dimension, 0) + 1
        if ranks[mover.dimension] <= each:
            kept.append(mover)
    return tuple(kept)
