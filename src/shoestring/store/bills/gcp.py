"""Google Cloud billing exports, standard and detailed, as CSV or Parquet out of BigQuery.

``cost`` is before credits; the credits of a row are a nested list. FOCUS's billed cost is cost plus credits.
Nested columns are read in their flattened form, ``service.description`` or ``service_description`` alike.
"""

import re

from shoestring.store.bills.format import Format

COST = "try_cast({cost} as decimal(38,12))"
LIST = "cast({credits} as varchar)"
AMOUNTS = f"try(json_extract_string(cast({LIST} as json), '$[*].amount'))"
CREDITS = f"""case when {LIST} is null then coalesce(try_cast({{credits.amount}} as decimal(38,12)), 0)
    else coalesce(list_sum(try_cast({AMOUNTS} as decimal(38,12)[])), 0) end"""
# A credit that can't be read makes the row one that can't be read: a bill without it would be too high.
UNREAD = f"""{LIST} is not null and coalesce(
    try(json_array_length(cast({LIST} as json)))
    <> len(list_filter({AMOUNTS}, lambda a: try_cast(a as decimal(38,12)) is not null)), true)"""
# So does a cost that is no plain number: read some other way, it would lose its credits.
NET = f"""case when {COST} is null then 'cost ' || cast({{cost}} as varchar) when {UNREAD} then 'credits ' || {LIST}
    else cast({COST} + {CREDITS} as varchar) end"""
MARKET = """case when {sku.description} ilike '%spot%' or {sku.description} ilike '%preemptible%' then 'Dynamic'
    when {sku.description} ilike '%commitment%' then 'Committed' else 'Standard' end"""
SERVICES = """case
    when {service.description} in ('Vertex AI', 'Cloud TPU') then 'AI and Machine Learning'
    when {service.description} in ('Compute Engine', 'Kubernetes Engine', 'Cloud Run') then 'Compute'
    when {service.description} ilike '%storage%' then 'Storage'
    when {service.description} ilike '%network%' then 'Networking'
    else 'Other' end"""

# The console's cost table: a line for each credit, and rows of totals below, which have no day and are no charges.
CONSOLE_COST = "coalesce({Unrounded Cost ($)}, {Unrounded Cost}, {Cost ($)}, {Cost})"
# Promotions and the like are money back; discounts of use are a lower price of it.
GIVEN = "'promotion', 'free tier', 'free trial', 'subscription benefit', 'reseller margin'"

GCP_CONSOLE = Format(
    name="gcp-console",
    title="Google Cloud cost table",
    needs=frozenset(
        {"Billing account ID", "SKU description", "Usage start date", "Cost type", "Credit type"}
    ),
    fields={
        "BilledCost": CONSOLE_COST,
        "EffectiveCost": CONSOLE_COST,
        "BillingAccountId": "{Billing account ID}",
        "BillingAccountName": "{Billing account name}",
        "SubAccountId": "{Project ID}",
        "SubAccountName": "{Project name}",
        "BillingCurrency": "{Currency}",
        "ChargePeriodStart": "{Usage start date}",
        "ChargePeriodEnd": "{Usage end date}",
        "ChargeCategory": f"""case when lower({{Credit type}}) in ({GIVEN}) then 'Credit'
            when {{Cost type}} ilike '%tax%' then 'Tax'
            when {{Cost type}} ilike '%adjustment%' or {{Cost type}} ilike '%rounding%' then 'Adjustment'
            else 'Usage' end""",
        "ChargeDescription": "{SKU description}",
        "ChargeFrequency": "'Usage-Based'",
        "ConsumedQuantity": "case when {Credit type} is null then {Usage amount} end",
        "ConsumedUnit": "{Usage unit}",
        "PricingCategory": MARKET.replace("{sku.description}", "{SKU description}"),
        "ServiceName": "{Service description}",
        "ServiceCategory": SERVICES.replace("{service.description}", "{Service description}"),
        "ServiceProviderName": "'Google Cloud'",
        "HostProviderName": "'Google Cloud'",
        "InvoiceIssuerName": "'Google Cloud'",
        "SkuId": "{SKU ID}",
    },
)
GCP = Format(
    name="gcp",
    title="Google Cloud billing export",
    needs=frozenset({"billing_account_id", "usage_start_time", "cost", "currency"}),
    fields={
        "BilledCost": NET,
        "EffectiveCost": NET,
        "ListCost": "coalesce({cost_at_list}, {cost})",
        "ContractedCost": "{cost}",
        "ListUnitPrice": "{price_list_price}",
        "ContractedUnitPrice": "{price_effective_price}",
        "BillingAccountId": "{billing_account_id}",
        "SubAccountId": "{project.id}",
        "SubAccountName": "{project.name}",
        "BillingCurrency": "{currency}",
        "BillingPeriodStart": """coalesce(
            case when length(cast({invoice.month} as varchar)) = 6
                 then substr(cast({invoice.month} as varchar), 1, 4) || '-'
                   || substr(cast({invoice.month} as varchar), 5, 2) || '-01' end,
            substr(cast({usage_start_time} as varchar), 1, 7) || '-01')""",
        "ChargePeriodStart": "{usage_start_time}",
        "ChargePeriodEnd": "{usage_end_time}",
        "ChargeCategory": """case {cost_type} when 'tax' then 'Tax' when 'adjustment' then 'Adjustment'
            when 'rounding_error' then 'Adjustment' else 'Usage' end""",
        "ChargeDescription": "{sku.description}",
        "ChargeFrequency": "'Usage-Based'",
        "ConsumedQuantity": "{usage.amount}",
        "ConsumedUnit": "{usage.unit}",
        "PricingQuantity": "{usage.amount_in_pricing_units}",
        "PricingUnit": "{usage.pricing_unit}",
        "PricingCategory": MARKET,
        "ServiceName": "{service.description}",
        "ServiceCategory": SERVICES,
        "ServiceProviderName": "'Google Cloud'",
        "HostProviderName": "'Google Cloud'",
        "InvoiceIssuerName": "'Google Cloud'",
        "RegionId": """coalesce({location.region}, {location.location})""",
        "AvailabilityZone": "{location.zone}",
        "ResourceId": "coalesce({resource.global_name}, {resource.name})",
        "ResourceName": "{resource.name}",
        "SkuId": "{sku.id}",
    },
    tags=("{labels}", "{tags}", "{project.labels}"),
    tag_headers=re.compile(r"labels?[._](?!key$|value$)(?P<key>.+)", re.IGNORECASE),
)
