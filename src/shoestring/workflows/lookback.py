"""`shoestring lookback`: a bill read as if shoestring had been there. Nothing is booked.

The bill is imported into a folder that is thrown away; its accelerator hours are priced again.

Spot: not every hour can be had on spot before a deadline, and restarts cost. What the deadline policy kept of
the gap between on-demand and spot, over 1,080 runs on the V100 development traces of 2023 (`bench/spot.py`,
48 hours of work, 52 to 92 hours of time, restarts of 3 to 24 minutes): 53 % at the tightest deadline in one
zone, 78 % on average over several zones, 97 % in the best tenth of runs. These shares are the range; other
hardware was not measured.

Commitments: the average number of instances in use, rounded down, is taken as the steady part and priced as
committed day and night; what is above it stays at what was paid. The range knows no better without hours.
"""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from shoestring.catalog.bill_lines import Hardware, Recognizer, hours_of_unit
from shoestring.catalog.load import Catalog
from shoestring.catalog.repricing import Quote, Repricer
from shoestring.domain.errors import BadInput
from shoestring.store.answers import counted_parts
from shoestring.store.bills.load import Progress
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import literal
from shoestring.store.charges_manifest import Part
from shoestring.workflows.bills import bring_in

SPOT_KEPT = (0.53, 0.78, 0.97)  # worst, expected, best; see the module
HOURS_PER_DAY = 24.0
PLAIN = "regexp_replace(lower({text}), '[^a-z0-9]', '', 'g')"
LINES = """
select coalesce(ServiceProviderName, InvoiceIssuerName) as provider, RegionId, ResourceType, SkuMeter,
    case when ResourceType is null or not regexp_matches({resource}, {types}) then coalesce(
        nullif(regexp_extract({described}, {types}), ''), nullif(regexp_extract(ChargeDescription, {chips}), ''))
    end as description,
    x_AcceleratorType, coalesce(x_Market, 'unknown') as market,
    coalesce(PricingUnit, ConsumedUnit) as unit, date_trunc('month', ChargePeriodStart) as month,
    cast(sum(EffectiveCost * x_UsdPerUnit) as double) as usd,
    cast(sum(coalesce(PricingQuantity, ConsumedQuantity)) as double) as quantity,
    sum(x_AcceleratorSeconds) as accelerator_s,
    count(*) filter (x_UsdPerUnit is null) as unrated,
    min(ChargePeriodStart) as first, max(ChargePeriodEnd) as last
from {rows}
where ($since is null or ChargePeriodStart >= $since) and ($until is null or ChargePeriodStart < $until)
  and ChargeCategory = 'Usage' and ChargeClass is null and CommitmentDiscountStatus is distinct from 'Unused'
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
        hours: of the instance, or of the accelerator where only that is named.
        on_demand, spot, committed, elsewhere: dollars for the same hours; None where no price is known or where
            it would be no change.
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
    gap_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookback:
    """The answer.

    Attributes:
        billed_usd: all usage of the bill; ``accelerator_usd``: of it, for accelerators.
        unpriced_usd: of that, where hours, region or prices are unknown, by reason.
        unrated: lines whose currency has no rate; they are in no sum.
    """

    files: tuple[str, ...]
    billed_usd: float
    accelerator_usd: float
    uses: tuple[Use, ...]
    unpriced_usd: dict[str, float] = field(default_factory=dict)
    unrated: int = 0
    quarantined: int = 0

    def total(self, way: str) -> tuple[float, Range] | None:
        """What was paid for the uses that have this alternative, and what it would have cost; None without."""
        pairs = [(u.paid_usd, r) for u in self.uses if (r := getattr(u, way)) is not None]
        if not pairs:
            return None
        return sum(p for p, _ in pairs), sum((r for _, r in pairs), Range.exactly(0.0))


def look_back(
    paths: Sequence[Path],
    catalog: Catalog,
    *,
    now: datetime,
    mapping: Path | None = None,
    rates: Path | None = None,
    currency: str | None = None,
    progress: Progress | None = None,
) -> Lookback:
    """Read the files and price their accelerator hours again.

    Raises:
        BadInput: a file can't be read, or no line of it names an accelerator.
    """
    with tempfile.TemporaryDirectory(prefix="shoestring-lookback-") as folder:
        store = ChargeStore(Path(folder))
        done = bring_in(
            store, paths, now=now, user="", mapping=mapping, rates=rates, currency=currency, progress=progress
        )
        found = _Sorted(catalog)
        lines = _lines(store, store.manifest().parts, found.recognizer)
    for line in lines:
        found.take(line)
    if not found.accelerator_usd and not found.hours:
        raise BadInput(
            f"no accelerator in {', '.join(p.name for p in paths)}: {len(lines)} kinds of lines, none names one",
            next_step="an invoice of a GPU cloud may need --map; see docs/ledger.md",
        )
    pricing = Repricer(catalog, now.date())
    uses = [_priced(use, pricing) for use in found.uses()]
    for use in uses:
        if use.on_demand is None:
            found.cannot("no price of it in the catalog", use.paid_usd)
    return Lookback(
        files=tuple(p.name for p in paths),
        billed_usd=found.billed_usd,
        accelerator_usd=found.accelerator_usd,
        uses=tuple(sorted(uses, key=lambda u: (-u.paid_usd, u.month, u.region))),
        unpriced_usd=found.unpriced_usd,
        unrated=found.unrated,
        quarantined=0 if done.delivery is None else done.delivery.rows_quarantined,
    )


def booked_uses(
    store: ChargeStore, catalog: Catalog, *, today: date, since: date | None = None, until: date | None = None
) -> tuple[Use, ...]:
    """The same for what the ledger holds of a period; empty where no line names an accelerator."""
    found = _Sorted(catalog)
    parts = counted_parts(store.manifest(), allocated=False)
    for line in _lines(store, parts, found.recognizer, since, until) if parts else ():
        found.take(line)
    pricing = Repricer(catalog, today)
    return tuple(_priced(use, pricing) for use in found.uses())


def _lines(
    store: ChargeStore,
    parts: Sequence[Part],
    recognizer: Recognizer,
    since: date | None = None,
    until: date | None = None,
) -> list[dict[str, Any]]:
    types, chips = map(literal, recognizer.telling_parts())
    resource, described = (PLAIN.format(text=text) for text in ("ResourceType", "ChargeDescription"))
    rows = store.rows_sql(parts)
    sql = LINES.format(rows=rows, types=types, chips=chips, resource=resource, described=described)
    with store.connect() as engine:
        cursor = engine.execute(sql, {"since": since, "until": until})
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class _Sorted:
    """Bill lines by what they paid for."""

    def __init__(self, catalog: Catalog) -> None:
        self.recognizer = Recognizer(catalog)
        self._seen: dict[tuple[str | None, ...], Hardware | None] = {}
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
        key = (provider, *texts)
        if key not in self._seen:
            self._seen[key] = self.recognizer.hardware(provider, *texts)
        hardware = self._seen[key]
        if hardware is None:
            return
        self.accelerator_usd += usd
        hours = _hours(line)
        if hours is None:
            self.cannot(f"quantity in {line['unit'] or 'no unit'}, not in hours", usd)
        elif provider is None:
            self.cannot(f"{line['provider'] or 'the provider'} is not in the catalog", usd)
        elif not line["RegionId"]:
            self.cannot("no region", usd)
        else:
            place = (provider, str(line["RegionId"]), hardware, str(line["market"]), line["month"].date())
            before = self.hours.get(place, (0.0, 0.0))
            self.hours[place] = (before[0] + hours, before[1] + usd)

    def cannot(self, why: str, usd: float) -> None:
        self.unpriced_usd[why] = self.unpriced_usd.get(why, 0.0) + usd

    def uses(self) -> list[Use]:
        return [
            Use(provider=p, region=r, hardware=h, market=m, month=month, hours=hours, paid_usd=usd)
            for (p, r, h, m, month), (hours, usd) in self.hours.items()
        ]


def _hours(line: dict[str, Any]) -> float | None:
    """Hours of a group of lines; None if its unit is no time."""
    hours = hours_of_unit(line["unit"])
    return None if line["quantity"] is None or hours is None else float(line["quantity"]) * hours


def _priced(use: Use, pricing: Repricer) -> Use:
    """The use with its alternatives. Where only accelerators are named, the catalog's prices count as ratios:
    hosts are billed on lines of their own there."""
    middle = use.month.replace(day=15)
    where = (use.hardware, use.provider, use.region, middle)
    listed = pricing.on_demand(*where)
    if listed is None:
        return use
    quotes = [listed]
    scale = 1.0
    if use.hardware.instance_type is None and use.market == "on_demand" and use.hours:
        scale = use.paid_usd / use.hours / listed.mid
    on_demand = use.hours * listed.mid * scale
    made: dict[str, Any] = {"on_demand": Range.exactly(on_demand)}
    spot = pricing.spot(*where)
    if spot is not None and use.market != "spot":
        quotes.append(spot)
        made["spot"] = _on_spot(on_demand, spot, use.hours * scale)
    if use.market in ("on_demand", "unknown"):
        made |= _committed(use, pricing, where, scale, quotes)
        cheaper = pricing.elsewhere(*where)
        if cheaper is not None and cheaper.low < listed.mid:
            quotes.append(cheaper)
            made["elsewhere"] = Range.exactly(use.hours * cheaper.low * scale)
            made["elsewhere_region"] = cheaper.where
    for way in ("spot", "committed", "elsewhere"):
        if way in made and made[way].mid >= use.paid_usd:
            del made[way]  # it would have been no saving
    gap = max(q.gap_days for q in quotes)
    return Use(
        provider=use.provider, region=use.region, hardware=use.hardware, market=use.market, month=use.month,
        hours=use.hours, paid_usd=use.paid_usd, gap_days=gap, **made,
    )  # fmt: skip


def _on_spot(on_demand_usd: float, spot: Quote, hours: float) -> Range:
    worst, expected, best = SPOT_KEPT
    low, mid, high = (on_demand_usd - kept * (on_demand_usd - hours * usd)
                      for kept, usd in ((best, spot.low), (expected, spot.mid), (worst, spot.high)))  # fmt: skip
    return Range(low=low, mid=mid, high=high)


def _committed(
    use: Use, pricing: Repricer, where: tuple[Hardware, str, str, date], scale: float, quotes: list[Quote]
) -> dict[str, Any]:
    following = date(use.month.year + use.month.month // 12, use.month.month % 12 + 1, 1)
    month_hours = (following - use.month).days * HOURS_PER_DAY
    steady = math.floor(use.hours / month_hours)
    found = [(q, years) for years in (1, 3) if (q := pricing.committed(*where, years)) is not None]
    if not found or steady < 1:
        return {}
    quote, years = min(found, key=lambda pair: pair[0].mid)
    quotes.append(quote)
    rest_usd = use.paid_usd * (1 - steady * month_hours / use.hours)
    low, mid, high = (
        rest_usd + steady * month_hours * usd * scale for usd in (quote.low, quote.mid, quote.high)
    )
    return {"committed": Range(low=low, mid=mid, high=high), "committed_years": years}
