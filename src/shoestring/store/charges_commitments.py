"""Commitments in the charges: what each hour used of them, and what it left."""

from datetime import date
from typing import Any

from shoestring.store.answers import counted_parts, in_usd
from shoestring.store.charges import ChargeStore

HOURS = """
  with lines as (
    select CommitmentDiscountId as id, date_trunc('hour', ChargePeriodStart) as began,
      greatest(1, round(epoch(ChargePeriodEnd - ChargePeriodStart) / 3600)) as hours,
      CommitmentDiscountStatus as status, {effective} as effective, {contracted} as contracted
    from {rows}
    where CommitmentDiscountId is not null and CommitmentDiscountStatus in ('Used', 'Unused')
      and x_UsdPerUnit is not null and coalesce(ChargeCategory, 'Usage') = 'Usage'
      and ChargePeriodStart >= coalesce(cast($since as date), date '0001-01-01')
      and ChargePeriodStart < coalesce(cast($until as date), date '9999-12-31'))
  select id, began, max(hours), coalesce(sum(effective) filter (status = 'Used'), 0),
    coalesce(sum(effective) filter (status = 'Unused'), 0),
    coalesce(sum(contracted) filter (status = 'Used'), 0)
  from lines group by id, began order by id, began"""


def commitment_hours(
    store: ChargeStore, *, since: date | None, until: date | None
) -> list[tuple[str, list[float], list[float], float]]:
    """Each commitment's id, dollars used and unused in each hour, and its price over the price without it.

    A line of a whole day stands for 24 hours of the same use. Hours without any line are not in it.
    """
    parts = counted_parts(store.manifest(), allocated=False)
    if not parts:
        return []
    sql = HOURS.format(
        rows=store.rows_sql(parts), effective=in_usd("EffectiveCost"), contracted=in_usd("ContractedCost")
    )
    with store.reading() as engine:
        rows = engine.execute(sql, {"since": since, "until": until}).fetchall()
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(row[0], []).append(row[1:])
    return [found for name, lines in groups.items() if (found := _one(name, lines)) is not None]


def _one(name: str, lines: list[Any]) -> tuple[str, list[float], list[float], float] | None:
    used: list[float] = []
    unused: list[float] = []
    without = 0.0
    for _, hours, use, rest, contracted in lines:
        used += [float(use) / hours] * int(hours)
        unused += [float(rest) / hours] * int(hours)
        without += float(contracted)
    return (name, used, unused, sum(used) / without) if without > 0 else None
