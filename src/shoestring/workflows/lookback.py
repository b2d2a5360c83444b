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
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from shoestring.catalog.bill_lines import Hardware
from shoestring.catalog.load import Catalog
from shoestring.catalog.repricing import Quote, Repricer
from shoestring.domain.errors import BadInput
from shoestring.store.answers import counted_parts
from shoestring.store.bills.reading import Progress
from shoestring.store.charges import ChargeStore
from shoestring.workflows.accelerator_uses import Range, SortedLines, Use, accelerator_lines
from shoestring.workflows.bills import bring_in

SPOT_KEPT = (0.53, 0.78, 0.97)  # worst, expected, best; see the module
HOURS_PER_DAY = 24.0


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
        found = SortedLines(catalog)
        lines = accelerator_lines(store, store.manifest().parts, found.recognizer)
    for line in lines:
        found.take(line)
    if found.unrated and not found.accelerator_usd:
        raise BadInput(
            f"{found.unrated:,} lines are in a currency without a rate in dollars",
            next_step="--rates rates.csv with the columns currency,day,usd_per_unit; --currency where none is named",
        )
    if not found.accelerator_usd and not found.hours:
        raise BadInput(
            f"no accelerator in {', '.join(p.name for p in paths)}: {len(lines)} kinds of lines, none names one",
            next_step="an invoice of a GPU cloud may need --map; see docs/ledger.md",
        )
    pricing = Repricer(catalog, now.date())
    uses = [_priced(use, pricing) for use in found.uses()]
    for use in uses:
        if use.on_demand is None and use.another_provider is None:
            known = pricing.another_provider(use.hardware, use.provider, _middle(use)) is not None
            why = "no provider of the catalog lists less" if known else "no price of it in the catalog"
            found.cannot(why, use.paid_usd)
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
    found = SortedLines(catalog)
    parts = counted_parts(store.manifest(), allocated=False)
    for line in accelerator_lines(store, parts, found.recognizer, since, until) if parts else ():
        found.take(line)
    pricing = Repricer(catalog, today)
    return tuple(_priced(use, pricing) for use in found.uses())


def _priced(use: Use, pricing: Repricer) -> Use:
    """The use with its alternatives. Where only accelerators are named, the catalog's prices count as ratios:
    hosts are billed on lines of their own there."""
    where = (use.hardware, use.provider, use.region, _middle(use))
    listed = pricing.on_demand(*where)
    other = pricing.another_provider(use.hardware, use.provider, _middle(use))
    made: dict[str, Any] = {}
    quotes: list[Quote] = []
    whole = use.hardware.instance_type is not None or listed is None  # hosts are in the price
    if other is not None and whole and use.hours * other.low < use.paid_usd:
        quotes.append(other)
        made |= {
            "another_provider": Range.exactly(use.hours * other.low),
            "another_provider_region": other.where,
        }
    if listed is None:
        return replace(use, gap_days=max((q.gap_days for q in quotes), default=None), **made)
    quotes.append(listed)
    scale = 1.0
    if use.hardware.instance_type is None and use.market == "on_demand" and use.hours:
        scale = use.paid_usd / use.hours / listed.mid
    on_demand = use.hours * listed.mid * scale
    made["on_demand"] = Range.exactly(on_demand)
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
    return replace(use, gap_days=max(q.gap_days for q in quotes), **made)


def _middle(use: Use) -> date:
    return use.month.replace(day=15)


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
