"""What a bill paid for accelerators: its lines by hardware, place, market and month, in hours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from shoestring.catalog.bill_lines import Hardware, Recognizer, counts_accelerators, hours_of_unit
from shoestring.catalog.load import Catalog
from shoestring.store.answers import in_usd
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import literal
from shoestring.store.charges_manifest import Part

# Often the same in all of a bill.
STEADY = ("ServiceProviderName", "InvoiceIssuerName", "ResourceType", "SkuMeter", "x_AcceleratorType", "x_Market",
          "RegionId", "PricingUnit", "ConsumedUnit", "x_UsdPerUnit", "ChargeClass")  # fmt: skip
PLAIN = "regexp_replace(lower({text}), '[^a-z0-9]', '', 'g')"
# Texts are searched once for each that is different, not for each of a bill's lines.
LINES = """
with lines as (
  select * from {rows}
  where ($since is null or ChargePeriodStart >= $since) and ($until is null or ChargePeriodStart < $until)
    and ChargeCategory = 'Usage' and ChargeClass is null and CommitmentDiscountStatus is distinct from 'Unused'),
told as (
  select ResourceType, ChargeDescription,
    case when ResourceType is null or not regexp_matches({resource}, {types}) then coalesce(
        nullif(regexp_extract({described}, {types}), ''), nullif(regexp_extract(ChargeDescription, {chips}), ''))
    end as description
  from (select distinct ResourceType, ChargeDescription from lines))
select coalesce(ServiceProviderName, InvoiceIssuerName) as provider, RegionId, told.ResourceType, SkuMeter,
    description, x_AcceleratorType, x_AcceleratorCount, coalesce(x_Market, 'unknown') as market,
    coalesce(PricingUnit, ConsumedUnit) as unit, date_trunc('month', ChargePeriodStart) as month,
    cast(sum({usd}) as double) as usd,
    cast(sum(coalesce(PricingQuantity, ConsumedQuantity)) as double) as quantity,
    sum(x_AcceleratorSeconds) as accelerator_s,
    count(*) filter (x_UsdPerUnit is null) as unrated,
    min(ChargePeriodStart) as first, max(ChargePeriodEnd) as last
from lines join told on lines.ResourceType is not distinct from told.ResourceType
  and lines.ChargeDescription is not distinct from told.ChargeDescription
group by all
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Dollars: between ``low`` and ``high``, most likely ``mid``."""

    low: float
    mid: float
    high: float

    @staticmethod
    def exactly(usd: float) -> "Range":
        return Range(low=usd, mid=usd, high=usd)

    def __add__(self, other: "Range") -> "Range":
        return Range(low=self.low + other.low, mid=self.mid + other.mid, high=self.high + other.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Accelerator hours of one kind, place, market and month, with what they would have cost otherwise.

    Attributes:
        provider: the catalog's word for it, or what the bill calls it if the catalog has no prices of it.
        region: empty where the bill names none.
        hours: of the instance, or of the accelerator where only that is named.
        on_demand, spot, committed, elsewhere, another_provider: dollars for the same hours; None where no price
            is known or where it would be no change.
        gap_days: oldest price used, in days from the month's middle.
    """

    provider: str
    region: str
    hardware: Hardware
    market: str
    month: date
    hours: float
    paid_usd: float
    on_demand: Range | None = None
    spot: Range | None = None
    committed: Range | None = None
    committed_years: int | None = None
    elsewhere: Range | None = None
    elsewhere_region: str | None = None
    another_provider: Range | None = None
    another_provider_region: str | None = None
    gap_days: int | None = None


def accelerator_lines(
    store: ChargeStore,
    parts: Sequence[Part],
    recognizer: Recognizer,
    since: date | None = None,
    until: date | None = None,
) -> list[dict[str, Any]]:
    types, chips = map(literal, recognizer.telling_parts())
    resource, described = (PLAIN.format(text=text) for text in ("ResourceType", "ChargeDescription"))
    with store.reading() as engine:
        sql = LINES.format(
            rows=store.steady_rows_sql(engine, parts, STEADY),
            types=types,
            chips=chips,
            resource=resource,
            described=described,
            usd=in_usd("EffectiveCost"),
        )
        cursor = engine.execute(sql, {"since": since, "until": until})
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class SortedLines:
    """Bill lines by what they paid for."""

    def __init__(self, catalog: Catalog) -> None:
        self.recognizer = Recognizer(catalog)
        self._seen: dict[tuple[str | float | None, ...], Hardware | None] = {}
        self.hours: dict[tuple[str, str, Hardware, str, date], tuple[float, float]] = {}
        self.unpriced_usd: dict[str, float] = {}
        self.billed_usd = self.accelerator_usd = 0.0
        self.unrated = 0

    def take(self, line: dict[str, Any]) -> None:
        usd = line["usd"] or 0.0
        self.billed_usd += usd
        self.unrated += line["unrated"]
        provider = self.recognizer.provider(line["provider"])
        texts = tuple(line[k] for k in ("ResourceType", "x_AcceleratorType", "SkuMeter", "description"))
        count = line["x_AcceleratorCount"]
        key = (provider, count, *texts)
        if key not in self._seen:
            found = self.recognizer.hardware(provider, *texts)
            if found is not None and found.instance_type is None and count:
                found = replace(found, count=count)
            self._seen[key] = found
        hardware = self._seen[key]
        if hardware is None:
            return
        self.accelerator_usd += usd
        hours = _hours(line, hardware)
        if hours is None:
            self.cannot(f"quantity in {line['unit'] or 'no unit'}, not in hours", usd)
        elif provider is not None and not line["RegionId"]:
            self.cannot("no region", usd)
        else:
            sender = provider or str(line["provider"] or "unknown provider")
            region = str(line["RegionId"] or "")
            place = (sender, region, hardware, str(line["market"]), line["month"].date())
            before = self.hours.get(place, (0.0, 0.0))
            self.hours[place] = (before[0] + hours, before[1] + usd)

    def cannot(self, why: str, usd: float) -> None:
        self.unpriced_usd[why] = self.unpriced_usd.get(why, 0.0) + usd

    def uses(self) -> list[Use]:
        return [
            Use(provider=p, region=r, hardware=h, market=m, month=month, hours=hours, paid_usd=usd)
            for (p, r, h, m, month), (hours, usd) in self.hours.items()
        ]


def _hours(line: dict[str, Any], hardware: Hardware) -> float | None:
    """Hours of the hardware of a group of lines; None if its unit is no time."""
    hours = hours_of_unit(line["unit"])
    if line["quantity"] is None or hours is None:
        return None
    each = hardware.count if counts_accelerators(line["unit"]) and hardware.count > 0 else 1.0
    return float(line["quantity"]) * hours / each
