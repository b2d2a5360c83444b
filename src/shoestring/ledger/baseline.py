"""What the run would have cost another way, and what was saved against it: named, priced, with a range."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shoestring.domain.errors import PriceUnknown
from shoestring.domain.facts import Baseline
from shoestring.domain.offer import Offer
from shoestring.domain.run import PriceSpan
from shoestring.domain.units import SECONDS_PER_HOUR, money
from shoestring.domain.usage import UsageKind, UsageRecord
from shoestring.ledger.rate import rate


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineCost:
    """A baseline with its price tag. ``low_usd``, ``high_usd`` bound it; None where it can't be known."""

    name: str
    offer_id: str | None
    instance_type: str | None
    hours: float | None
    hours_source: str
    usd_per_hour: Decimal | None
    cost_usd: Decimal | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What was saved against a baseline; negative if the run cost more. None where it can't be known."""

    usd: Decimal | None
    fraction: float | None
    low_usd: Decimal | None
    high_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTime:
    """Seconds of this run by part (of one node), and the accelerators they ran on.

    Attributes:
        boot_s: mean time from launch to the job's begin; None if no attempt came so far.
    """

    useful_s: float
    checkpoint_s: float
    boot_s: float | None
    accelerators: frozenset[tuple[str, float]]


def price_baseline(
    baseline: Baseline, measured: MeasuredTime, *, nodes: int, started: datetime
) -> BaselineCost:
    """What the baseline costs at its frozen price, rated by the same rules as the run itself.

    Hours that were declared or profiled before the run hold as they are; the run's own useful hours then
    widen the range. Without them the hours are measured: useful time plus one boot; the range runs from the
    useful time alone to useful time, boot and all of the run's checkpoint time. Hours measured on another
    accelerator say nothing about the baseline's, so its cost then stays unknown.
    """
    offer = baseline.offer
    own = _measured_hours(offer, measured)
    hours, source = baseline.hours, baseline.hours_source
    if hours is None and own is not None:
        hours, source = own[1], "measured"
    costs = [_cost(offer, h, nodes, started) for h in (hours, *(own or ()))]
    known = [c for c in costs if c is not None]
    cost = costs[0]
    return BaselineCost(
        name=baseline.name,
        offer_id=None if offer is None else offer.id,
        instance_type=None if offer is None else offer.instance_type,
        hours=hours,
        hours_source=source,
        usd_per_hour=None if offer is None else offer.price.usd_per_hour,
        cost_usd=cost,
        low_usd=None if cost is None else min(known),
        high_usd=None if cost is None else max(known),
        method=_method(baseline, hours, source, cost),
    )


def saving_against(baseline: BaselineCost, paid_usd: Decimal | None) -> Saving:
    """Baseline minus what was paid; everything None if one of the two is unknown."""
    if paid_usd is None or baseline.cost_usd is None or baseline.low_usd is None or baseline.high_usd is None:
        return Saving(usd=None, fraction=None, low_usd=None, high_usd=None)
    usd = baseline.cost_usd - paid_usd
    return Saving(
        usd=usd,
        fraction=float(usd / baseline.cost_usd) if baseline.cost_usd > 0 else None,
        low_usd=baseline.low_usd - paid_usd,
        high_usd=baseline.high_usd - paid_usd,
    )


def main_baseline(baselines: Sequence[BaselineCost]) -> BaselineCost | None:
    """The one a receipt is headed by: the job as asked if its cost is known, else the first known one."""
    ranked = sorted(baselines, key=lambda b: (b.cost_usd is None, b.name != "as_asked"))
    return ranked[0] if ranked else None


def _measured_hours(offer: Offer | None, measured: MeasuredTime) -> tuple[float, float, float] | None:
    """Useful hours; with one boot; with boot and checkpoints. None if measured on other hardware."""
    if offer is None or measured.useful_s <= 0:
        return None
    if measured.accelerators != {(offer.accelerator or "cpu", offer.accelerator_count)}:
        return None
    boot_s = measured.boot_s if measured.boot_s is not None else (offer.boot_s or 0.0)
    useful = measured.useful_s
    with_boot = useful + boot_s
    with_saves = with_boot + measured.checkpoint_s
    return useful / SECONDS_PER_HOUR, with_boot / SECONDS_PER_HOUR, with_saves / SECONDS_PER_HOUR


def _cost(offer: Offer | None, hours: float | None, nodes: int, started: datetime) -> Decimal | None:
    """Dollars for ``hours`` of the offer without a break; None if offer, price or hours are unknown."""
    if offer is None or hours is None:
        return None
    record = UsageRecord(
        id=f"baseline/{offer.id}",
        run_id="baseline",
        attempt_id=None,
        kind=UsageKind.COMPUTE,
        resource_id=offer.id,
        provider=offer.provider,
        region=offer.region,
        zone=offer.zone,
        market=offer.market,
        start=started,
        end=started + timedelta(hours=hours),
        quantity=Decimal(hours) * SECONDS_PER_HOUR * nodes,
        price_spans=(PriceSpan(start=started, end=None, price=offer.price),),
        billing=offer.billing,
        instances=nodes,
    )
    try:
        return sum((charge.amount_usd for charge in rate(record)), money(0))
    except PriceUnknown:
        return None


def _method(baseline: Baseline, hours: float | None, source: str, cost: Decimal | None) -> str:
    if baseline.offer is None:
        return f"{baseline.method}; no offer matched, so its cost is unknown"
    if hours is None:
        return f"{baseline.method}; hours on {baseline.offer.accelerator or 'cpu'} unknown"
    price = baseline.offer.price
    if cost is None:
        return f"{baseline.method}; {price.source} gave no price"
    return (
        f"{baseline.method}; {hours:.4g} h ({source}) at {price.usd_per_hour} $/h "
        f"({price.source}, {price.as_of:%Y-%m-%d}), rounded as the provider bills; compute only"
    )
