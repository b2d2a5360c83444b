"""Bills in the shapes in which clouds deliver them: full headers, nested columns, JSON, several files.

Headers follow the senders' published column dictionaries; rows and amounts are made up here.
"""

import gzip
import json
from pathlib import Path

from tests.store.bills.giving import write


def words(text: str) -> list[str]:
    return text.split()


CUR2 = [
    "bill_bill_type",
    "bill_billing_entity",
    "bill_billing_period_end_date",
    "bill_billing_period_start_date",
    "bill_invoice_id",
    "bill_invoicing_entity",
    "bill_payer_account_id",
    "bill_payer_account_name",
    "cost_category",
    "discount",
    "discount_bundled_discount",
    "discount_total_discount",
    "identity_line_item_id",
    "identity_time_interval",
    "line_item_availability_zone",
    "line_item_blended_cost",
    "line_item_blended_rate",
    "line_item_currency_code",
    "line_item_legal_entity",
    "line_item_line_item_description",
    "line_item_line_item_type",
    "line_item_net_unblended_cost",
    "line_item_net_unblended_rate",
    "line_item_normalization_factor",
    "line_item_normalized_usage_amount",
    "line_item_operation",
    "line_item_product_code",
    "line_item_resource_id",
    "line_item_tax_type",
    "line_item_unblended_cost",
    "line_item_unblended_rate",
    "line_item_usage_account_id",
    "line_item_usage_account_name",
    "line_item_usage_amount",
    "line_item_usage_end_date",
    "line_item_usage_start_date",
    "line_item_usage_type",
    "pricing_currency",
    "pricing_lease_contract_length",
    "pricing_offering_class",
    "pricing_public_on_demand_cost",
    "pricing_public_on_demand_rate",
    "pricing_purchase_option",
    "pricing_rate_code",
    "pricing_rate_id",
    "pricing_term",
    "pricing_unit",
    "product",
    "product_comment",
    "product_fee_code",
    "product_from_location",
    "product_instance_family",
    "product_instance_type",
    "product_location",
    "product_operation",
    "product_pricing_unit",
    "product_product_family",
    "product_region_code",
    "product_servicecode",
    "product_sku",
    "product_to_location",
    "product_usagetype",
    "reservation_amortized_upfront_cost_for_usage",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_recurring_fee_for_usage",
    "reservation_reservation_a_r_n",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_quantity",
    "reservation_unused_recurring_fee",
    "reservation_upfront_value",
    "resource_tags",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
    "savings_plan_recurring_commitment_for_billing_period",
    "savings_plan_savings_plan_a_r_n",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_savings_plan_rate",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "split_line_item_actual_usage",
    "split_line_item_net_split_cost",
    "split_line_item_net_unused_cost",
    "split_line_item_parent_resource_id",
    "split_line_item_public_on_demand_split_cost",
    "split_line_item_reserved_usage",
    "split_line_item_split_cost",
    "split_line_item_split_usage",
    "split_line_item_split_usage_ratio",
    "split_line_item_unused_cost",
]


def cur_rows() -> list[dict[str, object]]:
    """A month of every kind of line; billed 93.50, net amortized 93.00."""
    common = {
        "bill_bill_type": "Anniversary",
        "bill_billing_entity": "AWS",
        "bill_billing_period_start_date": "2026-01-01T00:00:00.000Z",
        "bill_billing_period_end_date": "2026-02-01T00:00:00.000Z",
        "bill_invoicing_entity": "Amazon Web Services, Inc.",
        "bill_payer_account_id": "111122223333",
        "bill_payer_account_name": "payer",
        "line_item_currency_code": "USD",
        "line_item_usage_account_id": "444455556666",
        "line_item_usage_start_date": "2026-01-03T04:00:00.000Z",
        "line_item_usage_end_date": "2026-01-03T05:00:00.000Z",
        "line_item_product_code": "AmazonEC2",
        "product_region_code": "us-east-1",
        "product": {"product_name": "Amazon Elastic Compute Cloud", "gpu": "8"},
        "resource_tags": {"user_team": "speech", "user_experiment": "asr-7"},
        "cost_category": {"Project": "voice"},
        "discount": {},
    }

    def line(kind: str, unblended: str, **more: object) -> dict[str, object]:
        return common | {"line_item_line_item_type": kind, "line_item_unblended_cost": unblended} | more

    spot = "USE1-SpotUsage:p5.48xlarge"
    plan = {"savings_plan_savings_plan_a_r_n": "arn:aws:savingsplans::1:savingsplan/x"}
    held = {"reservation_reservation_a_r_n": "arn:aws:ec2:us-east-1:1:reserved-instances/y"}
    return [
        line("Usage", "30.00", line_item_usage_type=spot, pricing_public_on_demand_cost="90.0",
             product_instance_type="p5.48xlarge", line_item_resource_id="i-1", line_item_usage_amount="1.0"),
        line("SavingsPlanCoveredUsage", "20.00", savings_plan_savings_plan_effective_cost="12.00",
             pricing_public_on_demand_cost="20.00", line_item_usage_type="USE1-BoxUsage:g6.xlarge", **plan),
        line("SavingsPlanNegation", "-20.00", line_item_usage_type="USE1-BoxUsage:g6.xlarge", **plan),
        line("SavingsPlanRecurringFee", "15.00", savings_plan_total_commitment_to_date="15.00",
             savings_plan_used_commitment="12.00", **plan),
        line("DiscountedUsage", "0", reservation_effective_cost="6.00", reservation_net_effective_cost="5.50",
             pricing_public_on_demand_cost="10.00", **held),
        line("RIFee", "8.00", reservation_unused_recurring_fee="1.50",
             reservation_unused_amortized_upfront_fee_for_billing_period="0.50", **held),
        line("Usage", "40.00", line_item_product_code="AmazonSageMaker", line_item_resource_id="arn:hyper",
             line_item_usage_type="USE1-Cluster:ml.p4d.24xlarge", product={"product_name": "Amazon SageMaker"}),
        line("Usage", "", line_item_resource_id="arn:aws:eks:pod/a", split_line_item_split_cost="3.0",
             split_line_item_parent_resource_id="i-1", split_line_item_unused_cost="1.0",
             split_line_item_split_usage_ratio="0.25"),
        line("EdpDiscount", "-2.50", line_item_net_unblended_cost="-2.50"),
        line("Credit", "-1.00", resource_tags={}, cost_category={}),
        line("Refund", "-0.50"),
        line("Tax", "4.50", line_item_product_code="", product={}, resource_tags={}),
    ]  # fmt: skip


def cur2_csv(path: Path) -> Path:
    """CUR 2.0 as CSV: maps are JSON text."""
    rows = [
        {name: json.dumps(v) if isinstance(v := row.get(name, ""), dict) else v for name in CUR2}
        for row in cur_rows()
    ]
    return write(path, rows)


LEGACY = {
    "bill_": "bill/", "line_item_": "lineItem/", "pricing_": "pricing/", "reservation_": "reservation/",
    "savings_plan_": "savingsPlan/", "split_line_item_": "splitLineItem/", "identity_": "identity/",
    "product_": "product/", "discount_": "discount/",
}  # fmt: skip


def legacy_name(name: str) -> str:
    """``line_item_usage_type`` as the legacy report writes it: ``lineItem/UsageType``."""
    prefix = max((p for p in LEGACY if name.startswith(p)), key=len)
    words = name.removeprefix(prefix).replace("_a_r_n", "_ARN").split("_")
    last = "".join(w if w == "ARN" else w.title() for w in words)
    return LEGACY[prefix] + (last[0].lower() + last[1:] if prefix == "product_" else last)


def legacy_csv(path: Path) -> Path:
    """The legacy report: a column for each tag, cost category and product attribute."""
    maps = ("product", "resource_tags", "cost_category", "discount")
    rows = []
    for row in cur_rows():
        flat = {legacy_name(name): row.get(name, "") for name in CUR2 if name not in maps}
        flat["product/ProductName"] = row["product"].get("product_name", "")  # type: ignore[attr-defined]
        for key, value in row["resource_tags"].items():  # type: ignore[attr-defined]
            flat[f"resourceTags/{key.replace('_', ':', 1)}"] = value
        for key, value in row["cost_category"].items():  # type: ignore[attr-defined]
            flat[f"costCategory/{key}"] = value
        rows.append(flat)
    return write(path, rows)


GCP_NESTED = {
    "billing_account_id": "01AB-CD",
    "invoice": {"month": "202601", "publisher_type": "GOOGLE"},
    "cost_type": "regular",
    "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
    "sku": {"id": "ABCD", "description": "Spot Preemptible A3 High GPU running in Iowa"},
    "usage_start_time": "2026-01-05 00:00:00 UTC",
    "usage_end_time": "2026-01-05 01:00:00 UTC",
    "project": {"id": "proj", "name": "Proj", "number": "1", "ancestry_numbers": "/1/", "ancestors": [],
                "labels": [{"key": "cost-center", "value": "cc-9"}]},
    "labels": [{"key": "team", "value": "nlp"}, {"key": "experiment", "value": "gpt-tiny"}],
    "system_labels": [{"key": "compute.googleapis.com/cores", "value": "208"}],
    "location": {"location": "us-central1", "country": "US", "region": "us-central1", "zone": "us-central1-a"},
    "resource": {"name": "vm-1", "global_name": "//compute.googleapis.com/projects/p/zones/z/instances/1"},
    "tags": [{"key": "env", "value": "prod", "inherited": False, "namespace": "1"}],
    "price": {"effective_price": 3.5, "tier_start_amount": 0, "unit": "h", "pricing_unit_quantity": 1},
    "cost": 10.0,
    "currency": "USD",
    "currency_conversion_rate": 1.0,
    "usage": {"amount": 3600.0, "unit": "seconds", "amount_in_pricing_units": 1.0, "pricing_unit": "hour"},
    "credits": [{"name": "sud", "amount": -1.5, "full_name": "x", "id": "1", "type": "SUSTAINED_USAGE_DISCOUNT"},
                {"name": "free", "amount": -0.5, "full_name": "y", "id": "2", "type": "PROMOTION"}],
    "adjustment_info": {"id": None, "description": None, "mode": None, "type": None},
    "cost_at_list": 12.0,
}  # fmt: skip


def gcp_rows() -> list[dict[str, object]]:
    """Billed 8 + 5 + 1.25 - 2 = 12.25."""
    plain = GCP_NESTED | {"credits": [], "cost": 5.0, "cost_at_list": 5.0, "labels": []}
    tax = plain | {
        "cost_type": "tax",
        "cost": 1.25,
        "cost_at_list": None,
        "tags": [],
        "service": {"id": "", "description": "Invoice"},
        "sku": {"id": "", "description": "Tax"},
    }
    back = plain | {"cost_type": "adjustment", "cost": -2.0, "cost_at_list": None}
    return [GCP_NESTED, plain, tax, back]  # fmt: skip


def json_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def parquet(path: Path, rows: list[dict[str, object]], *, maps: tuple[str, ...] = ()) -> Path:
    """Rows as Parquet with nested columns; ``maps`` as MAP, everything else as it is in JSON."""
    import duckdb

    lines = json_lines(path.with_suffix(".lines.json"), rows)
    text = f"read_json('{lines}', format='newline_delimited', sample_size=-1, maximum_depth=8)"
    with duckdb.connect() as engine:
        engine.execute(f"create table rows as select * from {text}")
        for name in maps:
            engine.execute(
                f'alter table rows alter "{name}" type MAP(VARCHAR, VARCHAR) '
                f'using json_transform(to_json("{name}"), \'"MAP(VARCHAR, VARCHAR)"\')'
            )
        engine.execute(f"copy rows to '{path}' (format parquet)")
    lines.unlink()
    return path


def gcp_flat(row: dict[str, object], joint: str = ".") -> dict[str, object]:
    """A row with its objects flattened, lists as JSON text, labels as columns."""
    flat: dict[str, object] = {}
    for name, value in row.items():
        if name == "labels":
            flat |= {f"labels{joint}{label['key']}": label["value"] for label in value}  # type: ignore
        elif isinstance(value, dict):
            flat |= {
                f"{name}{joint}{k}": json.dumps(v) if isinstance(v, list) else v for k, v in value.items()
            }
        else:
            flat[name] = json.dumps(value) if isinstance(value, list) else value
    return flat


AZURE_EA = [
    "InvoiceSectionName",
    "AccountName",
    "AccountOwnerId",
    "SubscriptionId",
    "SubscriptionName",
    "ResourceGroup",
    "ResourceLocation",
    "Date",
    "ProductName",
    "MeterCategory",
    "MeterSubCategory",
    "MeterId",
    "MeterName",
    "MeterRegion",
    "UnitOfMeasure",
    "Quantity",
    "EffectivePrice",
    "CostInBillingCurrency",
    "CostCenter",
    "ConsumedService",
    "ResourceId",
    "Tags",
    "OfferId",
    "AdditionalInfo",
    "ServiceInfo1",
    "ServiceInfo2",
    "ResourceName",
    "ReservationId",
    "ReservationName",
    "UnitPrice",
    "ProductOrderId",
    "ProductOrderName",
    "Term",
    "PublisherType",
    "PublisherName",
    "ChargeType",
    "Frequency",
    "PricingModel",
    "AvailabilityZone",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrencyCode",
    "BillingPeriodStartDate",
    "BillingPeriodEndDate",
    "BillingProfileId",
    "BillingProfileName",
    "InvoiceSectionId",
    "IsAzureCreditEligible",
    "PartNumber",
    "PayGPrice",
    "PlanName",
    "ServiceFamily",
    "CostAllocationRuleName",
    "benefitId",
    "benefitName",
]
AZURE_MCA = [
    "invoiceId",
    "previousInvoiceId",
    "billingAccountId",
    "billingAccountName",
    "billingProfileId",
    "billingProfileName",
    "invoiceSectionId",
    "invoiceSectionName",
    "resellerName",
    "resellerMpnId",
    "costCenter",
    "billingPeriodEndDate",
    "billingPeriodStartDate",
    "servicePeriodEndDate",
    "servicePeriodStartDate",
    "date",
    "serviceFamily",
    "productOrderId",
    "productOrderName",
    "consumedService",
    "meterId",
    "meterName",
    "meterCategory",
    "meterSubCategory",
    "meterRegion",
    "ProductId",
    "ProductName",
    "SubscriptionId",
    "subscriptionName",
    "publisherType",
    "publisherId",
    "publisherName",
    "resourceGroupName",
    "ResourceId",
    "resourceLocation",
    "location",
    "effectivePrice",
    "quantity",
    "unitOfMeasure",
    "chargeType",
    "billingCurrency",
    "pricingCurrency",
    "costInBillingCurrency",
    "costInPricingCurrency",
    "costInUsd",
    "paygCostInBillingCurrency",
    "paygCostInUsd",
    "exchangeRatePricingToBilling",
    "exchangeRateDate",
    "isAzureCreditEligible",
    "serviceInfo1",
    "serviceInfo2",
    "additionalInfo",
    "tags",
    "PayGPrice",
    "frequency",
    "term",
    "reservationId",
    "reservationName",
    "pricingModel",
    "unitPrice",
    "costAllocationRuleName",
    "benefitId",
    "benefitName",
    "provider",
]


def azure(path: Path, header: list[str], *, amortized: bool) -> Path:
    """Spot 6, purchase of a reservation 100, its use (30 amortized, 10 unused), a refund -4, tax 2.

    Actual: 104. Amortized: 44.
    """
    plain = {name.lower(): name for name in header}

    def row(cost: str, charge: str, model: str, **more: str) -> dict[str, object]:
        values = {
            "BillingAccountId": "ea-1", "BillingPeriodStartDate": "01/01/2026",
            "BillingPeriodEndDate": "01/31/2026", "Date": "01/07/2026", "MeterCategory": "Virtual Machines",
            "ProductName": "Virtual Machines ND H100 v5 Series - ND96isr H100 v5 - EU West", "Quantity": "200",
            "UnitOfMeasure": "100 Hours", "UnitPrice": "3", "PayGPrice": "4", "CostInBillingCurrency": cost,
            "BillingCurrencyCode": "EUR", "billingCurrency": "EUR", "ChargeType": charge, "PricingModel": model,
            "ResourceId": "/subscriptions/1/vm", "ResourceLocation": "westeurope", "Frequency": "UsageBased",
            "Tags": '"team": "vision","env": "dev"', "CostCenter": "CC-7", "SubscriptionId": "1",
        } | more  # fmt: skip
        return dict.fromkeys(header, "") | {
            plain[k.lower()]: v for k, v in values.items() if k.lower() in plain
        }

    rows = [row("6.00", "Usage", "Spot"), row("-4.00", "Refund", "OnDemand"), row("2.00", "Tax", "")]
    bought = {"ReservationId": "r-1", "ReservationName": "nd"}
    if amortized:
        rows += [row("30.00", "Usage", "Reservation", **bought)]
        rows += [row("10.00", "UnusedReservation", "Reservation", **bought)]
    else:
        rows += [row("100.00", "Purchase", "Reservation", Frequency="OneTime", **bought)]
        rows += [row("0", "Usage", "Reservation", **bought)]
    return write(path, rows)


OPENCOST_CSV = """Date,Namespace,ControllerKind,ControllerName,Pod,Container,CPUCoreUsageAverage,\
CPUCoreRequestAverage,RAMBytesUsageAverage,RAMBytesRequestAverage,NetworkReceiveBytes,NetworkTransferBytes,GPUs,\
PVBytes,CPUCost,RAMCost,NetworkCost,PVCost,GPUCost,TotalCost,Labels
2026-01-08,research,job,train,train-0,main,1,2,3,4,5,6,1,0,1.0,0.5,0.25,0,3.0,4.75,"{""team"":""nlp""}"
2026-01-08,research,job,train,train-1,main,1,2,3,4,5,6,1,0,1.0,0.5,0,0,3.0,4.5,"team=nlp,app=x"
2026-01-08,__idle__,,,,,0,0,0,0,0,0,0,0,0.5,0.25,0,0,0,0.75,
"""


def opencost_json(path: Path) -> Path:
    """What the allocation API answers: a list of windows, each an object of allocations by name."""

    def allocation(name: str, day: int, cost: float, **labels: str) -> dict[str, object]:
        window = {"start": f"2026-01-0{day}T00:00:00Z", "end": f"2026-01-0{day + 1}T00:00:00Z"}
        idle = name == "__idle__"
        return {
            "name": name,
            "properties": {"cluster": "c1"} if idle else
            {"cluster": "c1", "node": "n1", "namespace": "research", "pod": name, "providerID": "i-0a",
             "labels": labels, "namespaceLabels": {"kubernetes_io_metadata_name": "research"}},
            "window": window, "start": window["start"], "end": window["end"], "minutes": 1440.0,
            "cpuCoreHours": 24, "cpuCost": cost / 2, "gpuHours": 0 if idle else 2, "gpuCost": 0,
            "ramCost": cost / 2, "pvCost": 0, "pvs": None, "totalCost": cost, "totalEfficiency": 0.5,
        }  # fmt: skip

    sets = [
        {n: allocation(n, day, c, **labels) for n, c, labels in
         [("train-0", 4.1, {"team": "nlp"}), ("__idle__", 0.9, {})]}
        for day in (8, 7)
    ]  # fmt: skip
    path.write_text(json.dumps({"code": 200, "data": sets}, indent=2))
    return path
