"""The import itself: stage, check, split by period and source, and publish whole or not at all."""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.format import Format, recognize
from shoestring.store.bills.publish import Imported, publish
from shoestring.store.bills.source import Source, lenient, open_source
from shoestring.store.bills.staging import MORE_TAGS, Given, staging_sql, tag_keys_sql
from shoestring.store.bills.tags import TagKeys
from shoestring.store.charges import PARQUET, ChargeStore
from shoestring.store.charges_engine import engine_errors, explain_engine_error, ident, literal

FIRST_LOOK = 20_000  # rows in which the tag keys of a file are looked for

Progress = Callable[[str, float], None]  # what is being done, and percent of it


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
    progress: Progress | None = None,
) -> Imported:
    """Import the files of one delivery: together they hold all charges of their periods and sources.

    A file that was imported before is passed over. Files with charges for a period and source that is there
    already take its place; if that month is closed, the difference is posted as adjustments instead.

    Args:
        rates: (currency, day, dollars for one unit).
        again: import files even if they were imported before and have been replaced since.
        invoice: what the invoice says of them together; kept to tie out with.

    Raises:
        BadInput: a file that can't be read, or that an import since then has replaced.
    """
    engine = store.connect()
    stage = store.stage_folder()
    import_id = f"{now:%Y%m%dT%H%M%S}-{stage.name.rpartition('-')[2]}"
    try:
        sources = _opened(engine, paths, formats, encoding)
        fresh, unchanged = _new_ones(store, sources, again)
        if not fresh:
            return Imported(delivery=None, unchanged=unchanged)
        if rates:
            _put_rates(engine, rates)
        staged = [
            _stage(
                engine,
                source,
                form,
                given or Given(),
                stage / f"{n}.parquet",
                import_id,
                bool(rates),
                progress,
            )
            for n, (source, form) in enumerate(fresh)
        ]
        return publish(store, engine, stage, fresh, staged, import_id, now, user, unchanged, invoice)
    except engine_errors() as error:
        raise explain_engine_error(error, "import") from error
    finally:
        engine.close()
        shutil.rmtree(stage, ignore_errors=True)


def _opened(
    engine: Any, paths: Sequence[Path], formats: Sequence[Format], encoding: str | None
) -> list[tuple[Source, Format]]:
    opened: dict[str, tuple[Source, Format]] = {}
    for path in paths:
        source = open_source(
            path, engine, is_header=lambda cells: recognize(cells, formats) is not None, encoding=encoding
        )
        form = recognize(source.header, formats)
        if form is None:
            raise BadInput(
                f"{path}: no bill that I know (columns: {', '.join(source.header[:8])} ...)",
                next_step="describe its columns in a YAML and give it with --map (docs/ledger.md)",
            )
        opened.setdefault(source.sha256, (source, form))  # one file given twice counts once
    return list(opened.values())


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
    if all(d.id in holding or d.rows_stored == 0 for _, d in known):
        return [], tuple(s.path for s, _ in sources)
    if not again:
        source, delivery = known[0]
        raise BadInput(
            f"{source.path}: imported on {delivery.at[:10]} and replaced by a newer file since",
            next_step="--again brings it back in the newer one's place",
        )
    return sources, ()


def _stage(
    engine: Any,
    source: Source,
    form: Format,
    given: Given,
    target: Path,
    import_id: str,
    rated: bool,
    progress: Progress | None,
) -> Path:
    """Read one file into Parquet, good rows and bad ones."""
    for keys in (_tag_keys(engine, source, form), TagKeys.of(None)):
        if source.rejects is not None:
            engine.execute(f"drop table if exists {ident(source.rejects)}")
            engine.execute(f"drop table if exists {ident(source.rejects + '_scan')}")
        rates = "rates" if rated else None
        for attempt in (source, lenient(source)):
            sql = staging_sql(attempt, form, given, import_id=import_id, rates=rates, keys=keys)
            copy = f"copy ({sql}) to {literal(target)} {PARQUET}"
            try:
                run(engine, copy, f"reading {source.path.name}", progress)
                break
            except engine_errors() as error:
                if attempt is not source or "state machine" not in str(error):
                    raise
        (more,) = engine.execute(f"select bool_or({MORE_TAGS}) from {literal(target)}").fetchone()
        if not more:
            break
    return target


def _tag_keys(engine: Any, source: Source, form: Format) -> TagKeys:
    sql = tag_keys_sql(lenient(source), form, FIRST_LOOK)
    return TagKeys.of(set() if sql is None else {key for (key,) in engine.execute(sql).fetchall()})


def run(engine: Any, sql: str, doing: str, progress: Progress | None) -> None:
    """Execute a long statement; with a progress callback, tell its percentage every tenth of a second."""
    if progress is None:
        engine.execute(sql)
        return
    from concurrent.futures import ThreadPoolExecutor, wait

    engine.execute("set enable_progress_bar = true; set enable_progress_bar_print = false")
    with ThreadPoolExecutor(max_workers=1) as pool:
        work = pool.submit(engine.execute, sql)
        while not wait([work], timeout=0.1).done:
            progress(doing, max(0.0, engine.query_progress()))
        work.result()
    progress(doing, 100.0)


def _put_rates(engine: Any, rates: Sequence[tuple[str, datetime, Decimal]]) -> None:
    engine.execute("create table rates (currency varchar, day timestamp, usd_per_unit decimal(38,12))")
    engine.executemany("insert into rates values (?, ?, ?)", [list(r) for r in rates])
