"""Allocation of many lines at once: those that no rule can tell apart go the same ways, and the ways are found here.

:mod:`shoestring.ledger.allocate` says what a rule does, line by line; this is the same for kinds of lines, so that an
engine can do the arithmetic on millions of them. A tree: a kind of lines is its root, what a rule gives to each
receiver a branch, and what no rule shares out any further a leaf.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from shoestring.ledger.allocate import AllocationRule, Keys, Receivers, Sharing, receivers_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Lines that no rule can tell apart, or their shares of one way.

    Attributes:
        month: only lines of the same month share among themselves.
        keys: the labels that rules share over, and others that they look at.
        may: the rules, by place, whose other conditions (day, account, service ...) these lines meet.
        parent: the kind that it is shares of, cut from ``low`` to ``high`` of ``total``; None for lines as billed.
    """

    number: int
    month: str
    keys: Keys
    may: frozenset[int]
    parent: int | None = None
    low: int = 0
    high: int = 1
    total: int = 1
    sharings: tuple[Sharing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What rules make of kinds of lines.

    Attributes:
        shared: kinds that were shared out, by number; their children are all lines now.
        leaves: shares that stay as they are.
        untouched: rules that matched cost and found nobody to give it to in some month.
    """

    shared: frozenset[int]
    leaves: tuple[Kind, ...]
    untouched: tuple[str, ...]


# Of kinds: how much of each driver they hold, line by line, where less than nothing is nothing; a kind is left out
# where none of its lines has any amount.
Measure = Callable[[Sequence[Kind]], Mapping[int, Mapping[str, Decimal]]]


@dataclass(slots=True)
class _Growth:
    kinds: list[Kind]
    held: dict[int, Mapping[str, Decimal]]
    shared: set[int] = field(default_factory=set)
    untouched: dict[str, None] = field(default_factory=dict)


def grow(
    roots: Iterable[Kind],
    held: Mapping[int, Mapping[str, Decimal]],
    rules: Sequence[AllocationRule],
    measure: Measure,
) -> Tree:
    """Apply the rules in order; each sees what the ones before made.

    Args:
        roots: numbered from 0. held: their drivers, as ``measure`` tells those of shares.
        measure: asked once for each rule but the last, about the kinds that it made.
    """
    growth = _Growth(list(roots), dict(held))
    numbers = itertools.count(1 + max((kind.number for kind in growth.kinds), default=-1))
    for place, rule in enumerate(rules):
        made: list[Kind] = []
        others: list[Kind] = []
        matched: dict[str, list[Kind]] = {}
        for kind in growth.kinds:
            if _matches(kind, place, rule):
                matched.setdefault(kind.month, []).append(kind)
            else:
                others.append(kind)
        for month, kinds in sorted(matched.items()):
            here = ((k.keys.get(rule.to), growth.held[k.number].get(rule.driver, Decimal(0)))
                    for k in others if k.month == month)  # fmt: skip
            receivers = receivers_of(rule, here)
            if receivers is None:
                growth.untouched[rule.name] = None
                others += kinds
                continue
            growth.shared |= {kind.number for kind in kinds}
            made += _children(kinds, rule, receivers, numbers)
        if made and place + 1 < len(rules):
            told = measure(made)
            growth.held |= told
            made = [kind for kind in made if kind.number in told]
        growth.kinds = others + made
    return Tree(
        shared=frozenset(growth.shared),
        leaves=tuple(kind for kind in growth.kinds if kind.sharings),
        untouched=tuple(growth.untouched),
    )


def _matches(kind: Kind, place: int, rule: AllocationRule) -> bool:
    return (
        place in kind.may
        and not any(s.rule == rule.name for s in kind.sharings)
        and all(kind.keys[name] in values for name, values in rule.match.items() if name in kind.keys)
    )


def _children(
    kinds: Sequence[Kind], rule: AllocationRule, receivers: Receivers, numbers: Iterator[int]
) -> Iterator[Kind]:
    for kind in kinds:
        for key, sharing in receivers.sharings.items():
            low, high = receivers.cuts.bounds[key]
            yield Kind(
                number=next(numbers),
                month=kind.month,
                keys={**kind.keys, rule.to: key},
                may=kind.may,
                parent=kind.number,
                low=low,
                high=high,
                total=receivers.cuts.total,
                sharings=(*kind.sharings, sharing),
            )
