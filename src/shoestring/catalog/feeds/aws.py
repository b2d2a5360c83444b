"""AWS spot prices of every zone, through boto3 (an extra): describe_spot_price_history, newest of each zone.

Zones of an account are named by letters that differ between accounts; the catalog keeps zone ids, which do not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shoestring.catalog.feeds.reply import Reply
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from shoestring.domain.offer import Market, PriceKind
from shoestring.domain.price import PricePoint, PricesWanted

PAGES, PAGE = 50, 1000  # of one region
HOST = "ec2.amazonaws.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSpotPrices:
    """ports.PriceFeed over EC2. ``client``: makes a region's EC2 client; only its two describe calls are used."""

    client: Callable[[str], Any]
    now: Callable[[], datetime]
    provider: str = "aws"

    @property
    def host(self) -> str:
        return HOST

    def points(self, wanted: PricesWanted) -> tuple[PricePoint, ...]:
        at = self.now()
        regions = {region for machine in wanted.machines.values() for region in machine.regions}
        return tuple(
            point for region in sorted(r for r in regions if wanted.has(r))
            for point in self._region(region, wanted, at)
        )  # fmt: skip

    def _region(self, region: str, wanted: PricesWanted, at: datetime) -> Iterator[PricePoint]:
        reply = Reply(f"{HOST} in {region}")
        ec2, zones = self.client(region), dict[str, str]()
        types = sorted(m.instance_type for m in wanted.machines.values() if region in m.regions)
        newest: dict[tuple[str, str], tuple[datetime, Any]] = {}
        for row in reply.rows(_asked(ec2.describe_availability_zones).get("AvailabilityZones"), "zones"):
            zones[reply.text(row, "ZoneName")] = reply.text(row, "ZoneId")
        for page in self._pages(ec2, types, at, region):
            for row in reply.rows(page.get("SpotPriceHistory"), "SpotPriceHistory"):
                key = (reply.text(row, "InstanceType"), reply.text(row, "AvailabilityZone"))
                since = row.get("Timestamp")
                if not isinstance(since, datetime) or since.tzinfo is None:
                    raise reply.bad("Timestamp", since, "a moment")
                if key not in newest or since > newest[key][0]:
                    newest[key] = (since, row.get("SpotPrice"))
        for (name, zone), (_, price) in sorted(newest.items()):
            if name in wanted.machines and zone in zones:
                yield PricePoint(
                    provider="aws", instance_type=name, region=region, zone=zones[zone], market=Market.SPOT,
                    usd_per_hour=reply.usd(price, f"{name} in {zone}"), as_of=at, source=HOST,
                    kind=PriceKind.OBSERVED,
                )  # fmt: skip

    def _pages(self, ec2: Any, types: list[str], at: datetime, region: str) -> Iterator[dict[str, Any]]:
        query: dict[str, Any] = {
            "InstanceTypes": types,
            "ProductDescriptions": ["Linux/UNIX"],
            "StartTime": at,  # the price that holds now comes too, whenever it was set
            "MaxResults": PAGE,
        }
        for _ in range(PAGES):
            page = _asked(ec2.describe_spot_price_history, **query)
            yield page
            if not page.get("NextToken"):
                return
            query["NextToken"] = page["NextToken"]
        raise BadInput(f"{HOST} in {region}: more than {PAGES} pages; refused")


def _asked(call: Callable[..., Any], **query: Any) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found: dict[str, Any] = call(**query)
    except ClientError as error:
        raise ExecutorUnavailable(f"{HOST} answered {error.response['Error'].get('Code', '?')}",
                                  next_step="shoestring check") from None  # fmt: skip
    except BotoCoreError as error:
        raise ExecutorUnavailable(f"{HOST} was not reached: {type(error).__name__}") from None
    return found


def ec2_client(region: str, endpoint_url: str | None = None) -> Any:
    """A client with short timeouts and few tries.

    Raises:
        ExecutorUnavailable: boto3 is not installed.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise ExecutorUnavailable(
            "AWS prices need boto3", next_step="pip install 'shoestring[aws]'"
        ) from None
    config = Config(connect_timeout=5, read_timeout=15, retries={"total_max_attempts": 2})
    return boto3.client("ec2", region_name=region, endpoint_url=endpoint_url, config=config)
