"""Allocation in the ledger: what is shared out goes off its line and onto others, as charges that sum to nothing.

The bill stays as it came. For every matching day and label there is one charge that takes the amount off, and one
for each receiver that puts a share on, with FOCUS's Allocated columns filled. So totals can't change, undoing is
leaving the charges out, and a newer bill only asks for new ones.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.units import money
from shoestring.ledger.allocate import AllocationRule, CostLine, allocate
from shoestring.store.answers import counted_parts, in_usd
from shoestring.store.charges import Change, ChargeStore, Staged
from shoestring.store.charges_engine import PARQUET, ident, literal
from shoestring.store.charges_manifest import ALLOCATION, Manifest, Part
from shoestring.store.charges_schema import CUBE_KEYS, LABEL_COLUMNS, MEASURES, MONEY, MONEY_COLUMNS
from shoestring.store.charges_write import load_rows
from shoestring.store.dimensions import CUBE_DIMENSIONS, ROW_DIMENSIONS, dimension_sql

SOURCE = "shoestring/allocation"
# Beside the cube's keys: what a share must still say of the charge that it is a share of.
KEPT = (
    "BillingAccountName",
    "CapacityReservationId",
    "ChargeFrequency",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedUnit",
    "PricingCategory",
    "PricingUnit",
    "ServiceSubcategory",
)
# What is split: of an allocated charge, FOCUS wants every metric that can be summed to add up to the origin's.
QUANTITIES = ("ConsumedQuantity", "PricingQuantity", "CommitmentDiscountQuantity", *MEASURES)
AMOUNTS = (*MONEY_COLUMNS, *QUANTITIES)
RATIO_PLACES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What rules make of the ledger's lines.

    Attributes:
        origins: the lines that were shared out, as columns of the store and sums.
        lines: the shares; ``origin`` is a place in ``origins``.
        untouched: rules that matched cost and found nobody to give it to in some month.
    """

    origins: tuple[Mapping[str, Any], ...]
    lines: tuple[CostLine, ...]
    untouched: tuple[str, ...]


def state_of(manifest: Manifest, rules: str) -> dict[str, str]:
    """For each open month, what changes when its charges, the rules, or what is split do; empty without rules."""
    files: dict[str, list[str]] = {}
    for part in originals(manifest) if rules else ():
        if not manifest.is_closed(part.period, SOURCE):
            files.setdefault(part.period, []).append(part.file)
    return {
        period: hashlib.sha256(json.dumps([sorted(names), rules, AMOUNTS]).encode()).hexdigest()
        for period, names in files.items()
    }


def originals(manifest: Manifest) -> tuple[Part, ...]:
    """The charges that count, as billed and metered."""
    return counted_parts(manifest, allocated=False)


def share_out(store: ChargeStore, parts: Sequence[Part], rules: Sequence[AllocationRule]) -> Shared:
    """Apply rules to the charges of ``parts``, month by month: each billing month is shared by its own use.

    Only lines that some rule matches are read one by one; the others are summed by what the rules look at.
    """
    if not rules:
        return Shared(origins=(), lines=(), untouched=())
    names = tuple(dict.fromkeys([*(r.to for r in rules), *(d for r in rules for d in r.match)]))
    origins: list[Mapping[str, Any]] = []
    lines: list[CostLine] = []
    untouched: dict[str, None] = {}
    with store.reading() as engine:
        months = _read(engine, store, parts, rules, names, origins)
    for month in sorted(months):
        done = allocate(months[month], rules)
        lines += [line for line in done.lines if line.sharings]
        untouched |= dict.fromkeys(done.untouched)
    return Shared(origins=tuple(origins), lines=tuple(lines), untouched=tuple(untouched))


def put_shares(change: Change, shared: Shared, stage: Path, import_id: str, months: Collection[str]) -> None:
    """Make the shares those of these months, in the place of what the months had before."""
    for part in change.manifest.parts:
        if part.kind == ALLOCATION and part.period in months:
            change.drop(part.period, part.source, part.kind)
    rows = list(_rows(shared, import_id))
    if not rows:
        return
    load_rows(change.engine, rows, "shares", stage)
    for period in sorted({_period(row) for row in rows}):
        target = stage / f"allocation-{period}.parquet"
        change.engine.execute(
            f"copy (select * from shares where BillingPeriodStart = {literal(f'{period}-01')}) "
            f"to {literal(target)} {PARQUET}"
        )
        change.put(Staged(period=period, source=SOURCE, kind=ALLOCATION, path=target), import_id)


def _read(
    engine: Any,
    store: ChargeStore,
    parts: Sequence[Part],
    rules: Sequence[AllocationRule],
    names: Sequence[str],
    origins: list[Mapping[str, Any]],
) -> dict[str, list[CostLine]]:
    by_row = [n for n in names if n in ROW_DIMENSIONS]
    rows = f"(select *, cast(ChargePeriodStart as date) as x_Day, 1 as x_Rows from {store.rows_sql(parts)})"
    keys = (*CUBE_KEYS, *KEPT, *(ROW_DIMENSIONS[n] for n in by_row))
    columns = ", ".join(ident(k) for k in keys)
    labels = ", ".join(f"cast({dimension_sql(n)} as varchar)" for n in names)
    matching, values = _matching(rules)
    usd = f"coalesce(sum({in_usd('EffectiveCost')}), 0)"
    drivers = "coalesce(sum(x_AcceleratorSeconds), 0) / 3600, coalesce(sum(x_EnergyKwh), 0)"
    money_sums = [f"coalesce(sum({ident(m)}), 0)" for m in MONEY_COLUMNS]
    amounts = ", ".join([*money_sums, *(f"cast(sum({ident(q)}) as {MONEY})" for q in QUANTITIES)])
    months: dict[str, list[CostLine]] = {}
    found = engine.execute(
        f"select x_Day, {labels}, {usd}, {drivers}, {amounts}, {columns} from {rows} "
        f"where {matching} group by x_Day, {columns}, {labels} order by all",
        values,
    ).fetchall()
    width = len(names)
    for row in found:
        day, told, rest = row[0], row[1 : width + 1], row[width + 1 :]
        sums, values_of_keys = rest[3 : 3 + len(AMOUNTS)], rest[3 + len(AMOUNTS) :]
        also = {name: money(a) for name, a in zip(AMOUNTS, sums, strict=True) if a is not None}
        origins.append({"x_Day": day, **dict(zip(keys, values_of_keys, strict=True)), **also})
        line = _line(dict(zip(names, told, strict=True)), rest, day=day, also=also, origin=len(origins) - 1)
        months.setdefault(_period(origins[-1]), []).append(line)
    summed = rows if by_row else store.days_sql(parts)
    others = engine.execute(
        f"select strftime(BillingPeriodStart, '%Y-%m'), {labels}, {usd}, {drivers} from {summed} "
        f"where not ({matching}) group by 1, {labels} order by all",
        values,
    ).fetchall()
    for row in others:
        if row[0] in months:
            line = _line(dict(zip(names, row[1 : width + 1], strict=True)), row[width + 1 :])
            months[row[0]].append(line)
    return months


def _line(keys: Mapping[str, str | None], sums: Sequence[Any], **more: Any) -> CostLine:
    usd, hours, kwh = sums[:3]
    return CostLine(
        keys=keys,
        usd=money(usd),
        drivers={"accelerator_hours": float(hours), "energy_kwh": float(kwh)},
        **more,
    )


def _matching(rules: Sequence[AllocationRule]) -> tuple[str, list[Any]]:
    """SQL of "some rule matches", which is never null; values of users are parameters."""
    tests: list[str] = []
    values: list[Any] = []
    for rule in rules:
        parts = ["true"]
        for bound, operator in ((rule.since, ">="), (rule.until, "<")):
            if bound is not None:
                parts.append(f"x_Day {operator} ?")
                values.append(bound)
        for name, wanted in rule.match.items():
            sql = f"cast({dimension_sql(name)} as varchar)"
            texts = [w for w in wanted if w is not None]
            choices = [f"{sql} is null"] if None in wanted else []
            choices += [f"coalesce({sql} in ({', '.join('?' * len(texts))}), false)"] if texts else []
            values += texts
            parts.append(f"({' or '.join(choices) or 'false'})")
        tests.append(f"({' and '.join(parts)})")
    return f"({' or '.join(tests) or 'false'})", values


def _rows(shared: Shared, import_id: str) -> Iterator[dict[str, Any]]:
    """The charges: what is taken off, then the shares. Each origin's sum to nothing, column by column."""
    left = {
        index: {name: origin[name] for name in AMOUNTS if name in origin}
        for index in sorted({line.origin for line in shared.lines if line.origin is not None})
        for origin in (shared.origins[index],)
    }
    for index, amounts in left.items():
        off = _row(shared.origins[index], {m: -amount for m, amount in amounts.items()}, import_id)
        yield off | {"ChargeDescription": "shared out to others"}
    origin, base = None, {}
    for number, line in enumerate(shared.lines):
        assert line.origin is not None
        for name, amount in line.also.items():
            left[line.origin][name] -= amount
        if line.origin != origin:  # the shares of a line mostly follow each other
            origin, base = line.origin, _row(shared.origins[line.origin], {}, import_id)
        yield {**base, **line.also, **_told(line), "x_ChargeId": f"allocation/{number}"}
    assert not any(any(amounts.values()) for amounts in left.values()), (
        "shares must add up to what was shared"
    )


def _row(origin: Mapping[str, Any], amounts: Mapping[str, Decimal], import_id: str) -> dict[str, Any]:
    day: date = origin["x_Day"]
    began = datetime(day.year, day.month, day.day)  # noqa: DTZ001  the store keeps UTC without saying so
    month: datetime = origin["BillingPeriodStart"]
    columns = {k: v for k, v in origin.items() if k not in ("x_Day", *AMOUNTS)}
    return {
        **columns,
        **dict.fromkeys(QUANTITIES),
        **amounts,
        "BillingPeriodEnd": (month + timedelta(days=32)).replace(day=1),
        "ChargePeriodStart": began,
        "ChargePeriodEnd": began + timedelta(days=1),
        "ChargeDescription": None,
        "AllocatedMethodId": None,
        "AllocatedMethodDetails": None,
        "AllocatedResourceId": None,
        "AllocatedResourceName": None,
        "AllocatedTags": None,
        "x_ChargeId": None,
        "x_Import": import_id,
    }


def _told(line: CostLine) -> dict[str, Any]:
    """How the share came about, in FOCUS's words, and the labels of the one who has it now."""
    labels = {name: key for name, key in line.keys.items() if name in LABEL_COLUMNS and key is not None}
    last = line.sharings[-1]
    elements = []
    for step in line.sharings:
        element: dict[str, Any] = {"AllocatedRatio": round(float(step.ratio), RATIO_PLACES)}
        if step.unit is not None:
            element |= {"UsageUnit": step.unit, "UsageQuantity": step.quantity}
        elements.append(element)
    return {
        **{CUBE_DIMENSIONS[name]: key for name, key in labels.items()},
        "ChargeDescription": f"share by the rule {last.rule}",
        "AllocatedMethodId": " / ".join(step.rule for step in line.sharings),
        "AllocatedMethodDetails": json.dumps({"Elements": elements}),
        "AllocatedResourceId": "/".join(f"{name}={labels[name]}" for name in sorted(labels)),
        "AllocatedResourceName": ", ".join(labels[name] for name in sorted(labels)),
        "AllocatedTags": json.dumps(labels, sort_keys=True),
        "x_CostBasis": "allocated",
    }


def _period(row: Mapping[str, Any]) -> str:
    return f"{row['BillingPeriodStart']:%Y-%m}"
