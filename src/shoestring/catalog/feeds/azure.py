"""Azure's retail prices: no account needed, pages of a hundred, list prices in US dollars.

GET /api/retail/prices?$filter=...; the next page's address is in ``NextPageLink``. Spot is a word in ``skuName``.
A reservation's price is for its whole term (prices.azure.com, "Azure Retail Prices" reference, read 2026-11).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from shoestring.catalog.feeds.http import Host
from shoestring.catalog.feeds.reply import Reply
from shoestring.domain.offer import Market
from shoestring.domain.price import PricePoint, PricesWanted

BASE_URL = "https://prices.azure.com"
VERSION = "2023-01-01-preview"
SKUS_A_QUERY = 10  # the filter goes into the address, which has a length
TERMS = {"1 Year": (Market.RESERVED_1Y, 8760), "3 Years": (Market.RESERVED_3Y, 26280)}
OTHER_SOFTWARE = ("windows", "low priority", "cloudservices", "cloud services", "dedicated host")


@dataclass(frozen=True, slots=True, kw_only=True)
class AzurePrices:
    """ports.PriceFeed over the retail price service."""

    server: Host
    now: Callable[[], datetime]
    provider: str = "azure"

    @property
    def host(self) -> str:
        return self.server.name

    def points(self, wanted: PricesWanted) -> tuple[PricePoint, ...]:
        names, found, at = sorted(wanted.machines), [], self.now()
        for first in range(0, len(names), SKUS_A_QUERY):
            for item in self._items(names[first : first + SKUS_A_QUERY], wanted.regions):
                point = self._point(item, wanted, at)
                if point is not None:
                    found.append(point)
        return tuple(found)

    def _items(self, names: list[str], regions: frozenset[str] | None) -> Iterator[Mapping[str, Any]]:
        reply = Reply(self.host)
        conditions = ["serviceName eq 'Virtual Machines'", _any_of("armSkuName", names)]
        if regions is not None:
            conditions.append(_any_of("armRegionName", sorted(regions)))
        query = {"api-version": VERSION, "$filter": " and ".join(conditions)}
        page = reply.table(self.server.get("api/retail/prices", query), "the answer")
        seen: set[str] = set()
        while True:
            if page.get("BillingCurrency") not in (None, "USD"):
                raise reply.bad("BillingCurrency", page["BillingCurrency"], "USD")
            yield from reply.rows(page.get("Items"), "Items")
            link = page.get("NextPageLink")
            if not link:
                return
            if not isinstance(link, str) or link in seen:
                raise reply.bad("NextPageLink", link, "an address not followed before")
            seen.add(link)
            page = reply.table(self.server.get(link), "the answer")

    def _point(self, item: Mapping[str, Any], wanted: PricesWanted, at: datetime) -> PricePoint | None:
        """None for what is not a Linux instance's hour that was asked for."""
        reply = Reply(self.host)
        name, region = reply.text(item, "armSkuName"), reply.text(item, "armRegionName")
        if name not in wanted.machines or not region or not wanted.has(region):
            return None
        told = " ".join(str(item.get(key, "")) for key in ("productName", "skuName", "meterName")).lower()
        if item.get("isPrimaryMeterRegion") is False or any(word in told for word in OTHER_SOFTWARE):
            return None
        if item.get("currencyCode") != "USD":
            raise reply.bad("currencyCode", item.get("currencyCode"), "USD")
        if item.get("unitOfMeasure") != "1 Hour":
            raise reply.bad("unitOfMeasure", item.get("unitOfMeasure"), "1 Hour")
        price = item.get("retailPrice")
        if item.get("type") == "Reservation":
            if item.get("reservationTerm") not in TERMS:
                return None
            market, hours = TERMS[item["reservationTerm"]]
            if isinstance(price, bool) or not isinstance(price, int | Decimal):
                raise reply.bad("retailPrice", price, "dollars")
            price = round(Decimal(price) / hours, 8)
        elif item.get("type") == "Consumption":
            market = Market.SPOT if "spot" in told else Market.ON_DEMAND
        else:
            return None
        return PricePoint(
            provider="azure",
            instance_type=name,
            region=region,
            market=market,
            usd_per_hour=reply.usd(price, "retailPrice"),
            as_of=at,
            source=self.host,
        )


def _any_of(name: str, values: list[str]) -> str:
    return "(" + " or ".join(f"{name} eq '{value}'" for value in values) + ")"
