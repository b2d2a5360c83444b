"""OpenCost allocation exports: shares of cluster cost, already split by the cluster, hence ``allocated``."""

from shoestring.store.bills.format import Format

OPENCOST = Format(
    name="opencost",
    title="OpenCost allocation export",
    needs=frozenset({"TotalCost", "GPUCost", "CPUCost", "Name"}),
    fields={
        "BilledCost": "{TotalCost}",
        "EffectiveCost": "{TotalCost}",
        "ListCost": "{TotalCost}",
        "ContractedCost": "{TotalCost}",
        "BillingAccountId": "coalesce({Cluster}, 'cluster')",
        "ChargePeriodStart": "coalesce({WindowStart}, {Start}, {Date})",
        "ChargePeriodEnd": "coalesce({WindowEnd}, {End})",
        "ChargeCategory": "'Usage'",
        "ChargeDescription": "{Name}",
        "ChargeFrequency": "'Usage-Based'",
        "ServiceName": "'Kubernetes'",
        "ServiceCategory": "'Compute'",
        "ServiceSubcategory": "'Containers'",
        "ServiceProviderName": "'Kubernetes'",
        "InvoiceIssuerName": "'OpenCost'",
        "ResourceId": "coalesce({ProviderID}, {Name})",
        "ResourceName": "{Name}",
        "AllocatedMethodId": "'opencost'",
        "AllocatedResourceId": "{ProviderID}",
        "x_CostBasis": "'allocated'",
        "x_AcceleratorSeconds": "cast(try_cast({GPUHours} as double) * 3600 as varchar)",
    },
    tags="{Labels}",
    label_fields={"team": "{Team}", "project": "{Namespace}"},
)
