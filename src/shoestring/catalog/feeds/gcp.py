"""Google's billing catalog: prices of parts, put together to machines.

GET /v1/services/6F81-5844-456A/skus (Compute Engine), pages by ``pageToken``, an API key in a header. A machine
is its vCPUs, its memory, its accelerators and the local SSD that comes with it; a machine of which one part has
no price, or two, in a region has none there. Families whose parts' names we have not seen are left out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from shoestring.catalog.feeds.http import Host
from shoestring.catalog.feeds.reply import Reply
from shoestring.domain.offer import Market
from shoestring.domain.price import Machine, PricePoint, PricesWanted
from shoestring.domain.units import HOURS_PER_MONTH

BASE_URL = "https://cloudbilling.googleapis.com"
COMPUTE = "6F81-5844-456A"
# Machine family -> the words before "Instance Core/Ram", and before "GPU", in descriptions of parts.
FAMILIES = {
    "a2-highgpu": ("A2", "Nvidia Tesla A100"),
    "a2-megagpu": ("A2", "Nvidia Tesla A100"),
    "a2-ultragpu": ("A2", "Nvidia Tesla A100 80GB"),
    "a3-highgpu": ("A3", "Nvidia H100 80GB"),
    "a3-megagpu": ("A3Plus", "Nvidia H100 80GB Mega"),
    "g2-standard": ("G2", "Nvidia L4"),
}
SSD_GIB_PER_DEVICE = {"a2-ultragpu": 375, "a3-highgpu": 750, "a3-megagpu": 750}  # comes with the machine
MARKETS = {"OnDemand": Market.ON_DEMAND, "Preemptible": Market.SPOT}
_PART = re.compile(
    r"(?:Spot Preemptible )?(?P<name>[A-Za-z0-9 ]+?) (?P<kind>Instance Core|Instance Ram|GPU|Local Storage)"
    r"(?: attached to Spot Preemptible VMs)?(?: running)?(?: in .+)?"
)
Parts = dict[tuple[str, Market], Decimal | None]  # None where two prices are given for one part


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpPrices:
    """ports.PriceFeed over the Cloud Billing catalog."""

    server: Host
    now: Callable[[], datetime]
    provider: str = "gcp"

    @property
    def host(self) -> str:
        return self.server.name

    def points(self, wanted: PricesWanted) -> tuple[PricePoint, ...]:
        at, by_region = self.now(), self._parts()
        return tuple(
            point
            for _, machine in sorted(wanted.machines.items())
            for region in sorted(machine.regions)
            for point in self._of(machine, region, by_region.get(region, {}), at)
            if wanted.has(region)
        )

    def _of(self, machine: Machine, region: str, parts: Parts, at: datetime) -> Iterator[PricePoint]:
        """Prices of a machine in a region; a spot price holds in all zones that are known to sell it."""
        for market in MARKETS.values():
            usd = _composed(machine, parts, market)
            if usd is None:
                continue
            zones = [zone for place, zone in sorted(machine.spot_zones) if place == region] or [""]
            for zone in zones if market is Market.SPOT else [""]:
                yield PricePoint(
                    provider="gcp",
                    instance_type=machine.instance_type,
                    region=region,
                    zone=zone,
                    market=market,
                    usd_per_hour=Reply(self.host).usd(usd, f"{machine.instance_type} in {region}"),
                    as_of=at,
                    source=self.host,
                )

    def _parts(self) -> dict[str, Parts]:
        """$/h of one unit of each part, by region."""
        reply, found = Reply(self.host), dict[str, Parts]()
        for sku in self._skus():
            category = reply.table(sku.get("category"), "category")
            market = MARKETS.get(str(category.get("usageType")))
            part = _PART.fullmatch(str(sku.get("description", "")))
            if market is None or part is None:
                continue
            usd = _unit_price(reply, sku)
            if usd is None:
                continue
            name = f"{part['name']} {part['kind']}"
            for region in sku.get("serviceRegions") or ():
                prices = found.setdefault(str(region), {})
                before = prices.get((name, market), usd)
                prices[name, market] = usd if before == usd else None
        return found

    def _skus(self) -> Iterator[Mapping[str, Any]]:
        reply, token = Reply(self.host), ""
        seen: set[str] = set()
        while True:
            query = {"pageSize": "5000", "currencyCode": "USD"} | ({"pageToken": token} if token else {})
            page = reply.table(self.server.get(f"v1/services/{COMPUTE}/skus", query), "the answer")
            yield from reply.rows(page.get("skus"), "skus")
            token = page.get("nextPageToken") or ""
            if not token:
                return
            if not isinstance(token, str) or token in seen:
                raise reply.bad("nextPageToken", token, "a token not seen before")
            seen.add(token)


def _unit_price(reply: Reply, sku: Mapping[str, Any]) -> Decimal | None:
    """Dollars of one unit and hour: ``units`` and billionths; None where it is free or has tiers."""
    infos = reply.rows(sku.get("pricingInfo"), "pricingInfo")
    expression = reply.table(infos[0].get("pricingExpression") if infos else None, "pricingExpression")
    rates = reply.rows(expression.get("tieredRates"), "tieredRates")
    if len(rates) != 1:
        return None
    price = reply.table(rates[0].get("unitPrice"), "unitPrice")
    if price.get("currencyCode") != "USD":
        raise reply.bad("currencyCode", price.get("currencyCode"), "USD")
    units, nanos = price.get("units", "0"), price.get("nanos", 0)
    if not re.fullmatch(r"\d{1,7}", str(units), re.ASCII) or not isinstance(nanos, int):
        raise reply.bad("unitPrice", price, "units and nanos")
    if isinstance(nanos, bool) or not 0 <= nanos < 1_000_000_000:
        raise reply.bad("nanos", nanos, "0 to 999999999")
    usd = Decimal(str(units)) + Decimal(nanos) / 1_000_000_000
    unit = expression.get("usageUnit")
    if unit == "GiBy.mo":
        usd /= HOURS_PER_MONTH
    elif unit not in ("h", "GiBy.h"):
        raise reply.bad("usageUnit", unit, "h, GiBy.h or GiBy.mo")
    return usd or None


def _composed(machine: Machine, parts: Parts, market: Market) -> Decimal | None:
    """A machine's $/h; None where a part, or the machine's make-up, is unknown."""
    family = machine.instance_type.rpartition("-")[0]
    if family not in FAMILIES or machine.vcpus is None or machine.memory_gib is None:
        return None
    host, device = FAMILIES[family]
    needed = [
        (f"{host} Instance Core", machine.vcpus),
        (f"{host} Instance Ram", machine.memory_gib),
        (f"{device} GPU", machine.accelerator_count),
        ("SSD backed Local Storage", SSD_GIB_PER_DEVICE.get(family, 0) * machine.accelerator_count),
    ]
    total = Decimal(0)
    for name, amount in needed:
        if amount:
            usd = parts.get((name, market))
            if usd is None:
                return None
            total += usd * Decimal(str(amount))
    return round(total, 6)
