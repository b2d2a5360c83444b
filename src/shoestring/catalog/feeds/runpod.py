"""RunPod's GPU types: prices of its secure and its community hosts, for one device, anywhere.

POST /graphql with a bearer key; ``gpuTypes`` (call shape as in open-source price collectors, read 2026-11).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from shoestring.catalog.feeds.http import Host
from shoestring.catalog.feeds.reply import Reply
from shoestring.domain.offer import Market
from shoestring.domain.price import PricePoint, PricesWanted

BASE_URL = "https://api.runpod.io"
QUERY = "{ gpuTypes { id securePrice communityPrice secureSpotPrice communitySpotPrice } }"
DEVICES = {
    "NVIDIA A100 80GB PCIe": "A100-80GB-PCIe",
    "NVIDIA A100-SXM4-80GB": "A100-80GB-SXM",
    "NVIDIA A40": "A40",
    "NVIDIA B200": "B200",
    "NVIDIA H100 80GB HBM3": "H100-SXM",
    "NVIDIA H100 NVL": "H100-NVL",
    "NVIDIA H100 PCIe": "H100-PCIe",
    "NVIDIA H200": "H200-SXM",
    "NVIDIA L40S": "L40S",
    "NVIDIA GeForce RTX 4090": "RTX-4090",
}
FIELDS = (
    ("securePrice", "secure", Market.ON_DEMAND),
    ("communityPrice", "community", Market.ON_DEMAND),
    ("secureSpotPrice", "secure", Market.SPOT),
    ("communitySpotPrice", "community", Market.SPOT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunpodPrices:
    """ports.PriceFeed over RunPod's GraphQL."""

    server: Host
    now: Callable[[], datetime]
    provider: str = "runpod"

    @property
    def host(self) -> str:
        return self.server.name

    def points(self, wanted: PricesWanted) -> tuple[PricePoint, ...]:
        return tuple(self._points(wanted, self.now()))

    def _points(self, wanted: PricesWanted, at: datetime) -> Iterator[PricePoint]:
        reply = Reply(self.host)
        answer = reply.table(self.server.post("graphql", {"query": QUERY}), "the answer")
        if answer.get("errors"):
            raise reply.bad("errors", answer["errors"], "none")
        rows = reply.rows(reply.table(answer.get("data"), "data").get("gpuTypes"), "gpuTypes")
        for row in rows:
            device = DEVICES.get(reply.text(row, "id"))
            for key, hosts, market in FIELDS:
                name = f"{hosts}:{device}"
                if name not in wanted.machines or row.get(key) in (None, 0):
                    continue  # 0 is how it says that it has none of them
                for region in sorted(wanted.machines[name].regions):
                    if wanted.has(region):
                        yield PricePoint(
                            provider="runpod", instance_type=name, region=region, market=market,
                            usd_per_hour=reply.usd(row[key], f"{name}.{key}"), as_of=at, source=self.host,
                        )  # fmt: skip
