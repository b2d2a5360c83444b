"""Which files of a delivery are in the ledger already."""

from pathlib import Path

from shoestring.domain.errors import BadInput
from shoestring.store.bills.format import Format
from shoestring.store.bills.source import Source
from shoestring.store.charges import ChargeStore


def looks_new(store: ChargeStore, sources: list[tuple[Source, Format]]) -> bool:
    """Whether this is one file of a name never seen: it is read while its digest is still being made.

    A copy of a known file under a new name is found out afterwards, for the price of having read it.
    """
    known = {name for delivery in store.manifest().deliveries for name in delivery.files}
    return len(sources) == 1 and sources[0][0].path.name not in known


def new_ones(
    store: ChargeStore, sources: list[tuple[Source, Format]], again: bool
) -> tuple[list[tuple[Source, Format]], tuple[Path, ...]]:
    """Files to import, and those that hold already. The files of a delivery stand or fall together."""
    manifest = store.manifest()
    holding = {p.import_id for p in manifest.parts}
    before = {sha: d for d in manifest.deliveries for sha in d.sha256}
    known = [(s, before[s.sha256]) for s, _ in sources if s.sha256 in before]
    if len(known) < len(sources) or not sources:
        return sources, ()
    if again:
        return sources, ()
    if all(d.id in holding or d.rows_stored == 0 for _, d in known):
        return [], tuple(s.path for s, _ in sources)
    source, delivery = known[0]
    raise BadInput(
        f"{source.path}: imported on {delivery.at[:10]} and replaced by a newer file since",
        next_step="--again brings it back in the newer one's place",
    )
