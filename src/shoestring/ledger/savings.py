"""Savings in three classes that are never added up: on the bill, against a counterfactual, still to be had."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shoestring.domain.units import money
from shoestring.domain.usage import CostPart
from shoestring.ledger.receipt import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledSum:
    """Sums of bill lines of one kind: the three prices of the same use.

    Attributes:
        pricing: FOCUS PricingCategory (Standard, Dynamic, Committed, Other, or empty).
        unused: lines of commitments and reservations that nobody used.
    """

    pricing: str
    unused: bool
    list_usd: Decimal
    contracted_usd: Decimal
    effective_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Realized:
    """What the bill itself shows: list price to price paid, step by step. The steps lead from list to paid."""

    list_usd: Decimal
    negotiated_usd: Decimal
    commitment_usd: Decimal
    spot_usd: Decimal
    other_usd: Decimal
    unused_commitment_usd: Decimal
    paid_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        """Saved in all; unused commitments are taken off."""
        return self.list_usd - self.paid_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Avoided:
    """What finished runs saved against their named baselines, with its range; not on any bill.

    Attributes:
        runs: how many are in it. without_baseline: finished runs whose saving is unknown.
        lost_work_usd, checkpoint_usd: what interruptions cost, already taken off ``usd``.
    """

    usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    runs: int
    without_baseline: int
    lost_work_usd: Decimal
    checkpoint_usd: Decimal
    baselines: tuple[str, ...]


def realized(sums: Iterable[BilledSum]) -> Realized:
    """From list price to what was paid, by three columns of the bill: no estimate is needed.

    Unused commitments have no list price of use: their whole effective cost is a loss of its own step.
    """
    listed = negotiated = commitment = spot = other = unused = paid = money(0)
    for line in sums:
        paid += line.effective_usd
        if line.unused:
            unused += line.effective_usd
            continue
        listed += line.list_usd
        negotiated += line.list_usd - line.contracted_usd
        step = line.contracted_usd - line.effective_usd
        if line.pricing == "Committed":
            commitment += step
        elif line.pricing == "Dynamic":
            spot += step
        else:
            other += step
    return Realized(
        list_usd=listed,
        negotiated_usd=negotiated,
        commitment_usd=commitment,
        spot_usd=spot,
        other_usd=other,
        unused_commitment_usd=unused,
        paid_usd=paid,
    )


def avoided(receipts: Sequence[Receipt]) -> Avoided:
    """The savings of finished runs, each against the baseline that heads its receipt."""
    told = [r for r in receipts if r.saving.usd is not None]
    finished = [r for r in receipts if r.state.value == "succeeded"]
    return Avoided(
        usd=_sum(r.saving.usd for r in told),
        low_usd=_sum(r.saving.low_usd for r in told),
        high_usd=_sum(r.saving.high_usd for r in told),
        runs=len(told),
        without_baseline=len(finished) - len(told),
        lost_work_usd=_sum(r.cost.parts[CostPart.LOST_WORK] for r in told),
        checkpoint_usd=_sum(r.cost.parts[CostPart.CHECKPOINT] for r in told),
        baselines=tuple(sorted({r.baseline.name for r in told if r.baseline is not None})),
    )


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((a for a in amounts if a is not None), money(0))
