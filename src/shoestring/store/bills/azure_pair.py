"""Azure's actual and amortized exports of one month, given together: each tells half of the cost.

The two list the same use twice. Of the actual export its billed cost counts, of the amortized one its
effective cost (with list prices and quantities); every row of both is stored, and neither sum is doubled.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.format import Format
from shoestring.store.bills.source import Source
from shoestring.store.charges_engine import PARQUET, literal
from shoestring.store.charges_schema import MONEY

ACTUAL, AMORTIZED = "actual", "amortized"
# Only an amortized export spreads a commitment over its use; only an actual one has the purchase.
KIND = f"""select case
    when bool_or(CommitmentDiscountStatus = 'Unused'
      or (CommitmentDiscountStatus = 'Used' and EffectiveCost <> 0)) then '{AMORTIZED}'
    when bool_or(CommitmentDiscountStatus = 'Used' or (ChargeCategory = 'Purchase'
      and CommitmentDiscountId is not null)) then '{ACTUAL}' end from """
NOTHING = f"cast(0 as {MONEY})"
REPLACED = {
    ACTUAL: f"""{NOTHING} as EffectiveCost, {NOTHING} as ListCost, {NOTHING} as ContractedCost,
        cast(null as {MONEY}) as ConsumedQuantity, cast(null as {MONEY}) as PricingQuantity""",
    AMORTIZED: f"{NOTHING} as BilledCost",
}


def settle_pairs(engine: Any, sources: Sequence[tuple[Source, Format]], staged: Sequence[Path]) -> None:
    """Where staged files are of both kinds, take the half that counts out of each.

    Raises:
        BadInput: both kinds are there, and of a third file neither it nor its folder tells which it is.
    """
    files = [
        (source.path, path)
        for (source, form), path in zip(sources, staged, strict=True)
        if form.name.startswith("azure")
    ]
    kinds = {at: engine.execute(KIND + literal(path)).fetchone()[0] for at, path in files}
    if {ACTUAL, AMORTIZED} - set(kinds.values()):
        return
    for at, path in files:
        beside = {kind for other, kind in kinds.items() if other.parent == at.parent and kind is not None}
        kind = kinds[at] or (beside.pop() if len(beside) == 1 else None)
        if kind is None:
            raise BadInput(
                f"{at}: an actual or an amortized export? Both are given, and it has no commitments to tell by",
                next_step="put the files of each export into a folder of its own and import both folders",
            )
        half = path.with_suffix(".half.parquet")
        engine.execute(
            f"copy (select * replace ({REPLACED[kind]}) from {literal(path)}) to {literal(half)} {PARQUET}"
        )
        half.replace(path)
