"""What a receipt's figures rest on: the sources and ages of its prices, the reach of its energy meter."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shoestring.domain.charge import Charge
from shoestring.domain.run import Attempt
from shoestring.domain.units import JOULES_PER_KWH, money, seconds_between
from shoestring.domain.usage import UsageKind, UsageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSource:
    """Where prices came from. ``age_max``: how old the oldest was when it was used."""

    source: str
    kind: str
    as_of_first: datetime
    as_of_last: datetime
    age_max: timedelta
    amount_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Energy of a run; None where no attempt was metered.

    Attributes:
        kind: ``measured`` | ``estimate`` | ``mixed``.
        covered: share of the held time that was metered, 0..1.
    """

    kwh: float | None
    kind: str | None
    covered: float | None


def energy_of(attempts: tuple[Attempt, ...], usage: tuple[UsageRecord, ...]) -> Energy:
    """Metered energy. ``covered`` says how much of the held time it stands for; nothing is filled in."""
    held = {u.attempt_id: seconds_between(u.start, u.end) for u in usage if u.kind is UsageKind.COMPUTE}
    joules, covered_s, kinds = 0.0, 0.0, set()
    for attempt in attempts:
        meter = attempt.observation.meter
        if meter is not None and meter.energy_j is not None:
            joules += meter.energy_j
            covered_s += min(meter.sampled_s, held.get(attempt.id, 0.0))
            kinds.add(meter.energy_kind or "estimate")
    if not kinds:
        return Energy(kwh=None, kind=None, covered=None)
    total_s = sum(held.values())
    return Energy(
        kwh=joules / JOULES_PER_KWH,
        kind=kinds.pop() if len(kinds) == 1 else "mixed",
        covered=min(1.0, covered_s / total_s) if total_s > 0 else None,
    )


def utilization_of(attempts: Iterable[Attempt]) -> float | None:
    """Share of the metered time in which the job kept CPU or accelerator busy, 0..1; None if nothing measured it."""
    meters = [a.observation.meter for a in attempts]
    pairs = [
        (m.busy_s, m.idle_s)
        for m in meters
        if m is not None and m.busy_s is not None and m.idle_s is not None
    ]
    total_s = sum(busy + idle for busy, idle in pairs)
    return sum(busy for busy, _ in pairs) / total_s if total_s > 0 else None


def price_sources_of(charges: tuple[Charge, ...]) -> tuple[PriceSource, ...]:
    groups: dict[tuple[str, str], list[Charge]] = {}
    for charge in charges:
        groups.setdefault((charge.price.source, charge.price.kind.value), []).append(charge)
    return tuple(
        PriceSource(
            source=source,
            kind=kind,
            as_of_first=min(c.price.as_of for c in members),
            as_of_last=max(c.price.as_of for c in members),
            age_max=max(max(timedelta(0), c.start - c.price.as_of) for c in members),
            amount_usd=sum((c.amount_usd for c in members), money(0)),
        )
        for (source, kind), members in sorted(groups.items())
    )
