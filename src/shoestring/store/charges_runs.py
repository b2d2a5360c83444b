"""A run's receipt as charge lines: one for each part and price, with everything that the ledger asks by."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.charge import Charge
from shoestring.domain.offer import Market, Offer
from shoestring.domain.run import MeterTotals
from shoestring.domain.units import HOURS_PER_MONTH, JOULES_PER_KWH, SECONDS_PER_HOUR
from shoestring.domain.usage import CostPart, UsageKind, UsageRecord
from shoestring.ledger.carbon import NO_GRID, Grid, GridFactor, carbon_kg
from shoestring.ledger.receipt import Receipt
from shoestring.store.charges import ChargeStore, Staged
from shoestring.store.charges_engine import PARQUET, literal
from shoestring.store.charges_manifest import Delivery
from shoestring.store.charges_schema import LABEL_COLUMNS
from shoestring.store.charges_write import load_rows

SERVICE = {
    UsageKind.COMPUTE: ("Compute", "Virtual Machines", "Hours", "Hours"),
    UsageKind.STORAGE: ("Storage", "Object Storage", "GiB-Months", "GiB-Hour"),
    UsageKind.EGRESS: ("Networking", "Network Connectivity", "GiB", "GiB"),
}
PER_PRICE_UNIT = {UsageKind.STORAGE: HOURS_PER_MONTH, UsageKind.EGRESS: 1}
PRICING_CATEGORY = {
    Market.SPOT: "Dynamic",
    Market.ON_DEMAND: "Standard",
    Market.MANAGED: "Standard",
    Market.FLEX_START: "Standard",
    Market.RESERVED_1Y: "Committed",
    Market.RESERVED_3Y: "Committed",
    Market.CAPACITY_BLOCK: "Committed",
    Market.OWNED: "Other",
}
SOURCE = "shoestring/"
RATIO_PLACES = 12
MARKET = {Market.SPOT: "spot", Market.ON_DEMAND: "on_demand", Market.OWNED: "owned"}


def source_of_run(run_id: str) -> str:
    """The source under which a run's metered charges are kept."""
    return f"{SOURCE}{run_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A run to be booked. ``state`` names the facts that the receipt was folded from; see :func:`booked_states`."""

    paid: Receipt
    state: str


def book_runs(
    store: ChargeStore, bookings: Sequence[Booking], *, now: datetime, user: str, grid: Grid = NO_GRID
) -> None:
    """Put charges of runs into the ledger at once, in the place of those booked for these runs before.

    Args:
        grid: what energy emits; where it is silent, carbon stays unknown.
    """
    rows = [row for booking in bookings for row in charge_rows(booking.paid, grid)]
    sources = {source_of_run(b.paid.run_id) for b in bookings}
    stage = store.stage_folder()
    try:
        with store.change() as change:
            for part in change.manifest.parts:
                if part.source in sources:
                    change.drop(part.period, part.source, part.kind)
            for staged in _stage(change.engine, rows, stage):
                change.put(staged, f"run-{staged.source.removeprefix(SOURCE)}")
            for booking in bookings:
                change.forget_delivery(f"run-{booking.paid.run_id}")
                change.record(_delivery(booking, now, user))
            change.commit()
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _stage(engine: Any, rows: list[dict[str, Any]], stage: Path) -> Iterator[Staged]:
    """A file for each month and run."""
    if not rows:
        return
    load_rows(engine, rows, "booking", stage)
    places = sorted({(f"{row['BillingPeriodStart']:%Y-%m}", row["x_Source"]) for row in rows})
    for number, (month, source) in enumerate(places):
        target = stage / f"{number}.parquet"
        engine.execute(
            f"copy (select * from booking where x_Source = {literal(source)} "
            f"and BillingPeriodStart = {literal(f'{month}-01')}) to {literal(target)} {PARQUET}"
        )
        yield Staged(period=month, source=source, kind="metered", path=target)


def _delivery(booking: Booking, now: datetime, user: str) -> Delivery:
    paid = booking.paid
    return Delivery(
        id=f"run-{paid.run_id}",
        at=now.isoformat(),
        user=user,
        files=(booking.state,),
        sha256=(),
        format="run",
        rows_in=len(paid.usage),
        rows_stored=len(paid.charges),
        rows_quarantined=0,
        unrated=len(paid.unrated),
    )


def book_run(store: ChargeStore, paid: Receipt, *, state: str, now: datetime, user: str) -> None:
    """The same for one run."""
    book_runs(store, [Booking(paid=paid, state=state)], now=now, user=user)


def booked_states(store: ChargeStore) -> dict[str, str]:
    """The state of facts that each run was booked from, by run id; not of runs whose charges are gone from the disk."""
    manifest = store.manifest()
    gone = {p.source for p in manifest.parts if p.kind == "metered" and not (store.folder / p.file).exists()}
    runs = {d.id.removeprefix("run-"): d.files[0] for d in manifest.deliveries if d.format == "run"}
    return {run: state for run, state in runs.items() if source_of_run(run) not in gone}


def charge_rows(paid: Receipt, grid: Grid = NO_GRID) -> list[dict[str, Any]]:
    """Every charge of a receipt as a row of the store; sums are those of the receipt, exactly."""
    usage = {record.id: record for record in paid.usage}
    attempts = {line.attempt.id: line.attempt for line in paid.attempts}
    on_demand = next((b for b in paid.baselines if b.name == "on_demand"), None)
    rows = []
    for charge in paid.charges:
        attempt = attempts[charge.attempt_id or ""]
        record = usage[charge.usage_id]
        listed = None if on_demand is None else on_demand.usd_per_hour
        same = on_demand is not None and on_demand.instance_type == attempt.offer.instance_type
        row = _row(paid, charge, record, attempt.offer, attempt.observation.meter, listed if same else None)
        factor = grid.get((attempt.offer.provider, record.region))
        rows.append(row | _carbon(row["x_EnergyKwh"], factor))
    return rows


def _row(
    paid: Receipt,
    charge: Charge,
    record: UsageRecord,
    offer: Offer,
    meter: MeterTotals | None,
    list_usd_per_hour: Decimal | None,
) -> dict[str, Any]:
    _, _, unit, _ = SERVICE[record.kind]
    compute = record.kind is UsageKind.COMPUTE
    whole_node = meter is not None and meter.energy_kind == "measured"
    share = _share(charge, record, whole_node=whole_node) if compute else None
    return {
        **_costs(charge, record, offer, list_usd_per_hour),
        **_service(charge, record, offer),
        **_sharing(charge, record, offer),
        "ChargeDescription": f"{charge.part.value} of attempt {record.attempt_id} "
        f"at {charge.price.usd_per_hour} USD per {unit.removesuffix('s')}",
        "Tags": _tags(paid.labels, paid.run_id),
        **{column: paid.labels.get(label) for label, column in LABEL_COLUMNS.items()},
        "x_RunId": paid.run_id,
        "x_User": paid.labels.get("user") or paid.user or None,
        "x_AttemptId": charge.attempt_id,
        "x_UsageId": charge.usage_id,
        "x_ChargeId": charge.id,
        "x_CostPart": charge.part.value,
        "x_CostBasis": "metered",
        "x_Market": MARKET.get(offer.market, "committed") if compute else "on_demand",
        "x_AcceleratorType": offer.accelerator,
        "x_AcceleratorCount": float(offer.accelerator_count) if compute else None,
        "x_AcceleratorSeconds": (charge.seconds or 0.0) * offer.accelerator_count if compute else None,
        "x_Devices": None if record.devices is None else json.dumps(record.devices),
        "x_Utilization": _utilization(meter) if compute else None,
        "x_EnergyKwh": None
        if share is None or meter is None or meter.energy_j is None
        else meter.energy_j * share / JOULES_PER_KWH,
        "x_PriceSource": charge.price.source,
        "x_PriceAsOf": _plain(charge.price.as_of),
        "x_UsdPerUnit": Decimal(1),
        "x_Source": source_of_run(paid.run_id),
        "x_Import": f"run-{paid.run_id}",
    }


def _costs(
    charge: Charge, record: UsageRecord, offer: Offer, list_usd_per_hour: Decimal | None
) -> dict[str, Any]:
    """What it cost, by which price, in which month."""
    month = charge.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    hours = None if charge.seconds is None else Decimal(str(charge.seconds)) / SECONDS_PER_HOUR
    compute = record.kind is UsageKind.COMPUTE
    quantity = hours if compute else record.quantity / PER_PRICE_UNIT[record.kind]
    list_price = charge.price.usd_per_hour
    if compute and list_usd_per_hour is not None and list_price is not None:
        list_price = max(list_price, list_usd_per_hour)  # a spot price above on-demand is its own list price
    listed = charge.amount_usd
    if hours is not None and list_price is not None and list_price != charge.price.usd_per_hour:
        listed = hours * list_price
    _, _, unit, consumed_unit = SERVICE[record.kind]
    # What spot and commitments take off the list price is their own step, and no negotiated discount.
    stepwise = compute and PRICING_CATEGORY[offer.market] in ("Dynamic", "Committed")
    return {
        "BilledCost": charge.amount_usd,
        "EffectiveCost": charge.amount_usd,
        "ContractedCost": listed if stepwise else charge.amount_usd,
        "ListCost": listed,
        "ListUnitPrice": list_price,
        "ContractedUnitPrice": list_price if stepwise else charge.price.usd_per_hour,
        "BillingAccountId": "shoestring",
        "BillingAccountName": "metered by shoestring",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _plain(month),
        "BillingPeriodEnd": _plain(_next_month(month)),
        "ChargePeriodStart": _plain(charge.start),
        "ChargePeriodEnd": _plain(max(charge.end, charge.start)),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": hours if compute else record.quantity,
        "ConsumedUnit": consumed_unit,
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "PricingCategory": PRICING_CATEGORY[offer.market] if compute else "Standard",
        "PricingCurrency": "USD",
    }


def _sharing(charge: Charge, record: UsageRecord, offer: Offer) -> dict[str, Any]:
    """How a machine was shared by the runs on it, in FOCUS's words; nothing where it was held alone."""
    shared = record.kind is UsageKind.COMPUTE and charge.fraction < 1
    bases = sorted({share.basis for share in record.shares})
    element = {"AllocatedRatio": round(charge.fraction, RATIO_PLACES), "UsageUnit": " or ".join(bases)}
    return {
        "AllocatedMethodId": "machine held by several runs" if shared else None,
        "AllocatedMethodDetails": json.dumps({"Elements": [element]}) if shared else None,
        "AllocatedResourceId": record.attempt_id if shared else None,
        "AllocatedResourceName": record.attempt_id if shared else None,
        "AllocatedTags": json.dumps({"run": record.run_id}) if shared else None,
    }


def _service(charge: Charge, record: UsageRecord, offer: Offer) -> dict[str, Any]:
    """What was used, of whom and where."""
    category, subcategory, _, _ = SERVICE[record.kind]
    compute = record.kind is UsageKind.COMPUTE
    return {
        "InvoiceIssuerName": offer.provider,
        "ServiceProviderName": offer.provider,
        "HostProviderName": offer.provider,
        "ServiceCategory": category,
        "ServiceSubcategory": subcategory,
        "ServiceName": f"{offer.provider} {record.kind.value}",
        "RegionId": record.region,
        "RegionName": record.region,
        "AvailabilityZone": record.zone,
        "ResourceId": record.resource_id,
        "ResourceName": record.attempt_id,
        "ResourceType": offer.instance_type if compute else "checkpoint",
        "SkuId": offer.instance_type if compute else record.kind.value,
        "SkuPriceId": charge.id.rpartition("/")[0].rpartition("/")[2],
        "SkuMeter": record.kind.value,
    }


def _carbon(kwh: float | None, factor: GridFactor | None) -> dict[str, Any]:
    kg = carbon_kg(kwh, factor)
    known = kg is not None and factor is not None
    return {
        "x_CarbonKg": kg,
        "x_CarbonSource": factor.source if known and factor is not None else None,
        "x_CarbonAsOf": datetime.combine(factor.as_of, time()) if known and factor is not None else None,
    }


def _share(charge: Charge, record: UsageRecord, *, whole_node: bool) -> float:
    """This charge's share of its attempt's held time: what its energy is split by.

    Seconds that billing only rounds up use no energy, so idle counts what was lived through.

    Args:
        whole_node: the energy is that of all who were on the machine, as counters measure it.
    """
    held_s = (record.end - record.start).total_seconds()
    if held_s <= 0:
        return 0.0
    seconds = (charge.seconds or 0.0) / record.instances
    if not whole_node and charge.fraction > 0:
        seconds /= charge.fraction  # an estimate is of the job's own work, whoever ran beside it
    if charge.part is CostPart.IDLE:
        lived = [p for p in record.parts if p.part is CostPart.IDLE]
        seconds = min(seconds, sum((p.end - p.start).total_seconds() for p in lived))
    return min(1.0, seconds / held_s)


def _utilization(meter: MeterTotals | None) -> float | None:
    if meter is None or meter.busy_s is None or meter.idle_s is None or meter.busy_s + meter.idle_s <= 0:
        return None
    return meter.busy_s / (meter.busy_s + meter.idle_s)


def _tags(labels: Mapping[str, str], run_id: str) -> str:
    return json.dumps({**labels, "shoestring_run": run_id}, sort_keys=True)


def _next_month(month: datetime) -> datetime:
    return (
        month.replace(year=month.year + 1, month=1)
        if month.month == 12
        else month.replace(month=month.month + 1)
    )


def _plain(moment: datetime) -> datetime:
    """UTC without saying so, as the store keeps it."""
    return moment.replace(tzinfo=None)
