"""AWS Cost and Usage Reports: CUR 2.0 (Data Exports) and the legacy columns, with split-allocation rows.

Source of the meanings: the AWS Data Exports column dictionary for COST_AND_USAGE_REPORT, read 2026-11.
A split-allocation row (a pod's share of an instance) repeats money of its parent row, which stays whole: the
share is kept in x_ columns and adds nothing to the bill.
"""

import re

from shoestring.store.bills.format import Format

TYPE = "{line_item_line_item_type}"
PLAN = "coalesce({savings_plan_savings_plan_a_r_n}, {savings_plan_savings_plan_arn})"
RESERVATION = "coalesce({reservation_reservation_a_r_n}, {reservation_reservation_arn})"
PRODUCT = "{line_item_product_code}"
UNBLENDED = "{line_item_unblended_cost}"
NET = f"coalesce({{line_item_net_unblended_cost}}, {UNBLENDED})"
COVERED = f"{TYPE} in ('DiscountedUsage', 'SavingsPlanCoveredUsage')"
SPLIT = "{split_line_item_parent_resource_id}"
SPLIT_METHOD = "aws-split-cost-allocation"


def _money(*columns: str) -> str:
    """SQL of the first of the columns that is an amount; 0 if none is."""
    return f"coalesce({', '.join(f'try_cast({{{c}}} as decimal(38,12))' for c in columns)}, 0)"


# What is left of commitments that were paid and not used, net of discounts where the report has it.
UNUSED_RESERVATION = (
    _money(
        "reservation_net_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
    )
    + " + "
    + _money("reservation_net_unused_recurring_fee", "reservation_unused_recurring_fee")
)
UNUSED_PLAN = _money("savings_plan_total_commitment_to_date") + " - " + _money("savings_plan_used_commitment")
# Rows of commitments themselves: what they cost by use is on the rows they cover; the unused part is theirs.
COMMITMENT = f"""when {TYPE} = 'SavingsPlanNegation' or {TYPE} = 'SavingsPlanUpfrontFee'
    or ({TYPE} = 'Fee' and {RESERVATION} is not null) then '0'
  when {TYPE} = 'RIFee' then cast({UNUSED_RESERVATION} as varchar)
  when {TYPE} = 'SavingsPlanRecurringFee' then cast({UNUSED_PLAN} as varchar)"""
# What a row has cost once commitments are spread over their use: the net amortized cost.
AMORTIZED = f"""case {COMMITMENT}
  when {TYPE} = 'DiscountedUsage'
    then cast(coalesce({{reservation_net_effective_cost}}, {{reservation_effective_cost}}) as varchar)
  when {TYPE} = 'SavingsPlanCoveredUsage' then cast(coalesce({{savings_plan_net_savings_plan_effective_cost}},
    {{savings_plan_savings_plan_effective_cost}}) as varchar)
  else cast({NET} as varchar) end"""

USAGE = "{line_item_usage_type}"
# EC2 also bills disks and traffic; the usage type tells them from machines.
CATEGORY = f"""case
    when {PRODUCT} = 'AmazonEC2' then case
      when {USAGE} like '%EBS:%' then 'Storage'
      when {USAGE} like '%DataTransfer%' or {USAGE} like '%NatGateway%' or {USAGE} like '%-Bytes'
        or {USAGE} like '%LoadBalancer%' or {USAGE} like '%LCUUsage%' or {USAGE} like '%ElasticIP%' then 'Networking'
      else 'Compute' end
    when {PRODUCT} in ('AmazonEKS', 'AmazonECS', 'AmazonECR', 'AWSLambda', 'AWSBatch', 'AmazonLightsail')
      then 'Compute'
    when {PRODUCT} in ('AmazonSageMaker', 'AmazonBedrock', 'AmazonRekognition', 'AmazonTextract', 'comprehend',
      'transcribe', 'translate', 'AmazonPolly') then 'AI and Machine Learning'
    when {PRODUCT} in ('AmazonS3', 'AmazonS3GlacierDeepArchive', 'AmazonGlacier', 'AmazonEFS', 'AmazonFSx',
      'AWSBackup') then 'Storage'
    when {PRODUCT} in ('AWSDataTransfer', 'AmazonVPC', 'AWSELB', 'AmazonCloudFront', 'AmazonRoute53',
      'AWSDirectConnect', 'AWSGlobalAccelerator') then 'Networking'
    when {PRODUCT} in ('AmazonRDS', 'AmazonDynamoDB', 'AmazonElastiCache', 'AmazonDocDB', 'AmazonNeptune')
      then 'Databases'
    when {PRODUCT} in ('AmazonAthena', 'AWSGlue', 'AmazonRedshift', 'ElasticMapReduce', 'AmazonKinesis',
      'AmazonKinesisFirehose', 'AmazonES') then 'Analytics'
    when {PRODUCT} in ('AmazonCloudWatch', 'AWSCloudTrail', 'AWSConfig', 'AWSSystemsManager')
      then 'Management and Governance'
    when {PRODUCT} in ('awskms', 'AWSSecretsManager', 'AmazonGuardDuty', 'AmazonInspectorV2', 'AWSSecurityHub')
      then 'Security'
    when {PRODUCT} in ('AmazonSNS', 'AWSQueueService', 'AmazonStates', 'AWSEvents') then 'Integration'
    else 'Other' end"""
# Capacity reservations and capacity blocks: their own column where the report has it, else the resource itself.
HELD = """coalesce({capacity_reservation_capacity_reservation_arn},
    case when {line_item_resource_id} like '%:capacity-reservation/%' then {line_item_resource_id} end)"""

CUR = Format(
    name="aws-cur",
    title="AWS CUR",
    needs=frozenset({"line_item_unblended_cost", "line_item_usage_start_date", "line_item_line_item_type"}),
    fields={
        # A covered row's own unblended cost is taken back by the negation row; both stay, as billed.
        "BilledCost": f"coalesce(nullif(cast({UNBLENDED} as varchar), ''), "
        f"case when nullif({SPLIT}, '') is not null then '0' end)",
        "EffectiveCost": f"coalesce({AMORTIZED}, cast({UNBLENDED} as varchar))",
        # A negation takes back what its plan covers at list price; a commitment has no list price of its own.
        # Nor does a discount lower the list price: it is what the difference to it consists of.
        "ListCost": f"case {COMMITMENT} when {TYPE} like '%Discount' then '0' "
        f"else cast(coalesce({{pricing_public_on_demand_cost}}, {UNBLENDED}) as varchar) end",
        "ContractedCost": f"case {COMMITMENT} when {TYPE} = 'DiscountedUsage' "
        f"then cast(coalesce({{pricing_public_on_demand_cost}}, {NET}) as varchar) "
        f"else cast({NET} as varchar) end",
        "ListUnitPrice": "{pricing_public_on_demand_rate}",
        "ContractedUnitPrice": "coalesce({line_item_net_unblended_rate}, {line_item_unblended_rate})",
        "BillingAccountId": "{bill_payer_account_id}",
        "BillingAccountName": "{bill_payer_account_name}",
        "SubAccountId": "{line_item_usage_account_id}",
        "SubAccountName": "{line_item_usage_account_name}",
        "BillingCurrency": "{line_item_currency_code}",
        "BillingPeriodStart": "{bill_billing_period_start_date}",
        "BillingPeriodEnd": "{bill_billing_period_end_date}",
        "ChargePeriodStart": "{line_item_usage_start_date}",
        "ChargePeriodEnd": "{line_item_usage_end_date}",
        "ChargeCategory": f"""case when {TYPE} = 'Tax' then 'Tax'
            when {TYPE} in ('Credit', 'Refund') or {TYPE} like '%Discount' then 'Credit'
            when {TYPE} in ('Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee')
              then 'Purchase'
            when {TYPE} = 'SavingsPlanNegation' then 'Adjustment' else 'Usage' end""",
        "ChargeClass": f"case when {TYPE} = 'Refund' then 'Correction' end",
        "ChargeDescription": "{line_item_line_item_description}",
        "ChargeFrequency": f"""case when {TYPE} in ('RIFee', 'SavingsPlanRecurringFee') then 'Recurring'
            when {TYPE} in ('Fee', 'SavingsPlanUpfrontFee') then 'One-Time' else 'Usage-Based' end""",
        "ConsumedQuantity": "{line_item_usage_amount}",
        "ConsumedUnit": "{pricing_unit}",
        "PricingQuantity": "{line_item_usage_amount}",
        "PricingUnit": "{pricing_unit}",
        "PricingCategory": f"""case when {COVERED} then 'Committed'
            when {{line_item_usage_type}} like '%SpotUsage%' then 'Dynamic'
            when {TYPE} in ('Tax', 'Credit', 'Refund') then null else 'Standard' end""",
        "CommitmentDiscountId": f"coalesce({PLAN}, {RESERVATION})",
        "CommitmentDiscountStatus": f"""case when {COVERED} then 'Used'
            when {TYPE} in ('RIFee', 'SavingsPlanRecurringFee') then 'Unused' end""",
        "CommitmentDiscountType": f"""case when {PLAN} is not null then 'Savings Plan'
            when {RESERVATION} is not null then 'Reserved' end""",
        "CapacityReservationId": HELD,
        "CapacityReservationStatus": f"""case when {HELD} is null or {TYPE} <> 'Usage' then null
            when {USAGE} like '%UnusedBox%' or {USAGE} like '%UnusedDed%' then 'Unused' else 'Used' end""",
        "ServiceName": """coalesce({product_servicename}, {product_product_name},
            try(json_extract_string(cast({product} as varchar), '$.product_name')),
            {line_item_product_code})""",
        "ServiceCategory": CATEGORY,
        # On the marketplace AWS writes the bill and the seller is named as the legal entity.
        "ServiceProviderName": """case when {bill_billing_entity} = 'AWS Marketplace'
            then coalesce({line_item_legal_entity}, 'AWS Marketplace') else 'AWS' end""",
        "HostProviderName": "'AWS'",
        "InvoiceIssuerName": "coalesce({bill_invoicing_entity}, 'Amazon Web Services, Inc.')",
        "InvoiceId": "{bill_invoice_id}",
        "RegionId": "coalesce({product_region_code}, {product_region})",
        "AvailabilityZone": "{line_item_availability_zone}",
        "ResourceId": "{line_item_resource_id}",
        "SkuId": "{product_sku}",
        "SkuPriceId": "{pricing_rate_code}",
        # p5.48xlarge, or ml.p5.48xlarge in HyperPod's usage types (billed under AmazonSageMaker).
        "ResourceType": """coalesce({product_instance_type},
            nullif(regexp_extract({line_item_usage_type}, ':((ml\\.)?[a-z0-9-]+\\.[a-z0-9-]+)$', 1), ''))""",
        # A row of split cost allocation shares out a parent row whose money is in the bill already.
        "AllocatedMethodId": f"case when {SPLIT} is not null then '{SPLIT_METHOD}' end",
        "AllocatedResourceId": SPLIT,
    },
    tags=("{resource_tags}", "{tags}", "{cost_category}"),
    tag_headers=re.compile(
        r"(?:resourceTags/|resource_tags_|costCategory/|cost_category_)(?P<key>.+)", re.IGNORECASE
    ),
)
