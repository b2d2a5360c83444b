"""`shoestring bills amortize`: an up-front fee, spread over its term to those who used it."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.domain.units import money
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_fees import SOURCE, purchases, put_fees, spread_by_bill, state_of
from shoestring.store.charges_manifest import FEES, Manifest
from shoestring.store.dimensions import Condition
from shoestring.store.fee_book import FeeTerm, fee_terms, record
from shoestring.store.reconcile import reconcile


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadFee:
    """A fee as it stands: what was paid, and of it what nobody has used, in dollars at the day's rate."""

    id: str
    fee_usd: Decimal
    unused_usd: Decimal


def spread_fee(store: ChargeStore, term: FeeTerm) -> SpreadFee:
    """Put a term in force and spread its fee; the last word on an id counts.

    Raises:
        BadInput: the term is empty, touches a closed month, no such fee is in the ledger, or the bill spreads it.
    """
    if term.end is not None and term.end <= term.start:
        raise BadInput(f"--until {term.end:%Y-%m-%d %H:%M} is not after --since {term.start:%Y-%m-%d %H:%M}")
    if term.machines < 1:
        raise BadInput(f"--machines {term.machines}: one or more")
    manifest = store.manifest()
    with store.reading() as engine:
        found = purchases(engine, store, manifest.parts, term)
        if not found:
            raise BadInput(
                f"no up-front fee of {term.id!r} in the ledger",
                next_step="it is a Purchase with an effective cost; import its bill first",
            )
        if spread_by_bill(engine, store, manifest.parts, term):
            raise BadInput(
                f"the bill spreads the fee of {term.id!r} by itself", next_step="leave it as it is"
            )
    months = {f"{row['BillingPeriodStart']:%Y-%m}" for row in found}
    if closed := _closed(manifest, (term,), months):
        raise BadInput(f"{', '.join(closed)} is closed; its charges stay as they are")
    record(store.folder, term)
    refresh_fees(store)
    rates = [row["x_UsdPerUnit"] or Decimal(0) for row in found]
    fee = sum((row["EffectiveCost"] * rate for row, rate in zip(found, rates, strict=True)), Decimal(0))
    return SpreadFee(id=term.id, fee_usd=money(fee), unused_usd=_unused(store, term.id))


def stop_spreading(store: ChargeStore, fee_id: str, *, user: str, now: datetime, why: str) -> None:
    """Take a term out of force: the fee is back on the day it was bought. Raises BadInput if there is none."""
    term = next((t for t in fee_terms(store.folder) if t.id == fee_id), None)
    if term is None:
        raise BadInput(f"the fee of {fee_id!r} is not spread", next_step="shoestring bills list")
    if closed := _closed(store.manifest(), (term,), set()):
        raise BadInput(f"{', '.join(closed)} is closed; its charges stay as they are")
    record(store.folder, FeeTerm(at=now, user=user, id=fee_id, start=term.start, end=None, why=why))
    refresh_fees(store)


def refresh_fees(store: ChargeStore) -> None:
    """Make the shares what the terms in force make of today's charges. Terms that touch a closed month stay."""
    terms = fee_terms(store.folder)
    manifest = store.manifest()
    there = [p for p in manifest.parts if p.kind == FEES]
    if not terms and not there:
        return
    wanted = state_of(manifest, terms)
    if there and all(p.import_id == wanted for p in there):
        return
    if _closed(manifest, terms, {p.period for p in there}):
        return
    stage = store.stage_folder()
    try:
        with store.change() as change:
            put_fees(change, terms, stage, state_of(change.manifest, terms))
            change.commit()
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    if any(t.resources for t in terms):
        reconcile(store)  # a run on a machine that a fee paid for is billed by the fee


def moment(text: str, option: str) -> datetime:
    """A day or a moment in UTC. Raises BadInput."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{option} {text!r} is no moment", next_step="write 2026-11-02 or 2026-11-02T11:30"
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def spread_json(fee: SpreadFee) -> dict[str, Any]:
    """A fee as plain data."""
    return {"id": fee.id, "fee_usd": float(fee.fee_usd), "unused_usd": float(fee.unused_usd)}


def _closed(manifest: Manifest, terms: tuple[FeeTerm, ...], months: set[str]) -> list[str]:
    """Closed months that the terms or the given months touch."""
    return sorted(
        period
        for period in {key.partition(" ")[0] for key in manifest.closed}
        if manifest.is_closed(period, SOURCE)
        and (
            period in months
            or any(f"{t.start:%Y-%m}" <= period <= f"{t.end or t.start:%Y-%m}" for t in terms)
        )
    )


def _unused(store: ChargeStore, fee_id: str) -> Decimal:
    name = Condition(dimension="description", operator="=", value=f"unused share of the fee of {fee_id}")
    return ask(store, Question(by=("source",), where=(name,))).total_usd
