"""What the ledger's charges can be grouped and filtered by."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from shoestring.domain.errors import BadInput
from shoestring.ledger.calendar import FiscalCalendar
from shoestring.store.charges_engine import ident
from shoestring.store.charges_schema import LABEL_COLUMNS

# Over the daily cube ...
CUBE_DIMENSIONS = {
    **LABEL_COLUMNS,
    "accelerator": "x_AcceleratorType",
    "market": "x_Market",
    "basis": "x_CostBasis",
    "part": "x_CostPart",
    "source": "x_Source",
    "region": "RegionId",
    "provider": "ServiceProviderName",
    "service": "ServiceName",
    "category": "ServiceCategory",
    "charge": "ChargeCategory",
    "class": "ChargeClass",
    "account": "BillingAccountId",
    "subaccount": "SubAccountId",
    "issuer": "InvoiceIssuerName",
    "commitment": "CommitmentDiscountStatus",
    "currency": "BillingCurrency",
    "day": "strftime(x_Day, '%Y-%m-%d')",
    "week": "strftime(x_Day, '%G-W%V')",
    "month": "strftime(x_Day, '%Y-%m')",
    "billing_month": "strftime(BillingPeriodStart, '%Y-%m')",
}
# ... and what needs the rows themselves.
ROW_DIMENSIONS = {
    "resource": "ResourceId",
    "sku": "SkuId",
    "zone": "AvailabilityZone",
    "attempt": "x_AttemptId",
    "description": "ChargeDescription",
}
# What the cube of resources can tell beside the resource, by month; `RESOURCE_KEYS` has their columns.
RESOURCE_DIMENSIONS = {
    "resource", *LABEL_COLUMNS, "accelerator", "market", "basis", "source", "region", "provider", "account",
    "subaccount", "issuer", "currency", "month", "billing_month",
}  # fmt: skip
FISCAL = ("fiscal_month", "fiscal_quarter", "fiscal_year")
CREDIT = "ChargeCategory is not distinct from 'Credit'"
# Credits rarely have an owner; among what has none they would only hide as much of it.
UNALLOCATED = f"x_Team is null and x_Project is null and x_Experiment is null and not ({CREDIT})"
CONDITION = re.compile(r"\s*([a-z_]+)\s*(!=|=|~)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``dimension = value``, ``!=`` or ``~`` (contains, without case); an empty value means: none."""

    dimension: str
    operator: str
    value: str

    @staticmethod
    def parse(text: str) -> "Condition":
        """From ``team=vision``. Raises BadInput with what is allowed."""
        match = CONDITION.fullmatch(text)
        if match is None:
            raise BadInput(
                f"--where {text!r} is no condition", next_step="write e.g. team=vision, region!=us-east-1"
            )
        check_dimension(match[1])
        return Condition(dimension=match[1], operator=match[2], value=match[3].strip())


def check_dimension(name: str) -> str:
    """``name``, if it can be grouped by. Raises BadInput naming what can."""
    allowed = (*CUBE_DIMENSIONS, *ROW_DIMENSIONS, *FISCAL)
    if name not in allowed:
        import difflib

        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadInput(f"can't group by {name!r}{hint}", next_step=f"one of: {', '.join(sorted(allowed))}")
    return name


def dimension_sql(name: str) -> str:
    """SQL of a dimension, from our own tables only."""
    if name in FISCAL:
        return f"fiscal(x_Day, '{name}')"
    sql = CUBE_DIMENSIONS.get(name) or ROW_DIMENSIONS[name]
    return sql if "(" in sql else ident(sql)


def fiscal_names(calendar: FiscalCalendar) -> Callable[[date, str], str]:
    """What the SQL of fiscal dimensions calls ``fiscal``: the name that a day has in one of them."""

    def name(day: date, what: str) -> str:
        year = f"FY{calendar.year(day)}"
        if what == "fiscal_year":
            return year
        if what == "fiscal_quarter":
            return f"{year}-Q{calendar.quarter(day)}"
        return f"{year}-M{calendar.month(day):02d}"

    return name
