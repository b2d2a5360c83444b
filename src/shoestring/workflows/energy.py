"""Energy and carbon of some days: what was metered, how much of the time that covers, and what is not known."""

from collections.abc import Sequence
from typing import Any

from shoestring.ledger.receipt import Receipt
from shoestring.store.answers import Answer


def energy_json(
    by_team: Answer, by_basis: Answer, receipts: Sequence[Receipt], grid_kg_per_kwh: float | None
) -> dict[str, Any]:
    """Energy by team as plain data; unknown is null.

    Carbon is what bills state, and for runs their metered energy at the catalog's grid and PUE. Where neither is
    known it is the metered energy times the given factor of the grid; without a factor it stays unknown.
    ``carbon_kind``: ``stated`` by bills alone, ``estimate``, or ``mixed``.
    """
    rows = [
        {
            "team": row.keys[0],
            "kwh": row.energy_kwh,
            "carbon_kg": _carbon(row.energy_kwh, row.carbon_kg, grid_kg_per_kwh),
        }
        for row in by_team.rows
        if row.energy_kwh is not None or row.carbon_kg is not None
    ]
    carbon = [row["carbon_kg"] for row in rows if row["carbon_kg"] is not None]
    kwh = [row["kwh"] for row in rows if row["kwh"] is not None]
    told = {row.keys[0] for row in by_basis.rows if row.carbon_kg is not None}
    given = any(row.carbon_kg is None and row.energy_kwh is not None for row in by_team.rows)
    guessed = "metered" in told or (given and grid_kg_per_kwh is not None)
    kind = ("mixed" if guessed else "stated") if "billed" in told else "estimate"
    kinds = sorted({r.energy.kind for r in receipts if r.energy.kind is not None})
    return {
        "kwh": sum(kwh) if kwh else None,
        "kwh_kinds": kinds,
        "covered": _covered(receipts),
        "carbon_kg": sum(carbon) if carbon else None,
        "carbon_kind": kind if carbon else None,
        "grid_kg_per_kwh": grid_kg_per_kwh,
        "teams": rows,
    }


def _carbon(kwh: float | None, stated_kg: float | None, grid_kg_per_kwh: float | None) -> float | None:
    if stated_kg is not None or kwh is None or grid_kg_per_kwh is None:
        return stated_kg
    return kwh * grid_kg_per_kwh


def _covered(receipts: Sequence[Receipt]) -> float | None:
    """Share of the time that runs held machines in which an energy meter ran; None if nothing was held."""
    held_s = sum(r.held_s for r in receipts)
    if held_s <= 0:
        return None
    return min(1.0, sum((r.energy.covered or 0.0) * r.held_s for r in receipts) / held_s)
