"""Allocation: whose cost is the cost that names nobody? By rules, in order, conserved to the last step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction

from shoestring.domain.units import money
from shoestring.ledger.split import EXACT, Cuts

Keys = Mapping[str, str | None]
METHODS = ("even", "proportional", "fixed", "slices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How a line came by its share: the rule, its part of what was shared, and what that was measured by.

    Attributes:
        ratio: of the line that was shared out, 0..1. unit, quantity: the driver and how much of it the
            receiver had; None for even and fixed shares.
    """

    rule: str
    ratio: Fraction
    unit: str | None = None
    quantity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """An amount with its dimensions.

    Attributes:
        drivers: what shares may be proportional to, e.g. ``usd``, ``accelerator_hours``, ``energy_kwh``.
        day: when it was used; None where a line stands for many days, which no rule for some days matches.
        also: other amounts of the same line, shared by the same weights, e.g. its list cost or its hours.
        origin: whatever names the line that it is a share of; None where nobody asks.
        sharings: the rules that made this line, in order; empty for a line as it was billed.
    """

    keys: Keys
    usd: Decimal
    drivers: Mapping[str, Decimal] = field(default_factory=dict)
    day: date | None = None
    also: Mapping[str, Decimal] = field(default_factory=dict)
    origin: int | None = None
    sharings: tuple[Sharing, ...] = ()

    def made_by(self, rule: str) -> bool:
        """Whether the rule has shared it out already."""
        return any(s.rule == rule for s in self.sharings)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRule:
    """Where the cost that matches goes.

    Attributes:
        match: dimension -> values of which a line has one; None among them: the line has no such label.
        to: the dimension that gets shared over, e.g. ``team``.
        method: ``even`` over ``targets`` (or everybody who has cost), ``proportional`` to ``driver``,
            ``fixed`` by ``shares``, or ``slices`` of a GPU by ``slices`` (:mod:`shoestring.ledger.gpu_shares`).
        slices: how many of the whole each holds, with the remainder as a holder. unit: what they are slices of.
        since, until: the first day that it holds for, and the first that it does not; None: always.
    """

    name: str
    match: Mapping[str, tuple[str | None, ...]]
    to: str
    method: str
    driver: str = "usd"
    targets: tuple[str, ...] = ()
    shares: Mapping[str, Decimal] = field(default_factory=dict)
    slices: Mapping[str, int] = field(default_factory=dict)
    unit: str | None = None
    since: date | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"rule {self.name}: method {self.method!r}; allowed: {', '.join(METHODS)}")
        if self.method == "slices" and not sum(self.slices.values()) > 0:
            raise ValueError(f"rule {self.name}: slices of nothing")
        if self.method == "fixed" and sum(self.shares.values()) != 1:
            raise ValueError(f"rule {self.name}: shares add up to {sum(self.shares.values())}, not 1")

    def matches(self, line: CostLine) -> bool:
        """Whether a line is to be shared out."""
        return self.holds_on(line.day) and all(
            line.keys.get(dimension) in values for dimension, values in self.match.items()
        )

    def holds_on(self, day: date | None) -> bool:
        """Whether the rule is for this day."""
        if self.since is None and self.until is None:
            return True
        return (
            day is not None
            and (self.since is None or day >= self.since)
            and (self.until is None or day < self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Lines after all rules. ``untouched``: rules that matched cost and found nobody to give it to."""

    lines: tuple[CostLine, ...]
    untouched: tuple[str, ...] = ()


def allocate(lines: Sequence[CostLine], rules: Sequence[AllocationRule]) -> Allocation:
    """Apply the rules in order; each sees what the ones before made. No amount is lost or made.

    A rule's own lines are never shared out again by it, so rules can't loop.
    """
    current = list(lines)
    untouched: list[str] = []
    for rule in rules:
        matched: list[CostLine] = []
        others: list[CostLine] = []
        for line in current:
            mine = not line.made_by(rule.name) and rule.matches(line)
            (matched if mine else others).append(line)
        if not matched:
            continue
        receivers = receivers_of(rule, ((line.keys.get(rule.to), _driver(rule, line)) for line in others))
        if receivers is None:
            untouched.append(rule.name)
            continue
        current = others + [share for line in matched for share in _shares(line, rule.to, receivers)]
    return Allocation(lines=tuple(current), untouched=tuple(untouched))


def total_by(lines: Sequence[CostLine], dimension: str) -> dict[str | None, Decimal]:
    """Sums by one dimension."""
    sums: dict[str | None, Decimal] = {}
    for line in lines:
        key = line.keys.get(dimension)
        sums[key] = sums.get(key, money(0)) + line.usd
    return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """Who gets what a rule shares out: where amounts are cut, and how each came by its part."""

    cuts: Cuts[str]
    sharings: Mapping[str, Sharing]


def receivers_of(rule: AllocationRule, held: Iterable[tuple[str | None, Decimal]]) -> Receivers | None:
    """The receivers of a rule; None where there are none.

    Args:
        held: who has the lines that the rule does not share out, and how much of its driver each line has;
            less than nothing counts as nothing.
    """
    weights = _weights(rule, held)
    if not weights:
        return None
    cuts = Cuts(weights)
    unit = rule.driver if rule.method == "proportional" else rule.unit
    return Receivers(
        cuts=cuts,
        sharings={
            key: Sharing(
                rule=rule.name,
                ratio=cuts.ratios[key],
                unit=unit,
                quantity=None if unit is None else float(weight),
            )
            for key, weight in weights.items()
        },
    )


def _weights(
    rule: AllocationRule, held: Iterable[tuple[str | None, Decimal]]
) -> Mapping[str, Decimal] | Mapping[str, int]:
    if rule.method == "fixed":
        return rule.shares
    if rule.method == "slices":
        return rule.slices
    there: dict[str, Decimal] = {}
    for key, amount in held:
        if key is not None:
            there[key] = EXACT.add(there.get(key, Decimal(0)), max(Decimal(0), amount))
    names = rule.targets or sorted(there)
    if rule.method == "even":
        return dict.fromkeys(names, 1)
    return {key: there[key] for key in names if there.get(key)}


def _driver(rule: AllocationRule, line: CostLine) -> Decimal:
    return line.usd if rule.driver == "usd" else line.drivers.get(rule.driver, Decimal(0))


def _shares(line: CostLine, to: str, receivers: Receivers) -> list[CostLine]:
    # Costs of a line are often the same number: each is divided once.
    amounts = {line.usd, *line.also.values(), *line.drivers.values()}
    shares = {amount: receivers.cuts(amount) for amount in amounts}
    return [
        CostLine(
            keys={**line.keys, to: key},
            usd=shares[line.usd][key],
            drivers={name: shares[amount][key] for name, amount in line.drivers.items()},
            day=line.day,
            also={name: shares[amount][key] for name, amount in line.also.items()},
            origin=line.origin,
            sharings=(*line.sharings, sharing),
        )
        for key, sharing in receivers.sharings.items()
        if any(share[key] for share in shares.values())
    ]
