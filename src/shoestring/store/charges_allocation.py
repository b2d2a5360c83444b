"""Allocation in the ledger: what is shared out goes off its line and onto others, as charges that sum to nothing.

The bill stays as it came. For every matching day and label there is one charge that takes the amount off, and one
for each receiver that puts a share on, with FOCUS's Allocated columns filled. So totals can't change, undoing is
leaving the charges out, and a newer bill only asks for new ones.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from decimal import Decimal
from pathlib import Path

from shoestring.ledger.allocate import AllocationRule
from shoestring.ledger.allocation_tree import grow
from shoestring.store.answers import counted_parts
from shoestring.store.charges import Change, Staged
from shoestring.store.charges_manifest import ALLOCATION, Manifest, Part
from shoestring.store.charges_shares import Shares
from shoestring.store.charges_shares_sql import AMOUNTS

SOURCE = "shoestring/allocation"


def state_of(manifest: Manifest, rules: str) -> dict[str, str]:
    """For each open month, what changes when its charges, the rules, or what is split do; empty without rules."""
    files: dict[str, list[str]] = {}
    for part in originals(manifest) if rules else ():
        if not manifest.is_closed(part.period, SOURCE):
            files.setdefault(part.period, []).append(part.file)
    return {
        period: hashlib.sha256(json.dumps([sorted(names), rules, AMOUNTS]).encode()).hexdigest()
        for period, names in files.items()
    }


def originals(manifest: Manifest) -> tuple[Part, ...]:
    """The charges that count, as billed and metered."""
    return counted_parts(manifest, allocated=False)


def put_shares(
    change: Change,
    parts: Sequence[Part],
    rules: Sequence[AllocationRule],
    stage: Path,
    import_id: str,
    months: Collection[str],
) -> tuple[str, ...]:
    """Share out the charges of ``parts`` by rules, in the place of what these months had before.

    Each billing month is shared by its own use.

    Returns:
        Names of rules that matched cost and found nobody to give it to in some month.
    """
    for part in change.manifest.parts:
        if part.kind == ALLOCATION and part.period in months:
            change.drop(part.period, part.source, part.kind)
    if not rules:
        return ()
    with change.store.reading() as engine:
        shares = Shares(engine, change.store, parts, rules, stage)
        tree = grow(shares.roots, shares.held, rules, shares.measure)
        files = shares.write(tree, import_id)
    for period, path in files.items():
        staged = Staged(period=period, source=SOURCE, kind=ALLOCATION, path=path)
        part = change.put(staged, import_id)
        sums = [Decimal(usd) for usd in (*part.billed.values(), *part.effective.values())]
        assert not any(sums), f"{period}: shares must add up to what was shared, not differ by {sums}"
    return tree.untouched
