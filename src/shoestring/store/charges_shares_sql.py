"""What sharing out says to the engine: which columns go along, where amounts are cut, what a share says of itself."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from shoestring.domain.units import MONEY_STEP
from shoestring.ledger.allocate import AllocationRule
from shoestring.ledger.allocation_tree import Kind
from shoestring.store.answers import in_usd
from shoestring.store.charges_engine import ident
from shoestring.store.charges_schema import LABEL_COLUMNS, MEASURES, MONEY, MONEY_COLUMNS
from shoestring.store.dimensions import dimension_sql

# Beside the cube's keys: what a share must still say of the charge that it is a share of.
KEPT = (
    "BillingAccountName",
    "CapacityReservationId",
    "ChargeFrequency",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedUnit",
    "PricingCategory",
    "PricingUnit",
    "ServiceSubcategory",
)
# What is split: of an allocated charge, FOCUS wants every metric that can be summed to add up to the origin's.
QUANTITIES = ("ConsumedQuantity", "PricingQuantity", "CommitmentDiscountQuantity", *MEASURES)
AMOUNTS = (*MONEY_COLUMNS, *QUANTITIES)
DRIVERS = {
    "usd": f"sum({in_usd('EffectiveCost')})",
    "accelerator_hours": "sum(x_AcceleratorSeconds) / 3600",
    "energy_kwh": "sum(x_EnergyKwh)",
}
RATIO_PLACES = 12
# Each cut is rounded to the nearest step, halves up, as `Cuts` does it; no product is wider than 128 bits.
MACROS = """
create or replace temp macro cut_at(size, place, total) as
  (size // total) * place + (2 * (size % total) * place + total) // (2 * total);
create or replace temp macro share(steps, low, high, total) as
  case when steps < 0 then -1 else 1 end * (cut_at(abs(steps), high, total) - cut_at(abs(steps), low, total))
"""
CUTS = {
    "number": "BIGINT",
    "parent": "BIGINT",
    "low": "HUGEINT",
    "high": "HUGEINT",
    "total": "HUGEINT",
}
ALLOCATED = (
    "AllocatedMethodId",
    "AllocatedMethodDetails",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
)
WRITTEN = ("ChargeDescription", "x_CostBasis")  # of the origin's keys: what a share says in words of its own
TOLD = {
    "number": "BIGINT",
    **dict.fromkeys((*LABEL_COLUMNS.values(), "ChargeDescription", *ALLOCATED), "VARCHAR"),
}


def told_of(leaf: Kind) -> dict[str, Any]:
    """How a share came about, in FOCUS's words, and the labels of the one who has it now."""
    labels = {name: key for name, key in leaf.keys.items() if key is not None}
    elements = []
    for step in leaf.sharings:
        element: dict[str, Any] = {"AllocatedRatio": round(float(step.ratio), RATIO_PLACES)}
        if step.unit is not None:
            element |= {"UsageUnit": step.unit, "UsageQuantity": step.quantity}
        elements.append(element)
    return {
        "number": leaf.number,
        **dict.fromkeys(LABEL_COLUMNS.values()),
        **{LABEL_COLUMNS[name]: key for name, key in labels.items()},
        "ChargeDescription": f"share by the rule {leaf.sharings[-1].rule}",
        "AllocatedMethodId": " / ".join(step.rule for step in leaf.sharings),
        "AllocatedMethodDetails": json.dumps({"Elements": elements}),
        "AllocatedResourceId": "/".join(f"{name}={labels[name]}" for name in sorted(labels)),
        "AllocatedResourceName": ", ".join(labels[name] for name in sorted(labels)),
        "AllocatedTags": json.dumps(labels, sort_keys=True),
    }


def any_of(amounts: Iterable[str]) -> str:
    return f"({' or '.join(f'coalesce({ident(a)}, 0) != 0' for a in amounts)})"


def as_steps(sql: str) -> str:
    """SQL of an amount as a whole number of steps: its digits without the point."""
    return f"cast(replace(cast(cast({sql} as {MONEY}) as varchar), '.', '') as hugeint)"


def as_money(sql: str) -> str:
    """SQL of a whole number of steps as an amount."""
    return f"cast(cast({sql} as decimal(38, 0)) * cast({MONEY_STEP:f} as decimal(13, 12)) as {MONEY})"


def matching_sql(rules: Sequence[AllocationRule], names: Iterable[str]) -> tuple[str, list[Any]]:
    """SQL of "some rule matches" as far as ``names`` go, which is never null; values of users are parameters."""
    tests: list[str] = []
    values: list[Any] = []
    for rule in rules:
        parts = ["true"]
        for bound, operator in ((rule.since, ">="), (rule.until, "<")):
            if bound is not None:
                parts.append(f"x_Day {operator} ?")
                values.append(bound)
        for name, wanted in ((n, w) for n, w in rule.match.items() if n in names):
            sql = f"cast({dimension_sql(name)} as varchar)"
            texts = [w for w in wanted if w is not None]
            choices = [f"{sql} is null"] if None in wanted else []
            choices += [f"coalesce({sql} in ({', '.join('?' * len(texts))}), false)"] if texts else []
            values += texts
            parts.append(f"({' or '.join(choices) or 'false'})")
        tests.append(f"({' and '.join(parts)})")
    return f"({' or '.join(tests) or 'false'})", values
