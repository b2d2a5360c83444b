"""What a data or model lever saved: the machine-hours that were not needed, at the price really paid for the others.

The price is the mean of what the run paid for an hour of its machines, after discounts, commitments and spot. So the
dollars that spot took off are nobody's twice: hours that were never bought have no list price on any bill.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from shoestring.domain.lever import LeverKind, LeverVerdict
from shoestring.domain.units import money
from shoestring.domain.usage import CostPart, UsageKind, UsageRecord
from shoestring.ledger.rate import billable_micros
from shoestring.ledger.receipt import Receipt

MICROS_PER_HOUR = 3_600_000_000
STATED = "STATED"
MACHINE_PARTS = (CostPart.COMPUTE, CostPart.IDLE, CostPart.CHECKPOINT, CostPart.LOST_WORK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a run's machines did.

    Attributes:
        useful_h, held_h: machine-hours in steps that count, and in all (as billed). exact.
        usd: paid for them; None if some have no known price.
        low_usd_per_hour, high_usd_per_hour: the prices that were in force; None if unknown.
        hardware: accelerators (or the machine where there are none) and how many a machine has.
    """

    useful_h: Fraction
    held_h: Fraction
    usd: Decimal | None
    low_usd_per_hour: Decimal | None
    high_usd_per_hour: Decimal | None
    hardware: frozenset[tuple[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverAmount:
    """Dollars with their range, and the hours and the price behind them (None where dollars were stated)."""

    usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    hours_saved: float | None = None
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverSum:
    """Verdicts added up."""

    usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    verdicts: int


def work_of(paid: Receipt) -> Work:
    """The work of a run; a billed run's dollars are the bill's."""
    machines = [u for u in paid.usage if u.kind is UsageKind.COMPUTE]
    parts = [paid.cost.parts[p] for p in MACHINE_PARTS]
    metered = None if any(p is None for p in parts) else sum((p for p in parts if p is not None), money(0))
    prices = [p for a in paid.attempts for p in (a.price_low_usd_per_hour, a.price_high_usd_per_hour)]
    known = [p for p in prices if p is not None]
    return Work(
        useful_h=sum((_useful_h(u) for u in machines), Fraction(0)),
        held_h=sum(
            (Fraction(billable_micros(u) * u.instances, MICROS_PER_HOUR) for u in machines), Fraction(0)
        ),
        usd=metered if paid.billed_usd is None else paid.billed_usd,
        low_usd_per_hour=min(known, default=None),
        high_usd_per_hour=max(known, default=None),
        hardware=frozenset(
            (a.attempt.offer.accelerator or a.attempt.offer.instance_type, a.attempt.offer.accelerator_count)
            for a in paid.attempts
        ),
    )


def against_run(own: Work, reference: Work) -> LeverAmount:
    """What a run saved against another one that did without the lever, in hours of the same hardware.

    Useful hours are compared, so that neither run's bad luck with preemptions counts. The range takes the hours held
    instead of the useful ones, and the lowest and the highest price that was in force.

    Raises:
        ValueError: the hardware differs, nothing useful was done, or a price is unknown.
    """
    if own.hardware != reference.hardware:
        names = (
            ", ".join(sorted(f"{n:g} {a}" for a, n in w.hardware)) or "nothing" for w in (own, reference)
        )
        raise ValueError(f"hours on {' and on '.join(names)} can't be compared")
    return _amount(own, reference.useful_h, reference.held_h)


def against_plan(own: Work, planned: float, done: float) -> LeverAmount:
    """What a run saved by doing ``done`` of the ``planned`` units; the rest would have taken as long for each.

    Raises:
        ValueError: nothing was done, or no less than planned; nothing useful, or a price is unknown.
    """
    if not 0 < done < planned:
        raise ValueError(f"{done:g} done of {planned:g} planned leaves nothing saved")
    factor = Fraction(planned) / Fraction(done)
    return _amount(own, own.useful_h * factor, own.held_h * factor)


def less_spent(amount: LeverAmount, spent_usd: Decimal) -> LeverAmount:
    """The same with what the lever itself cost taken off."""
    return LeverAmount(
        usd=amount.usd - spent_usd,
        low_usd=amount.low_usd - spent_usd,
        high_usd=amount.high_usd - spent_usd,
        hours_saved=amount.hours_saved,
        usd_per_hour=amount.usd_per_hour,
    )


def lever_sum(verdicts: Iterable[LeverVerdict], kind: LeverKind | None = None) -> LeverSum:
    """Verdicts of one kind, or all. A run has one verdict at most, so nothing is in it twice."""
    told = [v for v in verdicts if kind is None or v.kind is kind]
    return LeverSum(
        usd=sum((v.usd for v in told), money(0)),
        low_usd=sum((v.low_usd for v in told), money(0)),
        high_usd=sum((v.high_usd for v in told), money(0)),
        verdicts=len(told),
    )


def _amount(own: Work, useful_h: Fraction, held_h: Fraction) -> LeverAmount:
    low, high = own.low_usd_per_hour, own.high_usd_per_hour
    if own.useful_h <= 0 or own.held_h <= 0 or useful_h <= 0:
        raise ValueError("no useful hours were metered")
    if own.usd is None or low is None or high is None:
        raise ValueError("some of the run's use has no known price")
    mean = Fraction(own.usd) / own.held_h
    hours = useful_h - own.useful_h
    bounds = [h * p for h in (hours, held_h - own.held_h) for p in (mean, Fraction(low), Fraction(high))]
    return LeverAmount(
        usd=_money(hours * mean),
        low_usd=_money(min(bounds)),
        high_usd=_money(max(bounds)),
        hours_saved=float(hours),
        usd_per_hour=_money(mean),
    )


def _useful_h(record: UsageRecord) -> Fraction:
    good = sum((p.end - p.start).total_seconds() * 1e6 for p in record.parts if p.part is CostPart.COMPUTE)
    return Fraction(round(good) * record.instances, MICROS_PER_HOUR)


def _money(exact: Fraction) -> Decimal:
    return money(Decimal(round(exact * 10**12)).scaleb(-12))
