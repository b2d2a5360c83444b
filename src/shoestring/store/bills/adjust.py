"""Restating a closed month: what changed is posted as corrections in the next open month."""

from dataclasses import dataclass
from datetime import datetime

from shoestring.store.charges import Change, Staged
from shoestring.store.charges_engine import ident, literal
from shoestring.store.charges_schema import LABEL_COLUMNS, MONEY_COLUMNS, STORE_COLUMNS

IDENTITY = (
    "BillingAccountId",
    "BillingCurrency",
    "SubAccountId",
    "InvoiceIssuerName",
    "ServiceProviderName",
    "HostProviderName",
    "ServiceCategory",
    "ServiceName",
    "RegionId",
    "ResourceId",
    "SkuId",
    "ChargeCategory",
    "ChargeFrequency",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "PricingCategory",
    "PricingUnit",
    "CommitmentDiscountId",
    "CommitmentDiscountStatus",
    "x_CostBasis",
    "x_Market",
    "x_Source",
    "x_UsdPerUnit",
    *LABEL_COLUMNS.values(),
)
SUMS = (*MONEY_COLUMNS, "ConsumedQuantity", "PricingQuantity", "x_AcceleratorSeconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """SQL of the corrections, and the open month they are posted in."""

    query: str
    period: str


def adjustment_sql(change: Change, restated: Staged, import_id: str, now: datetime) -> Adjustment:
    """What a restatement of a closed month changes against all that is booked for it.

    Booked are the month's own charges and the corrections posted for it in other months; those of the month
    that is posted to are replaced. So however often a month is restated, its charges and corrections together
    always add up to its newest file.
    """
    target = open_month(change, restated.period, restated.source)
    kind = f"adjusts {restated.period}"
    booked = [
        p
        for p in change.manifest.parts
        if p.source == restated.source
        and (
            (p.period == restated.period and p.kind in ("bill", "metered"))
            or (p.kind == kind and p.period != target)
        )
    ]
    keys = ", ".join(ident(c) for c in IDENTITY)
    sums = ", ".join(f"cast(sum(sign * {ident(s)}) as {STORE_COLUMNS[s]}) as {ident(s)}" for s in SUMS)
    columns = ", ".join(ident(c) for c in (*IDENTITY, *SUMS))
    store = change.store
    new = f"select 1 as sign, {columns} from {store.rows_of_files([str(restated.path)])}"
    old = f"select -1 as sign, {columns} from {store.rows_sql(booked)}"
    changed = " or ".join(f"coalesce({ident(m)}, 0) <> 0" for m in MONEY_COLUMNS)
    year, month = (int(part) for part in target.split("-"))
    start = f"timestamp '{year:04d}-{month:02d}-01'"
    return Adjustment(
        period=target,
        query=f"""select *,
            {start} as BillingPeriodStart, {start} + interval 1 month as BillingPeriodEnd,
            'Correction' as ChargeClass, {literal(restated.period)} as x_AdjustsPeriod,
            {literal(f"restatement of {restated.period}, received {now:%Y-%m-%d}")} as ChargeDescription,
            {literal(import_id)} as x_Import
          from (select {keys}, {sums} from ({new} union all {old}) group by {keys}) where {changed}""",
    )


def open_month(change: Change, period: str, source: str) -> str:
    """The first month after ``period`` that is not closed for this source."""
    year, month = (int(part) for part in period.split("-"))
    while True:
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        name = f"{year:04d}-{month:02d}"
        if not change.manifest.is_closed(name, source):
            return name
