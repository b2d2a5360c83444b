"""Live prices: given a provider's service, when asked, then its prices come as points and nothing leaves its host."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shoestring.catalog.feeds.azure import AzurePrices
from shoestring.catalog.feeds.gcp import GcpPrices
from shoestring.catalog.feeds.http import EtagStore, Host
from shoestring.catalog.feeds.lambda_cloud import LambdaPrices
from shoestring.catalog.feeds.runpod import RunpodPrices
from shoestring.catalog.layer import Known
from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from shoestring.domain.offer import Market
from shoestring.domain.price import PricePoint
from tests.catalog.feeds import shapes
from tests.catalog.feeds.server import Answer, serving

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
KNOWN = Known(embedded())


def now() -> datetime:
    return NOW


def host(url: str, **more: Any) -> Host:
    return Host(base_url=url, **more)


def by_key(points: tuple[PricePoint, ...]) -> dict[str, Decimal]:
    return {"/".join(filter(None, p.key)): p.usd_per_hour for p in points}


def test_azure_pages_are_followed_and_spot_reservations_and_other_software_told_apart() -> None:
    def respond(path: str, query: dict[str, list[str]], _: bytes, __: dict[str, str]) -> Answer:
        assert path == "/api/retail/prices"
        if "page" in query:
            return Answer(shapes.azure_page(
                shapes.azure_item(skuName="Standard_ND96isr_H100_v5 Spot", retailPrice=20.5),
                shapes.azure_item(type="Reservation", reservationTerm="1 Year", retailPrice=500000)))  # fmt: skip
        assert "armSkuName eq 'Standard_ND96isr_H100_v5'" in query["$filter"][0]
        first = shapes.azure_page(
            shapes.azure_item(), shapes.azure_item(productName="NDsrH100v5 Series Windows", retailPrice=102.7),
            shapes.azure_item(skuName="ND96isr Low Priority", retailPrice=11),
            shapes.azure_item(armSkuName="Standard_D2_v5", retailPrice=0.096), link="/api/retail/prices?page=2",
        )  # fmt: skip
        return Answer(first)

    with serving(respond) as service:
        feed = AzurePrices(server=host(service.url), now=now)
        found = by_key(feed.points(KNOWN.machines("azure", ["H100-SXM"])))

    assert found == {
        "azure/Standard_ND96isr_H100_v5/eastus/on_demand": Decimal("98.32"),
        "azure/Standard_ND96isr_H100_v5/eastus/spot": Decimal("20.5"),
        "azure/Standard_ND96isr_H100_v5/eastus/reserved_1y": Decimal("57.07762557"),
    }


def test_lambda_says_where_there_is_none_and_gets_its_key_and_nobody_else_does() -> None:
    with serving(Answer(shapes.lambda_types())) as service:
        server = host(service.url, headers={"Authorization": "Bearer s3cret"})
        points = LambdaPrices(server=server, now=now).points(KNOWN.machines("lambda"))

    assert {p.region: p.available for p in points if p.region.startswith("us-")} == {
        "us-east-1": True, "us-south-1": False, "us-west-1": False,
    }  # fmt: skip
    assert {p.usd_per_hour for p in points} == {Decimal("4.29")}
    assert service.asked[0][1]["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(server)


def test_runpods_devices_become_the_catalogs_types_and_0_means_none() -> None:
    with serving(Answer(shapes.runpod_types(communityPrice=0))) as service:
        points = RunpodPrices(server=host(service.url), now=now).points(KNOWN.machines("runpod"))

    found = by_key(points)
    assert found["runpod/secure:H100-SXM/any/on_demand"] == Decimal("2.99")
    assert found["runpod/secure:H100-SXM/any/spot"] == Decimal("1.75")
    assert not any("community" in key for key in found)


def test_googles_machines_are_put_together_from_parts() -> None:
    with serving(Answer({"skus": shapes.gcp_l4_parts(), "nextPageToken": ""})) as service:
        feed = GcpPrices(server=host(service.url, headers={"X-Goog-Api-Key": "k"}), now=now)
        found = by_key(feed.points(KNOWN.machines("gcp")))

    four = Decimal("0.024988") * 4 + Decimal("0.002927") * 16 + Decimal("0.56004")
    assert found["gcp/g2-standard-4/us-central1/on_demand"] == pytest.approx(four)
    assert found["gcp/g2-standard-4/us-central1/us-central1-a/spot"] == pytest.approx(
        Decimal("0.00915") * 4 + Decimal("0.00107") * 16 + Decimal("0.2231")
    )
    assert all(key.startswith("gcp/g2-standard") for key in found), "no machine of which a part has no price"


def test_two_prices_for_one_part_leave_its_machines_out() -> None:
    parts = [*shapes.gcp_l4_parts(), shapes.gcp_sku("Nvidia L4 GPU running in Americas", 0.5)]
    with serving(Answer({"skus": parts})) as service:
        found = GcpPrices(server=host(service.url), now=now).points(KNOWN.machines("gcp"))

    assert found and all(p.market is Market.SPOT for p in found)


def lambda_points(service_url: str, **more: Any) -> tuple[PricePoint, ...]:
    return LambdaPrices(server=host(service_url, **more), now=now).points(KNOWN.machines("lambda"))


def test_a_redirect_to_another_host_is_refused_and_the_key_stays() -> None:
    with serving(Answer(shapes.lambda_types())) as other:
        target = other.url.replace("127.0.0.1", "localhost") + "/api/v1/instance-types"
        with (
            serving(Answer({}, status=302, headers={"Location": target})) as service,
            pytest.raises(BadInput, match="another host"),
        ):
            lambda_points(service.url, headers={"Authorization": "Bearer s3cret"})
        assert other.asked == []


def test_a_redirect_on_the_same_host_is_followed() -> None:
    def respond(path: str, *_: Any) -> Answer:
        if path == "/moved":
            return Answer(shapes.lambda_types())
        return Answer({}, status=307, headers={"Location": "/moved"})

    with serving(respond) as service:
        assert lambda_points(service.url)


def test_the_next_page_is_never_fetched_from_another_host() -> None:
    page = shapes.azure_page(shapes.azure_item(), link="https://elsewhere.example/api/retail/prices?page=2")
    with serving(Answer(page)) as service, pytest.raises(BadInput, match=r"elsewhere\.example"):
        AzurePrices(server=host(service.url), now=now).points(KNOWN.machines("azure", ["H100-SXM"]))


def test_an_unchanged_answer_is_not_sent_again(tmp_path: Path) -> None:
    def respond(_: str, __: dict[str, list[str]], ___: bytes, headers: dict[str, str]) -> Answer:
        if headers.get("if-none-match") == '"v1"':
            return Answer(b"", status=304)
        return Answer(shapes.lambda_types(), headers={"ETag": '"v1"'})

    with serving(respond) as service:
        first, second = (lambda_points(service.url, etags=EtagStore(tmp_path)) for _ in range(2))

    assert first == second and [h.get("if-none-match") for _, h in service.asked] == [None, '"v1"']


def test_kept_answers_do_not_pile_up(tmp_path: Path) -> None:
    store = EtagStore(tmp_path)
    for number in range(130):
        store.keep(f"http://x/{number}", "tag", b"{}")

    assert len(list(tmp_path.iterdir())) <= 100 and store.find("http://x/129") == ("tag", b"{}")


ENDLESS: dict[str, tuple[Answer, dict[str, Any], type[Exception], str]] = {
    "too large": (Answer(b" " * 5000), {"answer_bytes": 4096}, BadInput, "more than 4096 bytes"),
    "broken off": (Answer(b"{}", headers={"Content-Length": "90"}), {"silence_s": 2.0}, ExecutorUnavailable,
                   "of 90 bytes|not reached"),
    "packed": (Answer(b"{}", headers={"Content-Encoding": "gzip"}), {}, BadInput, "packed"),
    "no key": (Answer({"error": "?"}, status=401), {}, ExecutorUnavailable, "answered 401"),
    "down": (Answer({}, status=503), {}, ExecutorUnavailable, "answered 503"),
    "304 to a new question": (Answer(b"", status=304), {}, ExecutorUnavailable, "answered 304"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_or_use_is_bounded(name: str) -> None:
    answer, limits, error, text = ENDLESS[name]
    with serving(answer) as service, pytest.raises(error, match=text):
        lambda_points(service.url, **limits)


def test_a_slow_service_is_left(tmp_path: Path) -> None:
    ticks = iter(range(0, 10_000, 60))
    clock: Callable[[], float] = lambda: float(next(ticks))  # noqa: E731
    with (
        serving(Answer(shapes.lambda_types())) as service,
        pytest.raises(ExecutorUnavailable, match="within 50 s"),
    ):
        lambda_points(service.url, seconds=50.0, clock=clock)


def test_endless_pages_end() -> None:
    numbers = iter(range(1_000_000))

    def respond(*_: Any) -> Answer:
        return Answer(shapes.azure_page(shapes.azure_item(), link=f"/api/retail/prices?page={next(numbers)}"))

    with serving(respond) as service, pytest.raises(BadInput, match="more than 20 pages"):
        AzurePrices(server=host(service.url, requests=20), now=now).points(
            KNOWN.machines("azure", ["H100-SXM"])
        )


def test_nobody_there_is_told() -> None:
    with serving(Answer({})) as service:
        pass
    with pytest.raises(ExecutorUnavailable, match="not reached"):
        lambda_points(service.url)


@pytest.mark.parametrize(
    "url", ["http://prices.example", "ftp://127.0.0.1", "file:///etc/passwd", "prices.azure.com"]
)
def test_only_https_or_this_machine_is_asked(url: str) -> None:
    with pytest.raises(BadInput):
        host(url)
