"""OpenCost allocations: shares of cluster cost, already split by the cluster, hence ``allocated``.

Three shapes: the CSV exporter's (a row per container and day), the user interface's table, and the JSON of the
allocation API. Source of the columns: OpenCost's documentation of its CSV export and API, read 2026-11.
"""

import re

from shoestring.store.bills.format import Format

NAMESPACE = "coalesce({Namespace}, {properties.namespace})"
CLUSTER = "coalesce({Cluster}, {ClusterID}, {properties.cluster})"
NAME = f"""coalesce({{Name}}, nullif(concat_ws('/', {NAMESPACE}, {{ControllerKind}}, {{ControllerName}}, {{Pod}},
    {{Container}}), ''))"""
PROJECT = f"case when {NAMESPACE} not like '!_!_%' escape '!' then {NAMESPACE} end"  # __idle__ is none
GPU_HOURS = "coalesce({GPUHours}, {gpuHours})"

OPENCOST = Format(
    name="opencost",
    title="OpenCost allocation export",
    needs=frozenset({"TotalCost", "CPUCost"}),
    fields={
        "BilledCost": "{TotalCost}",
        "EffectiveCost": "{TotalCost}",
        "ListCost": "{TotalCost}",
        "ContractedCost": "{TotalCost}",
        "BillingAccountId": f"coalesce({CLUSTER}, 'cluster')",
        "ChargePeriodStart": "coalesce({WindowStart}, {window.start}, {Start}, {Date})",
        "ChargePeriodEnd": "coalesce({WindowEnd}, {window.end}, {End})",
        "ChargeCategory": "'Usage'",
        "ChargeDescription": NAME,
        "ChargeFrequency": "'Usage-Based'",
        "ServiceName": "'Kubernetes'",
        "ServiceCategory": "'Compute'",
        "ServiceSubcategory": "'Containers'",
        "ServiceProviderName": "'Kubernetes'",
        "InvoiceIssuerName": "'OpenCost'",
        "ResourceId": f"coalesce({{ProviderID}}, {{properties.providerID}}, {NAME})",
        "ResourceName": NAME,
        "AllocatedMethodId": "'opencost'",
        "AllocatedResourceId": "coalesce({ProviderID}, {properties.providerID})",
        "x_CostBasis": "'allocated'",
        "x_CostPart": f"case when contains({NAME}, '__idle__') then 'idle' end",
        "x_AcceleratorSeconds": f"cast(try_cast({GPU_HOURS} as double) * 3600 as varchar)",
    },
    tags=("{Labels}", "{properties.labels}", "{properties.namespaceLabels}"),
    tag_headers=re.compile(r"labels?[._](?P<key>.+)", re.IGNORECASE),
    label_fields={"team": "{Team}", "project": PROJECT},
)
