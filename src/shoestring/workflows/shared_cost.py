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
from shoestring.store.charges_allocation import originals, put_shares, share_out, state_of
from shoestring.workflows.allocation import parse_rules

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


def refresh(store: ChargeStore) -> tuple[str, ...]:
    """Make the ledger's allocation what the rules in force make of its charges today; nothing if it is already.

    Returns:
        Names of rules without a receiver, when something was done.
    """
    fact = in_force(store.folder)
    manifest = store.manifest()
    if fact is None and manifest.allocated is None:
        return ()
    text = "" if fact is None else fact.rules or ""
    rules: Sequence[AllocationRule] = parse_rules(text, "the rules in force") if text else ()
    if manifest.allocated == state_of(manifest, text):
        return ()
    stage = store.stage_folder()
    try:
        with store.change() as change:
            parts = originals(change.manifest)
            shared = share_out(store, parts, rules)
            put_shares(change, shared, stage, IMPORT)
            state = state_of(change.manifest, text) if text else None
            change.manifest = replace(change.manifest, allocated=state)
            change.commit()
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return shared.untouched
