"""AWS spot prices: given EC2's answers on this machine, when asked through boto3, then each zone's newest comes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shoestring.catalog.feeds.aws import AwsSpotPrices, ec2_client
from shoestring.catalog.layer import Known
from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from tests.catalog.feeds import shapes
from tests.catalog.feeds.server import Answer, serving

pytestmark = pytest.mark.extras
pytest.importorskip("boto3", reason="make test-extras")

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
KNOWN = Known(embedded())


def now() -> datetime:
    return NOW


def test_aws_spot_is_by_zone_id_newest_first_and_through_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")

    def item(usd: str, zone: str, hours: int) -> str:
        at = (NOW - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return shapes.SPOT_ITEM.format(kind="p5.48xlarge", usd=usd, at=at, zone=zone)

    def respond(_: str, __: dict[str, list[str]], body: bytes, ___: dict[str, str]) -> Answer:
        if b"DescribeAvailabilityZones" in body:
            return Answer(shapes.ZONES_XML.encode(), headers={"Content-Type": "text/xml"})
        first = b"NextToken" not in body
        items = item("21.50", "us-east-1a", 2) + item("24.00", "us-east-1a", 30) if first else item(
            "19.75", "us-east-1b", 1
        )  # fmt: skip
        xml = shapes.SPOT_XML.format(items=items, token="more" if first else "")
        return Answer(xml.encode(), headers={"Content-Type": "text/xml"})

    with serving(respond) as service:
        feed = AwsSpotPrices(client=lambda region: ec2_client(region, service.url), now=now)
        wanted = KNOWN.machines("aws", ["H100-SXM"])
        wanted = replace(wanted, regions=frozenset({"us-east-1"}))
        found = {"/".join(filter(None, p.key)): p.usd_per_hour for p in feed.points(wanted)}

    assert found == {
        "aws/p5.48xlarge/us-east-1/use1-az2/spot": Decimal("21.50"),
        "aws/p5.48xlarge/us-east-1/use1-az4/spot": Decimal("19.75"),
    }


def test_aws_refusal_is_told_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    denied = b"<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>"
    with serving(Answer(denied, status=403)) as service:
        feed = AwsSpotPrices(client=lambda region: ec2_client(region, service.url), now=now)
        with pytest.raises(ExecutorUnavailable, match="UnauthorizedOperation"):
            feed.points(KNOWN.machines("aws", ["H100-SXM"]))


@pytest.mark.parametrize("usd", ["0", "-5", "free", "1e3", "NaN", "99999999"])
def test_a_price_that_is_none_refuses_the_whole_answer(usd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")

    def respond(_: str, __: dict[str, list[str]], body: bytes, ___: dict[str, str]) -> Answer:
        item = shapes.SPOT_ITEM.format(
            kind="p5.48xlarge", usd=usd, at="2026-11-27T10:00:00.000Z", zone="us-east-1a"
        )
        xml = shapes.ZONES_XML if b"Zones" in body else shapes.SPOT_XML.format(items=item, token="")
        return Answer(xml.encode(), headers={"Content-Type": "text/xml"})

    with serving(respond) as service, pytest.raises(BadInput, match="refused"):
        feed = AwsSpotPrices(client=lambda region: ec2_client(region, service.url), now=now)
        feed.points(replace(KNOWN.machines("aws", ["H100-SXM"]), regions=frozenset({"us-east-1"})))
