"""Given a bill with accelerators, when it is looked back on, then the same hours are priced otherwise."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput
from shoestring.workflows.lookback import SPOT_KEPT, Lookback, look_back
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def gpu(**changes: object) -> dict[str, object]:
    """100 hours of an eight-H100 instance, 9,000 $."""
    given = {
        "EffectiveCost": "9000", "BilledCost": "9000", "ResourceType": "p5.48xlarge", "PricingQuantity": "100",
        "PricingUnit": "Hours",
    }  # fmt: skip
    return focus(**(given | changes))


def looked(tmp_path: Path, *rows: dict[str, object]) -> Lookback:
    return look_back([write(tmp_path / "bill.csv", list(rows))], embedded(), now=NOW)


def test_accelerator_hours_are_found_and_the_rest_is_only_counted(tmp_path: Path) -> None:
    found = looked(tmp_path, gpu(), focus(ResourceType="m5.large"))

    (use,) = found.uses
    assert use.hardware.accelerator == "H100-SXM" and use.hardware.count == 8
    assert (use.hours, use.paid_usd) == (100, 9000)
    assert (found.billed_usd, found.accelerator_usd) == (9008, 9000)


@pytest.mark.parametrize(
    ("text", "hours", "unit"),
    [
        ({"ChargeDescription": "8x H100 SXM"}, "2", "Hours"),
        ({"ChargeDescription": "8x H100 SXM"}, "16", "GPU-Hours"),
        ({"ResourceType": "p5.48xlarge"}, "2", "Hours"),
        ({"ResourceType": "p5.48xlarge"}, "16", "GPU Hours"),
    ],
)
def test_eight_accelerators_for_two_hours_are_that_in_every_unit(
    tmp_path: Path, text: dict[str, str], hours: str, unit: str
) -> None:
    row = gpu(**{"ResourceType": "", **text}, PricingQuantity=hours, PricingUnit=unit, EffectiveCost="150")
    (use,) = looked(tmp_path, row).uses

    assert (use.hardware.count, use.hours, use.paid_usd) == (8, 2, 150)
    assert use.on_demand is not None and 50 < use.on_demand.mid < 400


def test_spot_keeps_the_measured_share_of_its_discount(tmp_path: Path) -> None:
    (use,) = looked(tmp_path, gpu()).uses
    assert use.spot is not None and use.on_demand is not None

    assert use.spot.low < use.spot.mid < use.spot.high < use.on_demand.mid
    discount = use.on_demand.mid - use.spot.mid
    assert 0 < discount / use.on_demand.mid < SPOT_KEPT[1], "even free spot saves no more than what is kept"


def test_use_on_spot_has_no_spot_alternative_and_shows_what_it_saved(tmp_path: Path) -> None:
    (use,) = looked(tmp_path, gpu(PricingCategory="Dynamic", EffectiveCost="3000")).uses

    assert use.spot is None and use.on_demand is not None and use.on_demand.mid > 3000


def test_a_commitment_is_priced_for_the_steady_part_only(tmp_path: Path) -> None:
    a10g = {"ResourceType": "g5.48xlarge", "RegionId": "eu-central-1"}
    few = looked(tmp_path, gpu(**a10g)).uses[0]
    (tmp_path / "b").mkdir()
    many = looked(tmp_path / "b", gpu(**a10g, PricingQuantity="1500", EffectiveCost="30000")).uses[0]

    assert few.committed is None, "a seventh of an instance is no steady part"
    assert many.committed is not None and 15 * 744 < many.committed.mid < 30_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PricingUnit": "Requests"}, "quantity in Requests"),
        ({"RegionId": ""}, "no region"),
        ({"ServiceProviderName": "Nobody", "ResourceType": "8x MI355X"}, "no price of it"),
    ],
)
def test_what_cannot_be_priced_is_said_in_dollars(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    found = looked(tmp_path, gpu(), gpu(**changes))

    ((why, usd),) = found.unpriced_usd.items()
    assert reason in why and usd == 9000
    assert found.accelerator_usd == 18_000


def test_a_bill_without_accelerators_is_refused_with_a_way_on(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no accelerator") as refused:
        looked(tmp_path, focus(ResourceType="m5.large"))
    assert "--map" in str(refused.value.next_step)


def test_where_only_the_accelerator_is_named_prices_count_as_ratios(tmp_path: Path) -> None:
    row = gpu(
        ServiceProviderName="Google Cloud", InvoiceIssuerName="Google Cloud", ResourceType="", RegionId="us-central1",
        ChargeDescription="Nvidia H100 80GB GPU running in Iowa", PricingUnit="hour", EffectiveCost="1000",
    )  # fmt: skip
    (use,) = looked(tmp_path, row).uses

    assert use.hardware.instance_type is None and use.hardware.count == 1
    assert use.on_demand is not None and use.on_demand.mid == pytest.approx(1000), (
        "the host is a line of its own"
    )
    assert use.spot is not None and use.spot.mid < 1000


def test_nothing_is_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path / "home"))
    looked(tmp_path, gpu())
    assert not (tmp_path / "home").exists()


def test_a_sender_without_prices_in_the_catalog_is_compared_with_those_that_have_some(tmp_path: Path) -> None:
    cloud = {"ProviderName": "NeoCloud", "ServiceProviderName": "NeoCloud", "InvoiceIssuerName": "NeoCloud",
             "RegionId": "", "ResourceType": "", "ChargeDescription": "H100 SXM"}  # fmt: skip
    found = looked(tmp_path, gpu(**cloud, EffectiveCost="900", BilledCost="900"))

    (use,) = found.uses
    assert use.provider == "NeoCloud" and use.on_demand is None and use.spot is None
    assert use.another_provider is not None and 0 < use.another_provider.mid < 900
    assert use.another_provider_region and found.unpriced_usd == {}


def test_nothing_is_promised_to_who_pays_less_than_anybody_lists(tmp_path: Path) -> None:
    cloud = {"ProviderName": "NeoCloud", "ServiceProviderName": "NeoCloud", "InvoiceIssuerName": "NeoCloud",
             "ResourceType": "", "ChargeDescription": "H100 SXM"}  # fmt: skip
    found = looked(tmp_path, gpu(**cloud, EffectiveCost="50", BilledCost="50"))

    assert found.total("another_provider") is None
    assert found.unpriced_usd == {"no provider of the catalog lists less": 50}
