"""Lambda's instance types: a price for all regions, and the regions that have any right now.

GET /api/v1/instance-types with a bearer key (call shape as in open-source launchers, read 2026-11).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoestring.catalog.feeds.http import Host
from shoestring.catalog.feeds.reply import Reply
from shoestring.domain.offer import Market
from shoestring.domain.price import Machine, PricePoint, PricesWanted

BASE_URL = "https://cloud.lambdalabs.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaPrices:
    """ports.PriceFeed over Lambda's API."""

    server: Host
    now: Callable[[], datetime]
    provider: str = "lambda"

    @property
    def host(self) -> str:
        return self.server.name

    def points(self, wanted: PricesWanted) -> tuple[PricePoint, ...]:
        return tuple(self._points(wanted, self.now()))

    def _points(self, wanted: PricesWanted, at: datetime) -> Iterator[PricePoint]:
        reply = Reply(self.host)
        types = reply.table(reply.table(self.server.get("api/v1/instance-types"), "the answer").get("data"),
                            "data")  # fmt: skip
        for name, entry in types.items():
            machine = wanted.machines.get(name)
            if machine is None:
                continue
            row = reply.table(entry, name)
            cents = reply.table(row.get("instance_type"), f"{name}.instance_type").get("price_cents_per_hour")
            if isinstance(cents, bool) or not isinstance(cents, int):
                raise reply.bad(f"{name}.price_cents_per_hour", cents, "whole cents")
            usd = reply.usd(Decimal(cents) / 100, f"{name}.price_cents_per_hour")
            places = reply.rows(row.get("regions_with_capacity_available"), f"{name}.regions")
            ready = {reply.text(place, "name") for place in places}
            for region in sorted(_regions(machine, ready)):
                if wanted.has(region):
                    yield PricePoint(
                        provider="lambda", instance_type=name, region=region, market=Market.ON_DEMAND,
                        usd_per_hour=usd, as_of=at, source=self.host, available=region in ready,
                    )  # fmt: skip


def _regions(machine: Machine, ready: set[str]) -> set[str]:
    return ready | machine.regions
