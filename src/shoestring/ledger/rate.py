"""Usage to charges: the only place where use gets a price. Decimal throughout; unknown is never 0."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from hashlib import sha256

from shoestring.domain.charge import Charge
from shoestring.domain.errors import PriceUnknown
from shoestring.domain.offer import Price
from shoestring.domain.run import PriceSpan
from shoestring.domain.units import HOURS_PER_MONTH, money
from shoestring.domain.usage import CostPart, PartSpan, UsageKind, UsageRecord

MICROSECOND = timedelta(microseconds=1)
MICROS_PER_SECOND = 1_000_000
MICROS_PER_HOUR = 3600 * MICROS_PER_SECOND
DIGITS = 60  # sums of exact products stay exact; only the last step rounds, to the ledger's 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """Charges, and the use that has no known price (outside the charges, counted)."""

    charges: tuple[Charge, ...]
    unrated: tuple[UsageRecord, ...]


def rate_all(records: Iterable[UsageRecord], rule_version: int = 1) -> Rated:
    """Rate what can be rated; the rest is handed back by name, never priced at 0."""
    charges: list[Charge] = []
    unrated: list[UsageRecord] = []
    for record in records:
        try:
            charges += rate(record, rule_version)
        except PriceUnknown:
            unrated.append(record)
    return Rated(charges=tuple(charges), unrated=tuple(unrated))


def rate(record: UsageRecord, rule_version: int = 1) -> tuple[Charge, ...]:
    """The charges of one usage record: one for each part and price, summing exactly to its cost.

    Compute is billed over its time, rounded up to the offer's granularity and at least its minimum, at the
    price in force at each moment; the time that rounding adds costs the last price and is IDLE. Nodes of a gang
    that were gone for a time cost nothing in it. An instance
    that the provider took back within the offer's free time costs 0.

    Raises:
        PriceUnknown: some of the time has no known price.
    """
    match record.kind:
        case UsageKind.COMPUTE:
            return _rate_compute(record, rule_version)
        case UsageKind.STORAGE:
            return _rate_quantity(record, CostPart.STORAGE, Decimal(HOURS_PER_MONTH), rule_version)
        case UsageKind.EGRESS:
            return _rate_quantity(record, CostPart.EGRESS, Decimal(1), rule_version)


def billable_micros(record: UsageRecord) -> int:
    """Microseconds of one instance that are billed, before any free time."""
    used = (record.end - record.start) // MICROSECOND
    step = max(1, record.billing.granularity_s) * MICROS_PER_SECOND
    least = record.billing.minimum_s * MICROS_PER_SECOND
    return -(-max(used, least) // step) * step


def billed_until(record: UsageRecord) -> datetime:
    """The end of the time that is billed, rounded up as the offer's billing has it."""
    return record.start + billable_micros(record) * MICROSECOND


def is_free(record: UsageRecord) -> bool:
    """Whether the provider took the instance back so early that it charges nothing."""
    free_s = record.billing.free_if_interrupted_within_s
    if free_s is None or not record.interrupted:
        return False
    return record.end - record.start < timedelta(seconds=free_s)


@dataclass(frozen=True, slots=True)
class _Slice:
    """Time of one part at one price."""

    part: CostPart
    price: Price
    start: datetime
    end: datetime
    instances: int
    fraction: Fraction

    @property
    def lived(self) -> int:
        """Microseconds of all instances together."""
        return self.instances * ((self.end - self.start) // MICROSECOND)

    @property
    def micros(self) -> Fraction:
        """The same, of those that are charged: a machine shared with others is charged in part."""
        return self.lived * self.fraction


def _rate_compute(record: UsageRecord, rule_version: int) -> tuple[Charge, ...]:
    billed_end = billed_until(record)
    parts = record.parts or (PartSpan(part=CostPart.COMPUTE, start=record.start, end=record.end),)
    if billed_end > record.end:
        parts = (*parts, PartSpan(part=CostPart.IDLE, start=record.end, end=billed_end))
    slices = list(_slices(parts, record.price_spans, record))
    free = is_free(record)
    amounts: list[Decimal] = []
    with localcontext(prec=DIGITS):
        running, booked = Decimal(0), money(0)
        for piece in slices:
            # Rounding the running total, not each piece: the pieces then sum to the rounded total exactly.
            micros = Decimal(piece.micros.numerator) / Decimal(piece.micros.denominator)
            running += 0 if free else _known(piece.price, record) * micros
            total = money(running / MICROS_PER_HOUR)
            amounts.append(total - booked)
            booked = total
    return _grouped(record, slices, amounts, 0 if free else 1, rule_version)


def _slices(
    parts: tuple[PartSpan, ...], spans: tuple[PriceSpan, ...], record: UsageRecord
) -> Iterator[_Slice]:
    """Parts cut where the price or the number of instances changes. A price holds until the next begins."""
    ordered = sorted(spans, key=lambda s: s.start)
    starts = [s.start for s in ordered]
    if not ordered or starts[0] > record.start:
        raise PriceUnknown(
            f"{record.id}: no price for {record.start.isoformat()}; the use is counted, not charged",
            next_step="give the offer a price with its source and date",
        )
    edges = [edge for n in record.nodes_lost for edge in (n.start, n.end) if edge is not None]
    edges += [edge for share in record.shares for edge in (share.start, share.end)]
    for part in parts:
        at = part.start
        while at < part.end:
            index = bisect_right(starts, at)
            until = min(part.end, starts[index]) if index < len(starts) else part.end
            until = min([until, *(edge for edge in edges if at < edge)])
            gone = sum(n.count for n in record.nodes_lost if n.start <= at and (n.end is None or at < n.end))
            here = (s.fraction for s in record.shares if s.start <= at < s.end)
            fraction = next(here, Fraction(1))
            yield _Slice(part.part, ordered[index - 1].price, at, until, record.instances - gone, fraction)
            at = until


def _grouped(
    record: UsageRecord, slices: list[_Slice], amounts: list[Decimal], billed: int, rule_version: int
) -> tuple[Charge, ...]:
    """One charge for each part and price, in order of first appearance."""
    groups: dict[tuple[CostPart, Price], list[tuple[_Slice, Decimal]]] = {}
    for piece, amount in zip(slices, amounts, strict=True):
        groups.setdefault((piece.part, piece.price), []).append((piece, amount))
    return tuple(
        Charge(
            id=_charge_id(record, part, price, rule_version),
            usage_id=record.id,
            run_id=record.run_id,
            attempt_id=record.attempt_id,
            part=part,
            start=min(piece.start for piece, _ in members),
            end=max(piece.end for piece, _ in members),
            amount_usd=sum((amount for _, amount in members), money(0)),
            price=price,
            seconds=billed * float(sum(piece.micros for piece, _ in members) / MICROS_PER_SECOND),
            fraction=_mean_fraction([piece for piece, _ in members]),
            rule_version=rule_version,
        )
        for (part, price), members in groups.items()
    )


def _mean_fraction(pieces: list[_Slice]) -> float:
    lived = sum(piece.lived for piece in pieces)
    return float(sum(piece.micros for piece in pieces) / lived) if lived else 1.0


def _rate_quantity(
    record: UsageRecord, part: CostPart, per: Decimal, rule_version: int
) -> tuple[Charge, ...]:
    """Storage and egress: a quantity at the price that held when its use began."""
    began = [s for s in record.price_spans if s.start <= record.start]
    if not began:
        raise PriceUnknown(f"{record.id}: no {part.value} price for {record.provider}/{record.region}")
    price = max(began, key=lambda s: s.start).price
    with localcontext(prec=DIGITS):
        amount = money(record.quantity * _known(price, record) / per)
    return (
        Charge(
            id=_charge_id(record, part, price, rule_version),
            usage_id=record.id,
            run_id=record.run_id,
            attempt_id=record.attempt_id,
            part=part,
            start=record.start,
            end=record.end,
            amount_usd=amount,
            price=price,
            rule_version=rule_version,
        ),
    )


def _known(price: Price, record: UsageRecord) -> Decimal:
    if price.usd_per_hour is None:
        raise PriceUnknown(f"{record.id}: {price.source} gave no price as of {price.as_of.isoformat()}")
    return price.usd_per_hour


def _charge_id(record: UsageRecord, part: CostPart, price: Price, rule_version: int) -> str:
    """Stable over re-rating: usage, part, price (its amount, source and date) and rule version."""
    text = f"{price.usd_per_hour}|{price.source}|{price.as_of.isoformat()}|{price.kind}"
    return f"{record.id}/{part}/{sha256(text.encode()).hexdigest()[:12]}/v{rule_version}"
