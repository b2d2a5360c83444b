"""Up-front fees in the ledger: taken off the day they were bought and spread over the term, as charges.

The bill stays as it came: BilledCost is not touched. What a fee moves (list, contracted and effective cost) sums to
nothing over its term, so undoing is leaving the charges out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.units import money
from shoestring.ledger.amortize import Held, amortize
from shoestring.store.charges import Change, ChargeStore, Staged
from shoestring.store.charges_engine import PARQUET, literal
from shoestring.store.charges_manifest import FEES, Manifest, Part
from shoestring.store.charges_schema import LABEL_COLUMNS, STORE_COLUMNS
from shoestring.store.charges_write import load_rows
from shoestring.store.fee_book import FeeTerm

SOURCE = "shoestring/fees"
MOVED = ("ListCost", "ContractedCost", "EffectiveCost")
LABELS = tuple(LABEL_COLUMNS.values())
UNIT_PRICES = ("ListUnitPrice", "ContractedUnitPrice", "PricingQuantity", "ConsumedQuantity", "ConsumedUnit")
OF_FEE = "(CapacityReservationId = $id or CommitmentDiscountId = $id or ResourceId = $id)"
Holder = tuple[str | None, ...]  # labels, then the machine


def state_of(manifest: Manifest, terms: Sequence[FeeTerm]) -> str:
    """What changes when the terms or the charges that they look at do."""
    files = sorted(p.file for p in manifest.parts if p.of_a_bill or p.kind == "metered")
    told = [json.dumps([t.id, str(t.start), str(t.end), t.machines, t.resources]) for t in terms]
    return f"fees-{hashlib.sha256(json.dumps([files, told]).encode()).hexdigest()[:32]}"


def purchases(engine: Any, store: ChargeStore, parts: Sequence[Part], term: FeeTerm) -> list[dict[str, Any]]:
    """The purchases of a fee that the bill has not spread by itself: their effective cost is not zero."""
    cursor = engine.execute(
        f"select * from {store.rows_sql([p for p in parts if p.of_a_bill])} where {OF_FEE} "
        "and ChargeCategory = 'Purchase' and EffectiveCost <> 0 and ChargeFrequency is distinct from 'Recurring' "
        "order by ChargePeriodStart, x_Source, EffectiveCost",
        {"id": term.id},
    )
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def spread_by_bill(engine: Any, store: ChargeStore, parts: Sequence[Part], term: FeeTerm) -> bool:
    """Whether the bill has amortized lines of the fee: use, or its lack, with an effective cost."""
    ((count,),) = engine.execute(
        f"select count(*) from {store.rows_sql([p for p in parts if p.of_a_bill])} where {OF_FEE} "
        "and ChargeCategory = 'Usage' and EffectiveCost <> 0 "
        "and (CapacityReservationId = $id or CommitmentDiscountId = $id)",
        {"id": term.id},
    ).fetchall()
    return bool(count)


def put_fees(change: Change, terms: Sequence[FeeTerm], stage: Path, import_id: str) -> None:
    """Spread the fees, in the place of what was spread before."""
    engine, store = change.engine, change.store
    sources = [p for p in change.manifest.parts if p.of_a_bill or p.kind == "metered"]
    rows = [row for term in terms for row in _rows(engine, store, sources, term, import_id)]
    for part in change.manifest.parts:
        if part.kind == FEES:
            change.drop(part.period, part.source, part.kind)
    if not rows:
        return
    load_rows(engine, rows, "fees", stage)
    for period in sorted({f"{row['BillingPeriodStart']:%Y-%m}" for row in rows}):
        target = stage / f"fees-{period}.parquet"
        engine.execute(
            f"copy (select * from fees where BillingPeriodStart = {literal(f'{period}-01')}) "
            f"to {literal(target)} {PARQUET}"
        )
        change.put(Staged(period=period, source=SOURCE, kind=FEES, path=target), import_id)


def _rows(
    engine: Any, store: ChargeStore, parts: Sequence[Part], term: FeeTerm, import_id: str
) -> Iterator[dict[str, Any]]:
    if spread_by_bill(engine, store, parts, term):
        return
    assert term.end is not None, "a term without an end is in force no more"
    held = list(_held(engine, store, parts, term))
    number = 0
    for bought in purchases(engine, store, parts, term):
        common = {name: bought[name] for name in STORE_COLUMNS} | {
            "BilledCost": Decimal(0), "x_CostBasis": "allocated", "x_Source": SOURCE, "x_Import": import_id,
            "AllocatedMethodId": "straight line over the term",
        }  # fmt: skip
        off = {name: -money(bought[name] or 0) for name in MOVED}
        yield (
            common
            | off
            | {
                "ChargeDescription": f"fee of {term.id}, spread over its term",
                "x_ChargeId": f"fee/{term.id}/{number}",
            }
        )
        spread = {
            name: amortize(-off[name], term.start, term.end, held, machines=term.machines) for name in MOVED
        }
        for shares in zip(*(spread[name] for name in MOVED), strict=True):
            number += 1
            share = shares[0]
            amounts = {name: found.amount for name, found in zip(MOVED, shares, strict=True)}
            yield common | amounts | _told(bought, term, share.start, share.end, share.holder, number)


def _told(
    bought: Mapping[str, Any],
    term: FeeTerm,
    start: datetime,
    end: datetime,
    holder: Holder | None,
    number: int,
) -> dict[str, Any]:
    """A share's columns: whose it is, when, and whether anybody used it. What is unused stays with the buyer."""
    month = datetime(start.year, start.month, 1)  # noqa: DTZ001  the store keeps UTC without saying so
    status = "Unused" if holder is None else "Used"
    reservation = bought["CapacityReservationId"] or (None if bought["CommitmentDiscountId"] else term.id)
    whose = {} if holder is None else dict(zip((*LABELS, "ResourceId"), holder, strict=True))
    return {
        "BillingPeriodStart": month,
        "BillingPeriodEnd": (month + timedelta(days=32)).replace(day=1),
        "ChargePeriodStart": start.replace(tzinfo=None),
        "ChargePeriodEnd": end.replace(tzinfo=None),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": f"{status.lower()} share of the fee of {term.id}",
        "PricingCategory": "Committed",
        "CapacityReservationId": reservation,
        "CapacityReservationStatus": None if reservation is None else status,
        "CommitmentDiscountStatus": status if bought["CommitmentDiscountId"] else None,
        "x_Market": "committed",
        "x_ChargeId": f"fee/{term.id}/{number}",
        **dict.fromkeys(UNIT_PRICES),
        **whose,
    }


def _held(engine: Any, store: ChargeStore, parts: Sequence[Part], term: FeeTerm) -> Iterator[Held[Holder]]:
    """Who used it: the bill's lines of use, and our own runs on the machines that the term names."""
    labels = ", ".join(f'"{name}"' for name in LABELS)
    hours = "coalesce(case when ConsumedUnit ilike 'h%r%' then ConsumedQuantity end, length_h)"
    billed = [p for p in parts if p.of_a_bill]
    metered = [p for p in parts if p.kind == "metered"]
    within = "ChargePeriodStart < $end and ChargePeriodEnd > $start and ChargePeriodEnd > ChargePeriodStart"
    bounds = {"start": term.start.replace(tzinfo=None), "end": (term.end or term.start).replace(tzinfo=None)}
    found = engine.execute(
        f"""select {labels}, ResourceId, ChargePeriodStart, ChargePeriodEnd, {hours} / length_h
            from (select *, epoch(ChargePeriodEnd - ChargePeriodStart) / 3600 as length_h
                  from {store.rows_sql(billed)} where {within})
            where (CapacityReservationId = $id or CommitmentDiscountId = $id) and ChargeCategory = 'Usage'
              and coalesce(CapacityReservationStatus, CommitmentDiscountStatus, 'Used') = 'Used' order by all""",
        bounds | {"id": term.id},
    ).fetchall()
    if term.resources:
        found += engine.execute(
            f"""select {labels}, ResourceId, min(ChargePeriodStart), max(ChargePeriodEnd), 1
                from {store.rows_sql(metered)} where {within} and x_UsageId like '%/compute'
                  and list_contains($resources, ResourceId)
                group by {labels}, ResourceId, x_AttemptId order by all""",
            bounds | {"resources": list(term.resources)},
        ).fetchall()
    for *holder, start, end, machines in found:
        yield Held(
            holder=tuple(holder),
            start=start.replace(tzinfo=UTC),
            end=end.replace(tzinfo=UTC),
            machines=Decimal(str(machines)),
        )
