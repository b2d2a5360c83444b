"""AWS Cost and Usage Reports: CUR 2.0 (Data Exports) and the legacy columns, with split-allocation rows.

Source of the meanings: the AWS Data Exports column dictionary for COST_AND_USAGE_REPORT, read 2026-11.
A split-allocation row (a pod's share of an instance) repeats money of its parent row, which stays whole: the
share is kept in x_ columns and adds nothing to the bill.
"""

from shoestring.store.bills.format import Format

TYPE = "{line_item_line_item_type}"
PLAN = "{savings_plan_savings_plan_a_r_n}"
RESERVATION = "{reservation_reservation_a_r_n}"
PRODUCT = "{line_item_product_code}"
COVERED = f"{TYPE} in ('DiscountedUsage', 'SavingsPlanCoveredUsage')"
# What a row has cost once commitments are spread over their use: the amortized cost.
AMORTIZED = f"""case {TYPE}
  when 'DiscountedUsage' then {{reservation_effective_cost}}
  when 'SavingsPlanCoveredUsage' then {{savings_plan_savings_plan_effective_cost}}
  when 'SavingsPlanNegation' then '0'
  when 'RIFee' then cast(coalesce(try_cast({{reservation_unused_amortized_upfront_fee_for_billing_period}}
      as decimal(38,12)), 0) + coalesce(try_cast({{reservation_unused_recurring_fee}} as decimal(38,12)), 0)
      as varchar)
  when 'SavingsPlanRecurringFee' then cast(
      coalesce(try_cast({{savings_plan_total_commitment_to_date}} as decimal(38,12)), 0)
      - coalesce(try_cast({{savings_plan_used_commitment}} as decimal(38,12)), 0) as varchar)
  when 'SavingsPlanUpfrontFee' then '0'
  when 'Fee' then case when {{reservation_reservation_a_r_n}} is not null then '0'
      else {{line_item_unblended_cost}} end
  else coalesce({{line_item_net_unblended_cost}}, {{line_item_unblended_cost}}) end"""

CUR = Format(
    name="aws-cur",
    title="AWS CUR",
    needs=frozenset({"line_item_unblended_cost", "line_item_usage_start_date", "line_item_line_item_type"}),
    fields={
        # A covered row's own unblended cost is taken back by the negation row; both stay, as billed.
        "BilledCost": "{line_item_unblended_cost}",
        "EffectiveCost": f"coalesce({AMORTIZED}, {{line_item_unblended_cost}})",
        "ListCost": "coalesce({pricing_public_on_demand_cost}, {line_item_unblended_cost})",
        "ContractedCost": "coalesce({line_item_net_unblended_cost}, {line_item_unblended_cost})",
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
        "ServiceName": "coalesce({product_servicename}, {line_item_product_code})",
        "ServiceCategory": f"""case
            when {PRODUCT} in ('AmazonSageMaker', 'AmazonBedrock') then 'AI and Machine Learning'
            when {PRODUCT} in ('AmazonEC2', 'AmazonEKS', 'AmazonECS', 'AWSLambda') then 'Compute'
            when {PRODUCT} in ('AmazonS3', 'AmazonEFS', 'AmazonFSx') then 'Storage'
            when {PRODUCT} in ('AWSDataTransfer', 'AmazonVPC') then 'Networking'
            else 'Other' end""",
        "ServiceProviderName": "'AWS'",
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
    },
    tags="{resource_tags}",
)
