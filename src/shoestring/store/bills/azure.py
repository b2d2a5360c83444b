"""Azure cost exports: actual and amortized, of Enterprise and Microsoft Customer Agreements."""

from shoestring.store.bills.format import Format

COST = "coalesce({CostInBillingCurrency}, {Cost}, {PreTaxCost})"

_FIELDS = {
    "BilledCost": COST,
    "EffectiveCost": COST,
    "ListCost": f"""coalesce(cast(try_cast({{PayGPrice}} as decimal(38,12)) * try_cast({{Quantity}} as double)
        as varchar), {COST})""",
    "ContractedCost": f"""coalesce(cast(try_cast({{UnitPrice}} as double) * try_cast({{Quantity}} as double)
        as varchar), {COST})""",
    "ListUnitPrice": "{PayGPrice}",
    "ContractedUnitPrice": "{UnitPrice}",
    "BillingAccountId": "coalesce({BillingAccountId}, {BillingProfileId}, {EnrollmentNumber})",
    "BillingAccountName": "coalesce({BillingAccountName}, {BillingProfileName})",
    "SubAccountId": "coalesce({SubscriptionId}, {SubscriptionGuid})",
    "SubAccountName": "{SubscriptionName}",
    "BillingCurrency": "coalesce({BillingCurrencyCode}, {BillingCurrency}, {Currency})",
    "BillingPeriodStart": "{BillingPeriodStartDate}",
    "BillingPeriodEnd": "{BillingPeriodEndDate}",
    "ChargePeriodStart": "coalesce({Date}, {UsageDateTime}, {UsageDate})",
    "ChargeCategory": """case lower({ChargeType}) when 'usage' then 'Usage' when 'purchase' then 'Purchase'
        when 'tax' then 'Tax' when 'refund' then 'Credit' when 'unusedreservation' then 'Usage'
        when 'unusedsavingsplan' then 'Usage' when 'roundingadjustment' then 'Adjustment'
        else 'Usage' end""",
    "ChargeClass": "case when lower({ChargeType}) = 'refund' then 'Correction' end",
    "ChargeDescription": "coalesce({ProductName}, {Product}, {MeterName})",
    "ChargeFrequency": """case lower({Frequency}) when 'onetime' then 'One-Time'
        when 'recurring' then 'Recurring' else 'Usage-Based' end""",
    "ConsumedQuantity": "coalesce({Quantity}, {UsageQuantity})",
    "ConsumedUnit": "{UnitOfMeasure}",
    "PricingQuantity": "coalesce({Quantity}, {UsageQuantity})",
    "PricingUnit": "{UnitOfMeasure}",
    "PricingCategory": """case when lower({PricingModel}) = 'spot' then 'Dynamic'
        when lower({PricingModel}) in ('reservation', 'savingsplan') then 'Committed'
        when lower({PricingModel}) = 'ondemand' then 'Standard' else null end""",
    "CommitmentDiscountId": "coalesce({BenefitId}, {ReservationId})",
    "CommitmentDiscountName": "coalesce({BenefitName}, {ReservationName})",
    "CommitmentDiscountStatus": """case when lower({ChargeType}) in ('unusedreservation', 'unusedsavingsplan')
        then 'Unused' when lower({PricingModel}) in ('reservation', 'savingsplan')
        and lower({ChargeType}) = 'usage' then 'Used' end""",
    "ServiceName": "coalesce({ConsumedService}, {MeterCategory}, {ServiceName})",
    "ServiceCategory": """case
        when {MeterCategory} in ('Virtual Machines', 'Azure Kubernetes Service') then 'Compute'
        when {MeterCategory} ilike '%machine learning%' or {MeterCategory} ilike '%cognitive%'
          then 'AI and Machine Learning'
        when {MeterCategory} = 'Storage' then 'Storage'
        when {MeterCategory} in ('Bandwidth', 'Virtual Network') then 'Networking' else 'Other' end""",
    "ServiceProviderName": "'Microsoft'",
    "HostProviderName": "'Microsoft'",
    "InvoiceIssuerName": "'Microsoft'",
    "InvoiceId": "{InvoiceId}",
    "RegionId": "coalesce({ResourceLocation}, {Location}, {MeterRegion})",
    "ResourceId": "coalesce({ResourceId}, {InstanceId}, {InstanceName})",
    "ResourceName": "{ResourceName}",
    "SkuId": "{MeterId}",
}

AZURE = Format(
    name="azure",
    title="Azure cost export",
    needs=frozenset({"MeterCategory", "Quantity", "ResourceId"}),
    fields=_FIELDS,
    tags="{Tags}",
    label_fields={"cost_center": "{CostCenter}"},
)
AZURE_LEGACY = Format(
    name="azure-legacy",
    title="Azure usage detail (older columns)",
    needs=frozenset({"MeterCategory", "UsageQuantity"}),
    fields=_FIELDS,
    tags="{Tags}",
    label_fields={"cost_center": "{CostCenter}"},
)
