"""Allocation rules in force: put there for good, taken out again, and applied anew when a bill or a run comes."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from shoestring.domain.errors import BadInput
from shoestring.ledger.allocate import AllocationRule
from shoestring.store.allocation_book import AllocationFact, in_force, record
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_allocation import SOURCE, originals, put_shares, state_of
from shoestring.store.charges_manifest import Manifest
from shoestring.workflows.allocation import parse_rules
from shoestring.workflows.fees import refresh_fees

IMPORT = "allocation"


def apply_rules(
    store: ChargeStore, path: Path, *, user: str, now: datetime, why: str = ""
) -> tuple[str, ...]:
    """Put the rules of a YAML in force, in the place of those before.

    Returns:
        Names of rules that found cost in some month and nobody to give it to.

    Raises:
        BadInput: rules that can't be; the ones before stay in force.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from None
    parse_rules(text, str(path))
    record(store.folder, AllocationFact(at=now, user=user, rules=text, why=why))
    return refresh(store)


def undo_rules(store: ChargeStore, *, user: str, now: datetime, why: str = "") -> None:
    """Take the rules out of force and their charges out of every open month; closed months keep theirs.

    Raises:
        BadInput: none are in force.
    """
    if in_force(store.folder) is None:
        raise BadInput(
            "no allocation rules are in force", next_step="shoestring costs --allocate rules.yaml --apply"
        )
    record(store.folder, AllocationFact(at=now, user=user, rules=None, why=why))
    refresh(store)


def closed_months(store: ChargeStore) -> tuple[str, ...]:
    """Months with charges that neither new rules nor undoing touches."""
    manifest = store.manifest()
    months = sorted({part.period for part in originals(manifest)})
    return tuple(month for month in months if manifest.is_closed(month, SOURCE))


def refresh(store: ChargeStore) -> tuple[str, ...]:
    """Make the ledger's allocation what the rules in force make of its charges today.

    Only open months whose charges (or rules) have changed are looked at; closed ones keep what they have.

    Returns:
        Names of rules without a receiver in one of these months.
    """
    refresh_fees(store)  # what is spread over its term is shared out as it is spread
    fact, manifest = in_force(store.folder), store.manifest()
    text = "" if fact is None else fact.rules or ""
    if not _changed(manifest, text):
        return ()
    rules: Sequence[AllocationRule] = parse_rules(text, "the rules in force") if text else ()
    stage = store.stage_folder()
    try:
        with store.change() as change:
            months = _changed(change.manifest, text)
            parts = [p for p in originals(change.manifest) if p.period in months]
            untouched = put_shares(change, parts, rules, stage, IMPORT, months)
            before = {m: s for m, s in change.manifest.allocated.items() if m not in months}
            after = {m: s for m, s in state_of(change.manifest, text).items() if m in months}
            change.manifest = replace(change.manifest, allocated=before | after)
            change.commit()
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return untouched


def _changed(manifest: Manifest, text: str) -> set[str]:
    """Open months whose allocation is not what the rules make of their charges."""
    now = state_of(manifest, text)
    before = {m: s for m, s in manifest.allocated.items() if not manifest.is_closed(m, SOURCE)}
    return {m for m in {*now, *before} if now.get(m) != before.get(m)}
