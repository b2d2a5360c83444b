"""A ledger larger than anybody waits for: one bill, imported once, written again as months of other accounts.

Only the first part goes through the import. Every other one has its rows, moved to its month and account, and is put
into the ledger as bills are: with sums, a daily cube of its own and a line of the manifest. Every part is a file of its
own, so that a question reads as many bytes as it would of so many bills. Amounts, labels and resources repeat.
"""

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from focus_rows import write_rows
from shoestring.store.charges import ChargeStore, Staged
from shoestring.store.charges_engine import PARQUET, literal
from shoestring.store.charges_manifest import Part
from shoestring.workflows.bills import bring_in

MONTHS = 5  # the newest is that of the bill; then come the ones before
MOVED = ("ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd")


def make_parts(folder: Path, part_rows: int, parts: int) -> dict[str, int]:
    """A ledger of ``parts`` times ``part_rows`` rows in ``folder``; its rows, parts, cubes, months and bytes.

    The same numbers give the same rows on every machine. Needs about as much disk as it gives, and the CSV of one part.
    """
    folder.mkdir(parents=True)
    csv = folder / "bill.csv"
    write_rows(csv, rows=part_rows)
    store = ChargeStore(folder / "ledger")
    bring_in(store, [csv], now=datetime.now(UTC), user="bench")
    csv.unlink()
    (first,) = store.manifest().parts
    assert first.rows == part_rows
    stage = store.stage_folder()
    with store.change() as change:
        for number in range(1, parts):
            account, back = divmod(number, MONTHS)
            print(f"part {number + 1} of {parts}", file=sys.stderr)
            change.put(
                _moved(change.engine, store, first, stage, account=account, back=back), f"part-{number}"
            )
        change.commit()
    shutil.rmtree(stage)
    held = store.manifest().parts
    assert _total(held) == parts * _total([first]), "parts differ in money"
    return {
        "rows": sum(p.rows for p in held),
        "parts": len(held),
        "cubes": sum(p.cube is not None and p.resources is not None for p in held),
        "months": len({p.period for p in held}),
        "bytes": sum(p.stat().st_size for p in store.folder.rglob("*") if p.is_file()),
    }


def _moved(engine: Any, store: ChargeStore, part: Part, stage: Path, *, account: int, back: int) -> Staged:
    """The rows of ``part`` as those of another account, ``back`` months before."""
    issuer, _, _ = part.source.rpartition("/")
    source = f"{issuer}/acct-{account}"
    moments = ", ".join(f"{name} - interval {back} month as {name}" for name in MOVED)
    target = stage / f"account-{account}-back-{back}.parquet"
    engine.execute(
        f"copy (select * replace ('acct-{account}' as BillingAccountId, {literal(source)} as x_Source, {moments}) "
        f"from {literal(store.folder / part.file)}) to {literal(target)} {PARQUET}"
    )
    (period,) = engine.execute(
        f"select strftime(min(BillingPeriodStart), '%Y-%m') from {literal(target)}"
    ).fetchone()
    return Staged(period=period, source=source, kind=part.kind, path=target)


def _total(parts: Sequence[Part]) -> Decimal:
    return sum((Decimal(usd) for p in parts for usd in p.effective.values()), Decimal(0))
