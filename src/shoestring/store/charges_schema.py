"""The columns of the charge store: FOCUS 1.4's Cost and Usage, and our own, which begin with ``x_``."""

from shoestring.store.focus.model import columns

MONEY = "DECIMAL(38,12)"
SQL_TYPES = {"String": "VARCHAR", "Decimal": MONEY, "Date/Time": "TIMESTAMP", "JSON": "VARCHAR"}

# What the labels of a run, or the tags of a bill line, say about who it was for.
LABEL_COLUMNS = {
    "team": "x_Team",
    "project": "x_Project",
    "experiment": "x_Experiment",
    "run": "x_RunId",
    "model": "x_Model",
    "dataset": "x_Dataset",
    "user": "x_User",
    "cost_center": "x_CostCenter",
}

OWN_COLUMNS = {
    **dict.fromkeys(LABEL_COLUMNS.values(), "VARCHAR"),
    "x_AttemptId": "VARCHAR",
    "x_UsageId": "VARCHAR",
    "x_ChargeId": "VARCHAR",
    "x_CostPart": "VARCHAR",  # compute, idle, checkpoint, lost_work, storage, egress
    "x_CostBasis": "VARCHAR",  # metered | allocated | billed
    "x_Market": "VARCHAR",  # on_demand | spot | committed | owned | other
    "x_AcceleratorType": "VARCHAR",
    "x_AcceleratorCount": "DOUBLE",
    "x_AcceleratorSeconds": "DOUBLE",
    "x_Devices": "VARCHAR",  # names of the accelerators held, as a JSON list; None if nobody said
    "x_Utilization": "DOUBLE",  # 0..1; None if nothing measured it
    "x_EnergyKwh": "DOUBLE",
    "x_CarbonKg": "DOUBLE",  # CO2e; None where the energy, the grid or its PUE is unknown
    "x_CarbonSource": "VARCHAR",
    "x_CarbonAsOf": "TIMESTAMP",
    "x_PriceSource": "VARCHAR",
    "x_PriceAsOf": "TIMESTAMP",
    "x_UsdPerUnit": MONEY,  # dollars for one unit of BillingCurrency on that day; None if no rate is known
    "x_AdjustsPeriod": "VARCHAR",  # the closed month that this line corrects
    "x_Source": "VARCHAR",  # whose bill, e.g. aws/123456789012
    "x_Import": "VARCHAR",
}

STORE_COLUMNS = {c.name: SQL_TYPES[c.type] for c in columns().values()} | OWN_COLUMNS

MONEY_COLUMNS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")

# The daily cube's keys, and what cubes add up.
CUBE_KEYS = (
    *LABEL_COLUMNS.values(),
    "x_AcceleratorType",
    "x_Market",
    "x_CostBasis",
    "x_CostPart",
    "x_Source",
    "x_UsdPerUnit",
    "x_AdjustsPeriod",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "CommitmentDiscountStatus",
    "InvoiceIssuerName",
    "RegionId",
    "ServiceCategory",
    "ServiceName",
    "ServiceProviderName",
    "SubAccountId",
)
# The monthly cube of resources. Services and kinds of charge are left out: a resource has several, and every key costs.
RESOURCE_KEYS = (
    "ResourceId",
    *LABEL_COLUMNS.values(),
    "x_AcceleratorType",
    "x_Market",
    "x_CostBasis",
    "x_Source",
    "x_UsdPerUnit",
    "BillingAccountId",
    "BillingCurrency",
    "BillingPeriodStart",
    "InvoiceIssuerName",
    "RegionId",
    "ServiceProviderName",
    "SubAccountId",
)
MEASURES = ("x_AcceleratorSeconds", "x_EnergyKwh", "x_CarbonKg")  # of use, beside its money
CUBE_SUMS = (*MONEY_COLUMNS, *MEASURES)


def missing_columns(present: set[str]) -> list[str]:
    """Store columns that a file does not have, in order. They are not written: readers see nulls."""
    return [name for name in STORE_COLUMNS if name not in present]
