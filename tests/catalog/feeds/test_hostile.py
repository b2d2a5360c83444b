"""Answers and caches that can't be true: each is refused whole with a reason, and what was known stays."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shoestring.catalog.feeds.azure import AzurePrices
from shoestring.catalog.feeds.cache import write_points
from shoestring.catalog.feeds.gcp import GcpPrices
from shoestring.catalog.feeds.http import Host
from shoestring.catalog.feeds.lambda_cloud import LambdaPrices
from shoestring.catalog.feeds.runpod import RunpodPrices
from shoestring.catalog.layer import NO_CAPACITY, Known, Layer, checked, laid, layers_used
from shoestring.catalog.load import embedded
from shoestring.catalog.sanity import flags, suspect
from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Market
from shoestring.domain.price import PricePoint
from shoestring.workflows.refresh import cached, refresh
from tests.catalog.feeds import shapes
from tests.catalog.feeds.server import Answer, serving

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CATALOG = embedded()
KNOWN = Known(CATALOG)
FEEDS: dict[str, Callable[[Host], Any]] = {
    "azure": lambda server: AzurePrices(server=server, now=lambda: NOW),
    "gcp": lambda server: GcpPrices(server=server, now=lambda: NOW),
    "lambda": lambda server: LambdaPrices(server=server, now=lambda: NOW),
    "runpod": lambda server: RunpodPrices(server=server, now=lambda: NOW),
}
NO_PRICE: list[Any] = [
    0,
    -1,
    -98.32,
    1e9,
    5001,
    True,
    "98.32 USD",
    "free",
    "",
    "1e3",
    "NaN",
    [98],
    {"usd": 98},
    None,
]
NO_DOCUMENT: list[Any] = [b"", b"{", b"\xff\xfe", b"[]", b"null", b"5", b'"x"', b"{}", b'{"a": NaN}', b"[" * 90_000,
    b"<html>sign in</html>", b'{"data": 1, "data": 2}', b"1" * 9000]  # fmt: skip

HOSTILE: list[tuple[str, Any]] = [
    *((feed, document) for feed in FEEDS for document in NO_DOCUMENT),
    *(("azure", shapes.azure_page(shapes.azure_item(retailPrice=usd))) for usd in NO_PRICE),
    *(("azure", shapes.azure_page(shapes.azure_item(retailPrice=usd))) for usd in (0.98, 5, 4000)),
    *(("azure", shapes.azure_page(shapes.azure_item(currencyCode=c))) for c in ("EUR", "usd", None, "")),
    *(("azure", shapes.azure_page(shapes.azure_item(unitOfMeasure=u))) for u in ("1 Month", "100 Hours", None, "1 GB")),
    *(("azure", shapes.azure_page(shapes.azure_item(armRegionName=r))) for r in (None, 5, "east\nus", "x" * 500, "☁")),
    *(("azure", shapes.azure_page(shapes.azure_item(armSkuName=n))) for n in (None, 5, ["a"], "a\x00b")),
    *(
        ("azure", shapes.azure_page(shapes.azure_item(type="Reservation", reservationTerm="1 Year", retailPrice=p)))
        for p in (None, True, "5", -5, 1, 1e12)
    ),
    ("azure", shapes.azure_page(shapes.azure_item(), shapes.azure_item(retailPrice=90))),
    ("azure", shapes.azure_page(shapes.azure_item(), BillingCurrency="EUR")),
    ("azure", shapes.azure_page(shapes.azure_item(), Items={"0": 1})),
    ("azure", shapes.azure_page(shapes.azure_item(), Items=[1, 2])),
    ("azure", shapes.azure_page(shapes.azure_item(), link="file:///etc/passwd")),
    ("azure", shapes.azure_page(shapes.azure_item(), NextPageLink=["x"])),
    ("azure", shapes.azure_page(shapes.azure_item(), NextPageLink="/same?page=2")),
    *(("lambda", shapes.lambda_types(cents=c)) for c in (*NO_PRICE, 4.29, 3, 42900)),
    *(("lambda", shapes.lambda_types(regions=r)) for r in ((None,), (5,), ("\x1b[2J",))),
    ("lambda", {"data": {"gpu_1x_h100_sxm5": {"instance_type": None, "regions_with_capacity_available": []}}}),
    ("lambda", {"data": {"gpu_1x_h100_sxm5": {"instance_type": {"price_cents_per_hour": 429}}}}),
    ("lambda", {"data": []}),
    ("lambda", {"error": {"code": "global/invalid-api-key"}}),
    *(("runpod", shapes.runpod_types(securePrice=usd)) for usd in NO_PRICE if usd not in (0, None)),
    *(("runpod", shapes.runpod_types(securePrice=usd)) for usd in (0.02, 299)),
    *(("runpod", shapes.runpod_types(id=i)) for i in (None, 5, "", "x" * 200)[:2]),
    ("runpod", {"errors": [{"message": "rate limited"}], "data": None}),
    ("runpod", {"data": {"gpuTypes": [shapes.runpod_types()["data"]["gpuTypes"][0],
                                      shapes.runpod_types(securePrice=3.5)["data"]["gpuTypes"][0]]}}),
    *(("gcp", {"skus": shapes.gcp_l4_parts(**bad)}) for bad in (
        {"currencyCode": "EUR"}, {"units": "-1"}, {"units": "x"}, {"units": "99999999999"}, {"nanos": "5"},
        {"nanos": 1e9}, {"nanos": -5}, {"nanos": True}, {"units": None}, {"units": "4000"})),
    ("gcp", {"skus": [shapes.gcp_sku("G2 Instance Core running in Americas", 0.02, unit="s")]}),
    ("gcp", {"skus": [{"description": "Nvidia L4 GPU running in Americas"}]}),
    ("gcp", {"skus": [shapes.gcp_sku("Nvidia L4 GPU running in Americas", 0.56) | {"pricingInfo": []}]}),
    ("gcp", {"skus": [], "nextPageToken": "again"}),
]  # fmt: skip


def ask(feed: str, body: Any, folder: Path) -> Any:
    with serving(Answer(body)) as service:
        made = FEEDS[feed](Host(base_url=service.url, requests=5))
        return refresh([made], CATALOG, folder, now=NOW)[0]


@pytest.mark.parametrize("start", range(0, len(HOSTILE), 10))
def test_a_hostile_answer_brings_nothing_and_loses_nothing(start: int, tmp_path: Path) -> None:
    for feed, body in HOSTILE[start : start + 10]:
        file = tmp_path / f"{feed}.json"
        kept = point(provider=feed)
        write_points(file, feed, [kept])
        before = file.read_bytes()

        found = ask(feed, body, tmp_path)

        assert found.problem and not found.points, f"taken: {feed} {str(body)[:200]}"
        assert file.read_bytes() == before


def point(**changes: Any) -> PricePoint:
    base: dict[str, Any] = {
        "provider": "azure", "instance_type": "Standard_ND96isr_H100_v5", "region": "eastus",
        "market": Market.ON_DEMAND, "usd_per_hour": 98, "as_of": NOW, "source": "prices.azure.com",
    }  # fmt: skip
    return PricePoint(**(base | changes))


ROW = {"instance_type": "Standard_ND96isr_H100_v5", "region": "eastus", "zone": "", "market": "on_demand",
       "usd_per_hour": "98.32", "as_of": "2026-11-20T00:00:00+00:00", "source": "prices.azure.com", "kind": "list",
       "available": None}  # fmt: skip


def cache(row: dict[str, Any] | None = None, **changes: Any) -> bytes:
    return json.dumps({"version": 1, "provider": "azure", "points": [row or ROW]} | changes).encode()


BAD_CACHES: list[bytes] = [
    *(cache({**ROW, "usd_per_hour": usd}) for usd in (*NO_PRICE, "-98", "98,32", "0.5", "4999")),
    *(cache({**ROW, "as_of": day}) for day in ("2027-01-01T00:00:00+00:00", "2026-11-20", "yesterday", None, 5,
                                               "2026-11-20T00:00:00", "2026-13-01T00:00:00+00:00")),
    *(cache({**ROW, "market": m}) for m in ("owned", "preemptible", None, 5)),
    *(cache({**ROW, "kind": k}) for k in ("certain", None)),
    *(cache({**ROW, "available": a}) for a in ("no", 7)),
    *(cache({**ROW, name: v}) for name in ("instance_type", "region", "zone", "source") for v in (None, 5, "a\nb")),
    *(cache(version=v) for v in (0, 2, "1", None)),
    *(cache(points=p) for p in (None, {}, [1], "x", [ROW, {**ROW, "usd_per_hour": "90"}])),
    *(cache(provider=p) for p in (None, 5, "a\nb")),
    b"", b"{", b"[]", b"\xff", b'{"version": 1', b" " * (17 << 20),
]  # fmt: skip


@pytest.mark.parametrize("start", range(0, len(BAD_CACHES), 10))
def test_a_cache_that_cant_be_trusted_is_left_out_with_a_word(start: int, tmp_path: Path) -> None:
    for content in BAD_CACHES[start : start + 10]:
        (tmp_path / "azure.json").write_bytes(content)

        layer, refused = cached(tmp_path, KNOWN, now=NOW)

        assert layer.points == () and len(refused) == 1, content[:200]
        assert "catalog refresh azure" in refused[0]


def test_there_are_enough_hostile_answers_and_caches() -> None:
    assert len(HOSTILE) >= 130 and len(BAD_CACHES) >= 50


def test_an_old_cache_gives_way_to_newer_rows_and_counts_as_stale_when_it_is_very_old(tmp_path: Path) -> None:
    old = NOW - timedelta(days=500)  # before the embedded price
    spot = point(
        instance_type="Standard_ND96isr_H200_v5", market=Market.SPOT, usd_per_hour=20, as_of=NOW - timedelta(days=200)
    )  # fmt: skip
    write_points(tmp_path / "azure.json", "azure", [point(usd_per_hour=60, as_of=old), spot])
    layer, refused = cached(tmp_path, KNOWN, now=NOW)

    after = laid(CATALOG, layer, now=NOW)

    assert not refused and len(layer.points) == 2
    assert priced(after, point()) == (98.32, "embedded")
    assert priced(after, spot) == (20.0, "cache")
    row = Known(after).rows[spot.key]
    words = flags(after, __import__("numpy").datetime64("2026-11-27"))[row]
    assert "stale" in words and suspect(words)


def priced(catalog: Any, like: PricePoint) -> tuple[float, str]:
    row = Known(catalog).rows[like.key]
    return float(catalog.price[row]), catalog.origin[row]


@pytest.mark.parametrize(("usd", "doubtful"), [(98.32, False), (60, False), (45, True), (210, True)])
def test_two_sources_that_disagree_make_a_price_suspect(usd: float, doubtful: bool) -> None:
    after = laid(CATALOG, Layer(name="live", points=(point(usd_per_hour=usd),)), now=NOW)
    words = after.columns["flag"][Known(after).rows[point().key]].split()

    assert ("sources_disagree" in words) is doubtful and suspect(tuple(words)) is doubtful


def test_live_goes_before_cached_and_the_layers_are_told(tmp_path: Path) -> None:
    cached_layer = Layer(
        name="cache", points=(point(usd_per_hour=97), point(region="westeurope", usd_per_hour=99))
    )
    live = Layer(name="live", points=(point(usd_per_hour=96),))

    after = laid(laid(CATALOG, cached_layer, now=NOW), live, now=NOW)

    assert priced(after, point()) == (96.0, "live")
    assert priced(after, point(region="westeurope")) == (99.0, "cache")
    assert [(u.name, u.offers) for u in layers_used(after)][:2] == [("live", 1), ("cache", 1)]


def test_a_price_in_a_new_place_takes_its_hardware_from_its_kin() -> None:
    new = point(region="qatarcentral", usd_per_hour=101)
    after = laid(CATALOG, Layer(name="live", points=(new,)), now=NOW)
    offer = after.offer(Known(after).rows[new.key])

    assert (offer.accelerator, offer.accelerator_count, offer.price.source) == (
        "H100-SXM", 8, "live: prices.azure.com",
    )  # fmt: skip


def test_none_to_be_had_is_believed_for_an_hour(tmp_path: Path) -> None:
    for minutes, believed in ((5, True), (90, False)):
        gone = point(available=False, as_of=NOW - timedelta(minutes=minutes))
        after = laid(CATALOG, Layer(name="live", points=(gone,)), now=NOW)

        assert (NO_CAPACITY in after.columns["flag"][Known(after).rows[gone.key]]) is believed


def test_prices_that_cant_be_kept_are_used_once_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "prices"
    folder.write_text("a file where the folder should be")

    found = ask("azure", shapes.azure_page(shapes.azure_item()), folder)

    assert len(found.points) == 1 and found.problem and "can't be kept" in found.problem


def test_hardware_that_the_catalog_does_not_know_is_left_out() -> None:
    assert checked([point(instance_type="Standard_X1")], KNOWN, now=NOW, whose="x") == ()
    with pytest.raises(BadInput, match="has not come yet"):
        checked([point(as_of=NOW + timedelta(hours=1))], KNOWN, now=NOW, whose="x")
