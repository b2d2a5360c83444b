"""What a line of an AWS report is called: service category, provider, capacity reservations, list price."""

from datetime import UTC, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.store.charges import ChargeStore
from shoestring.store.focus.model import columns
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import CUR, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
USAGE = CUR[0] | {"line_item_usage_type": "", "line_item_line_item_type": "Usage"}


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def stored(store, tmp_path, wanted, **changes):
    bring_in(store, [write(tmp_path / "cur.csv", [USAGE | changes])], now=NOW, user="ann")
    with store.connect() as engine:
        return engine.execute(f"select {wanted} from {store.rows_sql(store.manifest().parts)}").fetchone()


@pytest.mark.parametrize(
    ("product", "usage", "category"),
    [
        ("AmazonEC2", "USE1-BoxUsage:p5.48xlarge", "Compute"),
        ("AmazonEC2", "USE1-EBS:VolumeUsage.gp3", "Storage"),
        ("AmazonEC2", "USE1-DataTransfer-Out-Bytes", "Networking"),
        ("AmazonEC2", "USE1-NatGateway-Hours", "Networking"),
        ("AmazonS3", "TimedStorage-ByteHrs", "Storage"),
        ("AmazonSageMaker", "USE1-Train:ml.p5.48xlarge", "AI and Machine Learning"),
        ("AmazonRDS", "InstanceUsage:db.r6g", "Databases"),
        ("AmazonAthena", "DataScannedInTB", "Analytics"),
        ("AmazonCloudWatch", "CW:Requests", "Management and Governance"),
        ("awskms", "KMS-Requests", "Security"),
        ("AmazonECR", "TimedStorage-ByteHrs", "Compute"),
        ("AWSELB", "LoadBalancerUsage", "Networking"),
        ("AWSSupportEnterprise", "", "Other"),
    ],
)
def test_the_category_follows_product_and_usage(store, tmp_path, product, usage, category):
    row = {"line_item_product_code": product, "line_item_usage_type": usage}
    assert stored(store, tmp_path, "ServiceCategory", **row) == (category,)
    assert category in columns()["ServiceCategory"].allowed


def test_a_seller_on_the_marketplace_is_the_provider(store, tmp_path):
    row = {"bill_billing_entity": "AWS Marketplace", "line_item_legal_entity": "Acme GPU Inc."}
    found = stored(store, tmp_path, "ServiceProviderName, HostProviderName", **row)
    assert found == ("Acme GPU Inc.", "AWS")


@pytest.mark.parametrize(
    ("usage", "status"), [("USE1-UnusedBox:p5.48xlarge", "Unused"), ("USE1-Reservation:p5.48xlarge", "Used")]
)
def test_capacity_that_is_held_is_a_capacity_reservation(store, tmp_path, usage, status):
    arn = "arn:aws:ec2:us-east-1:1:capacity-reservation/cr-1"
    found = stored(
        store,
        tmp_path,
        "CapacityReservationId, CapacityReservationStatus",
        line_item_resource_id=arn,
        line_item_usage_type=usage,
    )
    assert found == (arn, status)


def test_a_discount_lowers_what_is_paid_and_not_the_list_price(store, tmp_path):
    row = {"line_item_line_item_type": "EdpDiscount", "line_item_unblended_cost": "-2.5"}
    row |= {"pricing_public_on_demand_cost": ""}
    assert stored(store, tmp_path, "BilledCost, ListCost", **row) == (-2.5, 0)
