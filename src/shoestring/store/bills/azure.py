"""Azure cost exports: actual and amortized, of Enterprise and Customer Agreements, older ones and partners'."""

from dataclasses import replace

from shoestring.store.bills.format import Format

COST = "coalesce({CostInBillingCurrency}, {Cost}, {PreTaxCost}, {ExtendedCost}, {BillingPreTaxTotal})"
MODEL = "replace(lower({PricingModel}), ' ', '')"
KIND = "replace(lower({ChargeType}), ' ', '')"
# Use of a commitment costs nothing when it happens, it was bought before: in an actual export its cost is 0, in
# an amortized one its share of the purchase, which is nothing that is billed.
COVERED = f"({MODEL} in ('reservation', 'savingsplan') and {KIND} = 'usage' or {KIND} like 'unused%')"
CONSUMED = "coalesce({Quantity}, {UsageQuantity}, {ConsumedQuantity})"
QUANTITY = f"try_cast({CONSUMED} as double)"
UNIT = "coalesce({UnitOfMeasure}, {Unit})"
# Prices are for a block of units, such as "100 Hours" or "10K"; quantities are single units.
BLOCK = f"""(coalesce(try_cast(nullif(regexp_extract({UNIT}, '^([0-9]+)', 1), '') as double), 1)
    * case regexp_extract({UNIT}, '^[0-9]+ ?([KM])([^A-Za-z]|$)', 1)
      when 'K' then 1e3 when 'M' then 1e6 else 1 end)"""
EXCHANGE = "coalesce(try_cast(coalesce({exchangeRatePricingToBilling}, {PCToBCExchangeRate}) as double), 1)"
PRICE = "coalesce({UnitPrice}, {ResourceRate})"
# What a virtual machine is, said among other things: {"ServiceType": "Standard_ND96isr_H100_v5", ...}
SIZE = (
    """nullif(regexp_extract(cast({AdditionalInfo} as varchar), '"ServiceType"\\s*:\\s*"([^"]*)"', 1), '')"""
)


def _at(price: str) -> str:
    """SQL of what the quantity would have cost at a price; what it cost where there is no such price."""
    return f"""case when {KIND} is not null and {KIND} <> 'usage' then cast({COST} as varchar)
        else coalesce(cast(cast(try_cast({price} as double) * {QUANTITY} / {BLOCK} * {EXCHANGE}
          as decimal(38,12)) as varchar), cast({COST} as varchar)) end"""


_FIELDS = {
    "BilledCost": f"case when {COVERED} and {COST} is not null then '0' else cast({COST} as varchar) end",
    "EffectiveCost": COST,
    "ListCost": f"coalesce(cast({{paygCostInBillingCurrency}} as varchar), {_at('{PayGPrice}')})",
    "ContractedCost": _at(PRICE),
    "ListUnitPrice": "{PayGPrice}",
    "ContractedUnitPrice": PRICE,
    "BillingAccountId": """coalesce({BillingAccountId}, {BillingProfileId}, {EnrollmentNumber}, {PartnerId},
        {AccountOwnerId})""",
    "BillingAccountName": "coalesce({BillingAccountName}, {BillingProfileName}, {PartnerName}, {AccountName})",
    "SubAccountId": "coalesce({SubscriptionId}, {SubscriptionGuid})",
    "SubAccountName": "{SubscriptionName}",
    "BillingCurrency": "coalesce({BillingCurrencyCode}, {BillingCurrency}, {Currency})",
    "BillingPeriodStart": "{BillingPeriodStartDate}",
    "ChargePeriodStart": "coalesce({Date}, {UsageDateTime}, {UsageDate})",
    "ChargeCategory": f"""case {KIND} when 'usage' then 'Usage' when 'purchase' then 'Purchase'
        when 'tax' then 'Tax' when 'refund' then 'Credit' when 'unusedreservation' then 'Usage'
        when 'unusedsavingsplan' then 'Usage' when 'roundingadjustment' then 'Adjustment'
        else 'Usage' end""",
    "ChargeClass": f"case when {KIND} = 'refund' then 'Correction' end",
    "ChargeDescription": "coalesce({ProductName}, {Product}, {MeterName})",
    "ChargeFrequency": """case lower({Frequency}) when 'onetime' then 'One-Time'
        when 'recurring' then 'Recurring' else 'Usage-Based' end""",
    "ConsumedQuantity": CONSUMED,
    "ConsumedUnit": f"regexp_replace({UNIT}, '^[0-9]+ ?([KM] )?', '')",
    "PricingQuantity": f"{QUANTITY} / {BLOCK}",
    "PricingUnit": UNIT,
    "PricingCategory": f"""case when {MODEL} = 'spot' then 'Dynamic'
        when {MODEL} in ('reservation', 'savingsplan') then 'Committed'
        when {MODEL} = 'ondemand' then 'Standard' end""",
    "CommitmentDiscountId": "coalesce({BenefitId}, {ReservationId})",
    "CommitmentDiscountName": "coalesce({BenefitName}, {ReservationName})",
    "CommitmentDiscountStatus": f"""case when {KIND} in ('unusedreservation', 'unusedsavingsplan')
        then 'Unused' when {COVERED} then 'Used' end""",
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
    "ResourceId": "coalesce({ResourceId}, {InstanceId}, {InstanceName}, {ResourceURI})",
    "ResourceName": "{ResourceName}",
    "ResourceType": SIZE,
    "SkuMeter": "{MeterName}",
    "SkuId": "{MeterId}",
}

AZURE = Format(
    name="azure",
    title="Azure cost export",
    needs=frozenset({"MeterCategory", "Quantity", "ResourceId"}),
    fields=_FIELDS,
    tags=("{Tags}",),
    label_fields={"cost_center": "{CostCenter}"},
)
AZURE_LEGACY = replace(
    AZURE,
    name="azure-legacy",
    title="Azure usage detail (older columns)",
    needs=frozenset({"MeterCategory", "UsageQuantity"}),
)
AZURE_ENTERPRISE = replace(
    AZURE,
    name="azure-enterprise",
    title="Azure usage detail (before 2019)",
    needs=frozenset({"MeterCategory", "ConsumedQuantity", "ExtendedCost"}),
)
AZURE_PARTNER = replace(
    AZURE,
    name="azure-partner",
    title="Azure usage of a partner's customers",
    needs=frozenset({"MeterCategory", "Quantity", "PartnerId", "BillingPreTaxTotal"}),
)
AZURES = (AZURE, AZURE_LEGACY, AZURE_ENTERPRISE, AZURE_PARTNER)
