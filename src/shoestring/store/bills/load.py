"""The import itself: stage, check, split by period and source, and publish whole or not at all."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.adjust import adjustment_sql
from shoestring.store.bills.format import Format, recognize
from shoestring.store.bills.source import Source, open_source
from shoestring.store.bills.staging import MORE_TAGS, PROBLEM, Given, staging_sql, tag_keys_sql
from shoestring.store.bills.tags import TagKeys
from shoestring.store.charges import PARQUET, Change, ChargeStore, Staged
from shoestring.store.charges_engine import engine_errors, explain_engine_error, ident, literal, literals
from shoestring.store.charges_manifest import Delivery, Part

FIRST_LOOK = 20_000  # rows in which the tag keys of a file are looked for

Progress = Callable[[str, float], None]  # what is being done, and percent of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did.

    Attributes:
        unchanged: files that were imported before and are still what holds; nothing was done for them.
        parts: the new charges. replaced: those that were there before, in the same places.
        adjusted: (period, source) of closed months whose change was posted as adjustments.
        unallocated: effective cost by currency that names neither team, project nor experiment.
    """

    delivery: Delivery | None
    unchanged: tuple[Path, ...] = ()
    parts: tuple[Part, ...] = ()
    replaced: tuple[Part, ...] = ()
    adjusted: tuple[tuple[str, str], ...] = ()
    unallocated: dict[str, Decimal] = field(default_factory=dict)
    formats: tuple[str, ...] = ()


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
    progress: Progress | None = None,
) -> Imported:
    """Import the files of one delivery: together they hold all charges of their periods and sources.

    A file that was imported before is passed over. Files with charges for a period and source that is there
    already take its place; if that month is closed, the difference is posted as adjustments instead.

    Args:
        rates: (currency, day, dollars for one unit).
        again: import files even if they were imported before and have been replaced since.

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
        return _publish(store, engine, stage, fresh, staged, import_id, now, user, unchanged)
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
    if all(d.id in holding for _, d in known):
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
        sql = staging_sql(source, form, given, import_id=import_id, rates=rates, keys=keys)
        run(engine, f"copy ({sql}) to {literal(target)} {PARQUET}", f"reading {source.path.name}", progress)
        (more,) = engine.execute(f"select bool_or({MORE_TAGS}) from {literal(target)}").fetchone()
        if not more:
            break
    return target


def _tag_keys(engine: Any, source: Source, form: Format) -> TagKeys:
    sql = tag_keys_sql(source, form, FIRST_LOOK)
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


def _publish(
    store: ChargeStore,
    engine: Any,
    stage: Path,
    sources: list[tuple[Source, Format]],
    staged: list[Path],
    import_id: str,
    now: datetime,
    user: str,
    unchanged: tuple[Path, ...],
) -> Imported:
    everything = f"read_parquet({literals([str(p) for p in staged])}, union_by_name=true)"
    (bad,) = engine.execute(f"select count(*) from {everything} where {PROBLEM} is not null").fetchone()
    (rows,) = engine.execute(f"select count(*) from {everything}").fetchone()
    torn = _torn_lines(engine, [source for source, _ in sources])
    if rows + torn == 0:
        raise BadInput(
            f"{sources[0][0].path}: a header and no rows", next_step="import it again when it has some"
        )
    pieces = _split(engine, everything, staged, stage, bad)
    quarantine = _quarantine(engine, sources, everything, stage, bad, torn)
    with store.change() as change:
        before = change.manifest.parts
        placed, adjusted = _place(change, engine, pieces, import_id, stage, now)
        delivery = Delivery(
            id=import_id,
            at=now.isoformat(),
            user=user,
            files=tuple(source.path.name for source, _ in sources),
            sha256=tuple(source.sha256 for source, _ in sources),
            format=",".join(sorted({form.name for _, form in sources})),
            rows_in=rows + torn,
            rows_stored=rows - bad,
            rows_quarantined=bad + torn,
            quarantine=None if quarantine is None else change.keep_quarantine(quarantine),
        )
        change.commit(delivery)
        unallocated = _unallocated(engine, store, placed)
    places = {(p.period, p.source, p.kind) for p in placed}
    return Imported(
        delivery=delivery,
        unchanged=unchanged,
        parts=tuple(placed),
        replaced=tuple(p for p in before if (p.period, p.source, p.kind) in places),
        adjusted=tuple(adjusted),
        unallocated=unallocated,
        formats=tuple(sorted({form.title for _, form in sources})),
    )


def _split(engine: Any, everything: str, staged: list[Path], stage: Path, bad: int) -> list[Staged]:
    """The good rows as one file for each period and source; a file that is one already is taken as it is."""
    places = engine.execute(
        f"select distinct strftime(BillingPeriodStart, '%Y-%m'), x_Source from {everything} "
        f"where {PROBLEM} is null order by all"
    ).fetchall()
    pieces = []
    for number, (period, source) in enumerate(places):
        target = stage / f"piece-{number}.parquet"
        if len(places) == 1 and len(staged) == 1 and not bad:
            staged[0].replace(target)
        else:
            engine.execute(
                f"copy (select * from {everything} where {PROBLEM} is null "
                f"and strftime(BillingPeriodStart, '%Y-%m') = {literal(period)} "
                f"and x_Source = {literal(source)}) to {literal(target)} {PARQUET}"
            )
        pieces.append(Staged(period=period, source=source, kind="bill", path=target))
    return pieces


def _place(
    change: Change, engine: Any, pieces: list[Staged], import_id: str, stage: Path, now: datetime
) -> tuple[list[Part], list[tuple[str, str]]]:
    """Put the pieces in their places; those of closed months become adjustments in an open one."""
    placed: list[Part] = []
    adjusted: list[tuple[str, str]] = []
    for number, piece in enumerate(pieces):
        if not change.manifest.is_closed(piece.period, piece.source):
            placed.append(change.put(piece, import_id))
            continue
        target = stage / f"adjustment-{number}.parquet"
        sql = adjustment_sql(change, piece, import_id, now)
        engine.execute(f"copy ({sql.query}) to {literal(target)} {PARQUET}")
        staged = Staged(period=sql.period, source=piece.source, kind=f"adjusts {piece.period}", path=target)
        placed.append(change.put(staged, import_id))
        adjusted.append((piece.period, piece.source))
    return placed, adjusted


def _torn_lines(engine: Any, sources: list[Source]) -> int:
    """Lines that were no rows (too few or too many cells, broken quotes or encoding)."""
    counts = [
        engine.execute(f"select count(distinct line) from {ident(s.rejects)}").fetchone()[0]
        for s in sources
        if s.rejects is not None
    ]
    return int(sum(counts))


def _quarantine(
    engine: Any, sources: list[tuple[Source, Format]], everything: str, stage: Path, bad: int, torn: int
) -> Path | None:
    """A CSV of every row that was not stored: file, reason, and the row as it came. None if there is none."""
    if bad + torn == 0:
        return None
    tables = [
        f"select {literal(s.path.name)} as file, min(line) as line, "
        f"any_value(error_type || ': ' || error_message) as reason, any_value(csv_line) as row "
        f"from {ident(s.rejects)} group by line"
        for s, _ in sources
        if s.rejects is not None
    ]
    if bad:
        tables.append(
            f"select null as file, null as line, {PROBLEM} as reason, "
            f"cast(to_json(columns_) as varchar) as row from (select {PROBLEM}, q as columns_ from "
            f"(select * from {everything} where {PROBLEM} is not null) q)"
        )
    target = stage / "quarantine.csv"
    engine.execute(f"copy ({' union all by name '.join(tables)}) to {literal(target)} (format csv, header)")
    return target


def _unallocated(engine: Any, store: ChargeStore, parts: Sequence[Part]) -> dict[str, Decimal]:
    if not parts:
        return {}
    rows = engine.execute(
        f"select BillingCurrency, sum(EffectiveCost) from {store.days_sql(parts)} "
        "where x_Team is null and x_Project is null and x_Experiment is null group by 1"
    ).fetchall()
    return dict(rows)


def _put_rates(engine: Any, rates: Sequence[tuple[str, datetime, Decimal]]) -> None:
    engine.execute("create table rates (currency varchar, day timestamp, usd_per_unit decimal(38,12))")
    engine.executemany("insert into rates values (?, ?, ?)", [list(r) for r in rates])
