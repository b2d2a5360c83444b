"""The import itself: stage, check, split by period and source, and publish whole or not at all."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.accelerators import HardwareWords
from shoestring.store.bills.azure import AZURES
from shoestring.store.bills.azure_pair import settle_pairs
from shoestring.store.bills.days import ISO, day_first
from shoestring.store.bills.format import Format, doubled, nearest, recognize
from shoestring.store.bills.publish import Imported, publish, torn_lines
from shoestring.store.bills.source import STRICT, Source, lenient, open_source
from shoestring.store.bills.staging import (
    CHECKED,
    ODDLY_WRITTEN,
    PROBLEM,
    comma_sql,
    dates_sql,
    staging_sql,
    tag_keys_sql,
)
from shoestring.store.bills.tags import TagKeys
from shoestring.store.bills.unpack import unpacked
from shoestring.store.bills.values import Given
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import PARQUET, engine_errors, explain_engine_error, ident, literal
from shoestring.store.charges_files import explaining

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
            every = _opened(engine, paths, formats, encoding, stage)
            sources = [(source, form) for source, form in every if form.charges]
            aside = tuple((source.path, form.title) for source, form in every if not form.charges)
            if aside and not sources:
                raise BadInput(
                    f"{aside[0][0]}: {aside[0][1]} holds no charges",
                    next_step="import the Cost and Usage file that it came with",
                )
            fresh, unchanged = _new_ones(store, sources, again)
            if not fresh:
                return Imported(delivery=None, unchanged=unchanged, aside=aside)
            if rates:
                _put_rates(engine, rates)
            if hardware is not None:
                hardware.put(engine)
            reading = _Reading(
                engine=engine,
                given=given or Given(),
                import_id=import_id,
                rated=bool(rates),
                hardware=hardware,
                progress=progress,
            )
            staged = []
            for n, (source, form) in enumerate(fresh):
                best, path = (
                    reading.with_days_of(source, form)
                    .with_commas_of(source, form)
                    .stage(source, form, stage / f"{n}.parquet")
                )
                fresh[n] = (best, form)
                staged.append(path)
            settle_pairs(engine, fresh, staged)
            done = publish(store, engine, stage, fresh, staged, import_id, now, user, unchanged, invoice)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """How the files of one delivery are read."""

    engine: Any
    given: Given
    import_id: str
    rated: bool
    hardware: HardwareWords | None
    progress: Progress | None
    plain: bool = True  # until a look at a file shows otherwise

    def with_days_of(self, source: Source, form: Format) -> "_Reading":
        """Reading slashed dates in the order that this file means.

        Raises:
            BadInput: its dates could be read either way.
        """
        sql = dates_sql(lenient(source), form, FIRST_LOOK)
        if sql is None or self.given.date_formats:
            return self
        found = self.engine.execute(sql).fetchall()
        texts = [text for text, _ in found]
        first = day_first(texts, months=[text for text, month in found if month])
        if first is None and form not in AZURES:  # Microsoft documents months first
            raise BadInput(
                f"{source.path}: its slashed dates could begin with the day or with the month",
                next_step="--date-format '%d/%m/%Y' or --date-format '%m/%d/%Y'",
            )
        plain = self.plain and all(ISO.match(text) for text in texts)
        return replace(self, given=replace(self.given, day_first=bool(first)), plain=plain)

    def with_commas_of(self, source: Source, form: Format) -> "_Reading":
        """Reading commas as decimal where this file's amounts show that they are: ``1.234`` is 1234 then."""
        sql = comma_sql(lenient(source), form, FIRST_LOOK)
        if sql is None or self.given.written_by_people:
            return self
        commas, points = self.engine.execute(sql).fetchone()
        return replace(self, given=replace(self.given, decimal_comma=bool(commas and not points)))

    def stage(self, source: Source, form: Format, target: Path) -> tuple[Source, Path]:
        """Read one file into Parquet, good rows and bad ones; the file as it could best be read."""
        first = _tag_keys(self.engine, source, form)
        best = self._best(source, form, first, target)
        if first.others is not None and self._has_more(target, first.others):
            best = self._best(source, form, TagKeys.of(None), target)
        return best, target

    def _has_more(self, file: Path, others: str) -> bool:
        """Whether a row has tags that the first look missed. The same tags come again and again: each once."""
        columns = self.engine.execute(f"describe select * from {literal(file)}").fetchall()
        if "Tags" not in {name for name, *_ in columns}:
            return False
        (more,) = self.engine.execute(
            f"select bool_or(regexp_matches(Tags, {literal(others)})) "
            f"from (select distinct Tags from {literal(file)})"
        ).fetchone()
        return bool(more)

    def _best(self, source: Source, form: Format, keys: TagKeys, target: Path) -> Source:
        """Read strictly; where that tears lines, leniently too: better if it tears fewer and loses none.

        Not where a line has too many cells: lenient reading would cut it off, its amounts perhaps in the wrong
        columns.
        """
        torn = self._read(source, form, keys, target)
        if torn == 0 or (torn is not None and torn_lines(self.engine, [source], "TOO MANY COLUMNS")):
            return source
        other, second = lenient(source), target.with_suffix(".lenient.parquet")
        torn_then = self._read(other, form, keys, second)
        if torn is None or (
            torn_then is not None
            and torn_then < torn
            and torn_then + self._rows(second) >= torn + self._rows(target)
        ):
            second.replace(target)
            return other
        return source

    def _rows(self, file: Path) -> int:
        (count,) = self.engine.execute(f"select count(*) from {literal(file)}").fetchone()
        return int(count)

    def _read(self, source: Source, form: Format, keys: TagKeys, target: Path) -> int | None:
        """Read a file; how many lines are no rows. None: its line ends are too mixed to be read strictly.

        The usual notations are tried alone first; a file that has others is read once more with all of them.
        """
        given = self.given
        if self.plain and not (given.written_by_people or given.decimal_comma or given.date_formats):
            torn = self._read_as(source, form, keys, target, plain=True)
            odd = f"select 1 from {literal(target)} where {PROBLEM} = {literal(ODDLY_WRITTEN)} limit 1"
            if torn is None or not self.engine.execute(odd).fetchall():
                return torn
        return self._read_as(source, form, keys, target, plain=False)

    def _read_as(
        self, source: Source, form: Format, keys: TagKeys, target: Path, *, plain: bool
    ) -> int | None:
        if source.rejects is not None:
            self.engine.execute(f"drop table if exists {ident(source.rejects)}")
            self.engine.execute(f"drop table if exists {ident(source.rejects + '_scan')}")
        rates = "rates" if self.rated else None
        sql = staging_sql(
            source,
            form,
            self.given,
            import_id=self.import_id,
            rates=rates,
            keys=keys,
            hardware=self.hardware,
            plain=plain,
        )
        try:
            run(
                self.engine,
                f"copy ({sql}) to {literal(target)} {PARQUET}",
                f"reading {source.path.name}",
                self.progress,
            )
        except engine_errors() as error:
            if STRICT in source.sql and "state machine" in str(error):
                return None
            raise
        return torn_lines(self.engine, [source])


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
    engine.execute("create temp table rates (currency varchar, day timestamp, usd_per_unit decimal(38,12))")
    engine.executemany("insert into rates values (?, ?, ?)", [list(r) for r in rates])
