"""Small bill files of every family, as their senders write them, with sums that a reader can check by eye."""

import csv
import json
from pathlib import Path

FOCUS_ROW = {
    "BilledCost": "10.00",
    "EffectiveCost": "8.00",
    "ListCost": "12.00",
    "ContractedCost": "11.00",
    "BillingAccountId": "123456789012",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-01-01T00:00:00Z",
    "BillingPeriodEnd": "2026-02-01T00:00:00Z",
    "ChargePeriodStart": "2026-01-10T00:00:00Z",
    "ChargePeriodEnd": "2026-01-10T01:00:00Z",
    "ChargeCategory": "Usage",
    "InvoiceIssuerName": "AWS",
    "ServiceProviderName": "AWS",
    "ServiceName": "EC2",
    "ServiceCategory": "Compute",
    "PricingCategory": "Standard",
    "RegionId": "us-east-1",
    "ResourceId": "i-1",
    "Tags": '{"team": "vision"}',
}


def focus(**changes: object) -> dict[str, object]:
    """A FOCUS row, changed where it matters."""
    return FOCUS_ROW | changes


def write(
    path: Path, rows: list[dict[str, object]], *, encoding: str = "utf-8", delimiter: str = ","
) -> Path:
    """Rows as CSV with a header of all their columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, names, delimiter=delimiter, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


CUR = [
    {
        "bill_payer_account_id": "111",
        "bill_billing_period_start_date": "2026-01-01 00:00:00",
        "bill_billing_period_end_date": "2026-02-01 00:00:00",
        "line_item_usage_start_date": "2026-01-03 00:00:00",
        "line_item_usage_end_date": "2026-01-03 01:00:00",
        "line_item_line_item_type": kind,
        "line_item_unblended_cost": unblended,
        "line_item_currency_code": "USD",
        "line_item_product_code": product,
        "line_item_usage_type": usage,
        "line_item_resource_id": "i-9",
        "savings_plan_savings_plan_a_r_n": plan,
        "savings_plan_savings_plan_effective_cost": effective,
        "pricing_public_on_demand_cost": listed,
        "resource_tags": json.dumps({"user_team": "speech"}),
    }
    for kind, unblended, product, usage, plan, effective, listed in [
        ("Usage", "3.00", "AmazonEC2", "USE1-SpotUsage:p5.48xlarge", "", "", "9.00"),
        ("SavingsPlanCoveredUsage", "5.00", "AmazonEC2", "USE1-BoxUsage:p5.48xlarge", "sp-1", "2.00", "5.00"),
        ("SavingsPlanNegation", "-5.00", "AmazonEC2", "USE1-BoxUsage:p5.48xlarge", "sp-1", "", "0"),
        ("Usage", "7.00", "AmazonSageMaker", "USE1-Cluster:ml.p4d.24xlarge", "", "", "7.00"),
        ("Tax", "1.00", "AmazonEC2", "", "", "", "1.00"),
    ]
]
GCP = [
    {
        "billing_account_id": "AA-BB",
        "service.description": "Compute Engine",
        "sku.description": "Spot Preemptible A3 GPU",
        "usage_start_time": "2026-01-05 00:00:00 UTC",
        "usage_end_time": "2026-01-05 01:00:00 UTC",
        "project.id": "proj",
        "labels": '[{"key": "team", "value": "nlp"}]',
        "cost": "10.00",
        "currency": "USD",
        "cost_type": "regular",
        "credits": '[{"name": "sud", "amount": -1.5}, {"name": "free", "amount": -0.5}]',
        "invoice.month": "202601",
        "location.region": "us-central1",
        "resource.name": "vm-1",
    }
]
AZURE = [
    {
        "BillingAccountId": "ea-1",
        "BillingPeriodStartDate": "01/01/2026",
        "BillingPeriodEndDate": "01/31/2026",
        "Date": "01/07/2026",
        "MeterCategory": "Virtual Machines",
        "Quantity": "2",
        "UnitPrice": "3",
        "CostInBillingCurrency": "6.00",
        "BillingCurrencyCode": "EUR",
        "ChargeType": "Usage",
        "PricingModel": "Spot",
        "ResourceId": "/subscriptions/1/vm",
        "ResourceLocation": "westeurope",
        "Tags": '"team": "vision","env": "dev"',
        "CostCenter": "CC-7",
    }
]
OPENCOST = [
    {
        "Name": "ns/pod",
        "Cluster": "c1",
        "WindowStart": "2026-01-08T00:00:00Z",
        "WindowEnd": "2026-01-09T00:00:00Z",
        "CPUCost": "1.0",
        "GPUCost": "3.0",
        "GPUHours": "2",
        "TotalCost": "4.00",
        "Namespace": "research",
    }
]
