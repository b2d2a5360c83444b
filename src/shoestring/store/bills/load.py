"""The import itself: stage, check, split by period and source, and publish whole or not at all."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.accelerators import HardwareWords
from shoestring.store.bills.azure_pair import settle_pairs
from shoestring.store.bills.format import Format, doubled, nearest, recognize
from shoestring.store.bills.publish import Imported, publish
from shoestring.store.bills.reading import Progress, Reading
from shoestring.store.bills.source import Source, open_source
from shoestring.store.bills.staging import CHECKED
from shoestring.store.bills.unpack import unpacked
from shoestring.store.bills.values import Given
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import engine_errors, explain_engine_error
from shoestring.store.charges_files import explaining


def import_bills(
    store: ChargeStore,
    paths: Sequence[Path],
    *,
    formats: Sequence[Format],
    now: datetime,
    user: str,
    given: Given | None = None,
    encoding: str | None = None,
    rates: Sequence[tuple[str, datetime, Decimal]] = (),
    again: bool = False,
    invoice: Decimal | None = None,
    hardware: HardwareWords | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Import the files of one delivery: together they hold all charges of their periods and sources.

    A file that was imported before is passed over. Files with charges for a period and source that is there
    already take its place; if that month is closed, the difference is posted as adjustments instead.

    Args:
        rates: (currency, day, dollars for one unit).
        again: import files even if they were imported before.
        invoice: what the invoice says of them together; kept to tie out with.
        hardware: what tells accelerators in the texts of lines; None: only columns that name them are read.

    Raises:
        BadInput: a file that can't be read, or that an import since then has replaced.
    """
    engine = store.connect()
    stage = store.stage_folder()
    import_id = f"{now:%Y%m%dT%H%M%S}-{stage.name.rpartition('-')[2]}"
    try:
        with explaining(store.folder):
            sources, aside = _with_charges(_opened(engine, paths, formats, encoding, stage))
            fresh, unchanged = _new_ones(store, sources, again)
            if not fresh:
                return Imported(delivery=None, unchanged=unchanged, aside=aside)
            if rates:
                _put_rates(engine, rates)
            if hardware is not None:
                hardware.put(engine)
            reading = Reading(
                engine=engine,
                given=given or Given(),
                import_id=import_id,
                rated=bool(rates),
                hardware=hardware,
                progress=progress,
            )
            read, staged = reading.stage_all(fresh, stage)
            settle_pairs(engine, read, staged)
            done = publish(store, engine, stage, read, staged, import_id, now, user, unchanged, invoice)
            return replace(done, aside=aside)
    except engine_errors() as error:
        raise explain_engine_error(error, "import") from error
    finally:
        engine.close()
        shutil.rmtree(stage, ignore_errors=True)


def _opened(
    engine: Any, paths: Sequence[Path], formats: Sequence[Format], encoding: str | None, scratch: Path
) -> list[tuple[Source, Format]]:
    opened: dict[str, tuple[Source, Format]] = {}
    files = [f for n, path in enumerate(paths) for f in unpacked(path, engine, scratch / f"unpacked-{n}")]
    for path in files:
        source = open_source(
            path,
            engine,
            is_header=lambda cells: recognize(cells, formats) is not None,
            scratch=scratch,
            encoding=encoding,
            hint=lambda cells: nearest(cells, formats),
        )
        form = recognize(source.header, formats)
        if form is None:
            raise BadInput(
                f"{path}: no bill that I know (columns: {', '.join(source.header[:8])} ..."
                f"{nearest(source.header, formats)})",
                next_step=f"shoestring bills map {path.name} > map.yaml drafts a description to import it with --map",
            )
        if doubles := doubled(source.header, [form.fields.get(n, f"{{{n}}}") for n in CHECKED]):
            raise BadInput(
                f"{path}: {' and '.join(doubles)} say the same thing: which is meant?",
                next_step="take one of the columns out, or name the right one with --map (docs/ledger.md)",
            )
        opened.setdefault(source.sha256, (source, form))  # one file given twice counts once
    return list(opened.values())


def _with_charges(
    opened: list[tuple[Source, Format]],
) -> tuple[list[tuple[Source, Format]], tuple[tuple[Path, str], ...]]:
    """Files that hold charges, and those that are left aside beside them, with what they are."""
    sources = [(source, form) for source, form in opened if form.charges]
    aside = tuple((source.path, form.title) for source, form in opened if not form.charges)
    if aside and not sources:
        raise BadInput(
            f"{aside[0][0]}: {aside[0][1]} holds no charges",
            next_step="import the Cost and Usage file that it came with",
        )
    return sources, aside


def _new_ones(
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


def _put_rates(engine: Any, rates: Sequence[tuple[str, datetime, Decimal]]) -> None:
    engine.execute("create temp table rates (currency varchar, day timestamp, usd_per_unit decimal(38,12))")
    engine.executemany("insert into rates values (?, ?, ?)", [list(r) for r in rates])
