"""Cost by several labels at once, small enough to carry about: what a reader drills into."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shoestring.domain.units import money
from shoestring.ledger.budgets import Spending

SMALLER = "(smaller ones)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Dollars that carry the same labels; a label of None: there is none."""

    labels: tuple[str | None, ...]
    usd: Decimal


def breakdown(spending: Iterable[Spending], dimensions: Sequence[str], most: int = 2000) -> tuple[Cell, ...]:
    """Cells in falling order of cost; their sum is the sum of ``spending``, to the last step.

    Args:
        most: cells kept as they are. The rest keep their first label only and are ``(smaller ones)`` in others.
    """
    sums: dict[tuple[str | None, ...], Decimal] = {}
    for spent in spending:
        labels = tuple(spent.labels.get(dimension) for dimension in dimensions)
        sums[labels] = sums.get(labels, money(0)) + spent.usd
    cells = _ordered(sums)
    rest: dict[tuple[str | None, ...], Decimal] = {}
    for cell in cells[most:]:
        labels = (cell.labels[0], *(SMALLER for _ in dimensions[1:]))
        rest[labels] = rest.get(labels, money(0)) + cell.usd
    return (*cells[:most], *_ordered(rest))


def _ordered(sums: dict[tuple[str | None, ...], Decimal]) -> list[Cell]:
    cells = [Cell(labels=labels, usd=usd) for labels, usd in sums.items()]
    return sorted(cells, key=lambda c: (-abs(c.usd), tuple(label or "" for label in c.labels)))
