"""Files that people download from consoles, old enterprise reports and partners' files."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import write

NOW = datetime(2026, 3, 3, tzinfo=UTC)
SIZE = '{"ImageType": "Canonical", "ServiceType": "Standard_ND96isr_H100_v5", "VMName": "trainer"}'
ENTERPRISE = {
    "Account Owner Id": "owner@example.org",
    "Account Name": "ML",
    "SubscriptionGuid": "guid-1",
    "Date": "02/13/2018",
    "Product": "Virtual Machines ND Series",
    "Meter ID": "m-1",
    "Meter Category": "Virtual Machines",
    "Meter Name": "ND96isr H100 v5",
    "Consumed Quantity": "2",
    "ResourceRate": "90.10",
    "ExtendedCost": "180.20",
    "Resource Location": "useast",
    "Instance ID": "/subscriptions/1/vm",
    "AdditionalInfo": SIZE,
    "Tags": '{"team": "vision"}',
    "Cost Center": "CC7",
    "Unit Of Measure": "Hours",
}
PARTNER = {
    "PartnerId": "p-1",
    "PartnerName": "Reseller",
    "CustomerId": "c-1",
    "SubscriptionId": "s-1",
    "UsageDate": "2026-02-13",
    "MeterCategory": "Virtual Machines",
    "MeterName": "ND96isr H100 v5",
    "Unit": "1 Hour",
    "ResourceURI": "/subscriptions/1/vm",
    "ChargeType": "new",
    "UnitPrice": "98.32",
    "Quantity": "2",
    "BillingPreTaxTotal": "180.20",
    "BillingCurrency": "USD",
    "PricingPreTaxTotal": "196.64",
    "PricingCurrency": "EUR",
    "PCToBCExchangeRate": "0.9164",
    "Tags": '{"team": "vision"}',
    "AdditionalInfo": SIZE,
}


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bring(store, path, **kwargs):
    return bring_in(store, [path], now=NOW, user="ann", **kwargs)


@pytest.mark.parametrize("row", [ENTERPRISE, PARTNER], ids=["enterprise before 2019", "partner"])
def test_azure_in_older_columns_and_for_partners(store, tmp_path, row):
    done = bring(store, write(tmp_path / "azure.csv", [row]), currency="USD")
    assert (done.billed, done.delivery.rows_quarantined) == ({"USD": Decimal("180.20")}, 0)
    (line,) = ask(store, Question(by=("team", "accelerator", "resource"))).rows
    assert (line.keys, line.accelerator_hours) == (("vision", "H100-SXM", "/subscriptions/1/vm"), 16)


def test_a_virtual_machine_is_known_by_its_size_alone(store, tmp_path):
    row = ENTERPRISE | {"Product": "Virtual Machines", "Meter Name": "Compute Hours"}
    bring(store, write(tmp_path / "azure.csv", [row]), currency="USD")
    assert [r.keys for r in ask(store, Question(by=("accelerator",))).rows] == [("H100-SXM",)]


CONSOLE = """Invoice number,5012345678
Due date,2026-03-31

Billing account name,Billing account ID,Project ID,Service description,SKU description,SKU ID,Credit type,Cost type,\
Usage start date,Usage end date,Usage amount,Usage unit,Unrounded Cost ($),Cost ($)
Acme,AA-BB,ml,Compute Engine,Nvidia H100 80GB GPU attached to Spot Preemptible VMs,S1,,Usage,2026-02-01,2026-02-28,\
100,hour,"1,234.567",1234.57
Acme,AA-BB,ml,Compute Engine,N2 Instance Core running in Iowa,S2,,Usage,2026-02-01,2026-02-28,672,hour,21.24,21.24
Acme,AA-BB,ml,Compute Engine,N2 Instance Core running in Iowa,S2,Committed use discount,Usage,2026-02-01,2026-02-28,\
,,-4.1,-4.10
Acme,AA-BB,ml,Compute Engine,N2 Instance Core running in Iowa,S2,Promotion,Usage,2026-02-01,2026-02-28,,,-2.0,-2.00
Acme,AA-BB,,Invoice,Tax,,,Tax,2026-02-01,2026-02-28,,,10.0,10.00
,,,,,,,Total,,,,,,1259.72
"""


def test_the_table_of_googles_console_counts_no_totals(store, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(CONSOLE)
    done = bring(store, path, currency="USD")

    assert (done.billed, done.delivery.rows_quarantined) == ({"USD": Decimal("1259.707")}, 1)
    kinds = {r.keys[0]: r.usd for r in ask(store, Question(by=("charge",))).rows}
    assert kinds == {"Usage": Decimal("1251.707"), "Tax": 10, "Credit": -2}
    chips = {r.keys: r.accelerator_hours for r in ask(store, Question(by=("accelerator", "market"))).rows}
    assert chips["H100-SXM", "spot"] == 100


def test_a_table_of_sums_by_month_is_no_bill_and_says_what_is(store, tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text(
        "Service,EC2-Instances($),SageMaker($),Total costs($)\nService total,10,5,15\n2026-02-01,10,5,15\n"
    )
    with pytest.raises(BadInput) as refused:
        bring(store, path)
    assert "map" in (refused.value.next_step or "")
