"""Given lines of bills that name hardware somewhere, then costs know the accelerators and their hours."""

from datetime import UTC, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.catalog.bill_lines import SHORTEST_TYPE, Recognizer, hours_of_unit, plain
from shoestring.catalog.load import embedded
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def accelerators(tmp_path, *rows):
    """Type -> hours (None: unknown), of what an import of the rows has stored."""
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [write(tmp_path / "bill.csv", list(rows))], now=NOW, user="ann")
    return {row.keys[0]: row.accelerator_hours for row in ask(store, Question(by=("accelerator",))).rows}


def paid(text, quantity="2", unit="Hours", where="ChargeDescription", **changes):
    return focus(**{where: text, "PricingQuantity": quantity, "PricingUnit": unit, **changes})


@pytest.mark.parametrize(
    ("row", "accelerator", "hours"),
    [
        (paid("$98.32 per On Demand Linux p5.48xlarge Instance Hour"), "H100-SXM", 16),
        (paid("USW2-BoxUsage:p5.48xlarge", where="SkuMeter"), "H100-SXM", 16),
        (paid("USE1-SpotUsage:g4dn.12xlarge", where="SkuMeter"), "T4", 8),
        (paid("USE1-SpotUsage:g4dn.xlarge", where="SkuMeter"), "T4", 2),
        (
            paid("ml.p5.48xlarge", where="ResourceType", ServiceCategory="AI and Machine Learning"),
            "H100-SXM",
            16,
        ),
        (paid('{"InstanceType": "p5.48xlarge"}', where="SkuPriceDetails"), "H100-SXM", 16),
        (
            paid("Virtual Machines NDsr H100 v5 Series - ND96isr H100 v5 - US East", "0.02", "100 Hours"),
            "H100-SXM",
            16,
        ),
        (paid("Nvidia H100 80GB GPU attached to Spot Preemptible VMs", "3", "hour"), "H100-SXM", 3),
        (paid("8x H100 SXM"), "H100-SXM", 16),
        (paid("8x H100 SXM", "16", "GPU-Hours"), "H100-SXM", 16),
        (paid("Nvidia L4", "90", "minutes", ServiceCategory=""), "L4", 1.5),
        (paid("p5.48xlarge", "1", "Requests", ConsumedQuantity="2", ConsumedUnit="Hrs"), "H100-SXM", 16),
    ],
)
def test_the_hardware_and_its_hours_are_found(tmp_path, row, accelerator, hours):
    assert accelerators(tmp_path, row) == {accelerator: pytest.approx(hours)}


@pytest.mark.parametrize(
    "row",
    [
        paid("USE1-EBSOptimized:p5.48xlarge", where="SkuMeter"),
        paid("USE1-Reservation:p5.48xlarge", where="SkuMeter"),
        paid("Commitment v1: Nvidia H100 80GB GPU in Iowa for 1 Year"),
        paid("p5.48xlarge", ChargeCategory="Tax"),
        paid("p5.48xlarge", CommitmentDiscountStatus="Unused"),
        paid("p5.48xlarge", unit="GB-Months"),
        paid("p5.48xlarge", quantity=""),
        paid("p5.48xlarge", AllocatedMethodId="aws-split-cost-allocation"),
    ],
)
def test_hours_that_nobody_computed_in_are_not_counted(tmp_path, row):
    assert accelerators(tmp_path, row) == {"H100-SXM": None}


@pytest.mark.parametrize(
    "row",
    [
        paid("$0.192 per On Demand Linux m5.xlarge Instance Hour"),
        paid("a snapshot of p5.48xlarge", ServiceCategory="Storage"),
        paid("RTX 9999"),
        paid("N2 Instance Core running in Americas"),
        focus(),
    ],
)
def test_other_lines_name_none(tmp_path, row):
    assert accelerators(tmp_path, row) == {None: None}


def test_what_a_bill_says_outright_counts(tmp_path):
    row = paid("p5.48xlarge") | {"x_AcceleratorType": "B200", "x_AcceleratorSeconds": "7200"}
    assert accelerators(tmp_path, row) == {"B200": 2}


def test_every_instance_type_of_the_catalog_means_what_it_says_there(tmp_path):
    c = embedded().columns
    recognizer = Recognizer(embedded())
    kinds = {
        k: p
        for p, k, chip in zip(c["provider"], c["instance_type"], c["accelerator"], strict=True)
        if chip and len(plain(k)) >= SHORTEST_TYPE
    }
    found = {k: recognizer.hardware(p, k) for k, p in kinds.items()}
    store = ChargeStore(tmp_path / "ledger")
    rows = [paid(k, "1", where="SkuMeter", ResourceId=k) for k in kinds]
    bring_in(store, [write(tmp_path / "bill.csv", rows)], now=NOW, user="ann")
    told = {r.keys[0]: r for r in ask(store, Question(by=("resource", "accelerator"))).rows}

    assert {k: (r.keys[1], r.accelerator_hours) for k, r in told.items()} == {
        k: (h.accelerator, h.count) for k, h in found.items() if h is not None
    }


@pytest.mark.parametrize(
    "unit", ["Hours", "hrs", "100 Hours", "1K minutes", "GPU-Hours", "GB", "ms", "h", "1/h", ""]
)
def test_units_mean_what_they_mean_elsewhere(tmp_path, unit):
    (hours,) = accelerators(tmp_path, paid("Nvidia L4", "1", unit)).values()
    assert hours == (None if hours_of_unit(unit) is None else pytest.approx(hours_of_unit(unit)))
