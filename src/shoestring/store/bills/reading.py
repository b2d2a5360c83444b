"""How the files of one delivery are read: first looks at their habits, then every row into Parquet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.accelerators import HardwareWords
from shoestring.store.bills.azure import AZURES
from shoestring.store.bills.days import ISO, day_first
from shoestring.store.bills.format import Format
from shoestring.store.bills.publish import torn_lines
from shoestring.store.bills.source import STRICT, Source, lenient
from shoestring.store.bills.staging import (
    ODDLY_WRITTEN,
    PROBLEM,
    comma_sql,
    dates_sql,
    staging_sql,
    tag_keys_sql,
)
from shoestring.store.bills.tags import TagKeys
from shoestring.store.bills.values import Given
from shoestring.store.charges_engine import PARQUET, engine_errors, ident, literal

FIRST_LOOK = 20_000  # rows in which the tag keys of a file are looked for

Progress = Callable[[str, float], None]  # what is being done, and percent of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How the files of one delivery are read."""

    engine: Any
    given: Given
    import_id: str
    rated: bool
    hardware: HardwareWords | None
    progress: Progress | None
    plain: bool = True  # until a look at a file shows otherwise

    def stage_all(
        self, files: Sequence[tuple[Source, Format]], folder: Path
    ) -> tuple[list[tuple[Source, Format]], list[Path]]:
        """Read each file by its own habits; the files as they could best be read, and the Parquet made of them."""
        read, staged = [], []
        for n, (source, form) in enumerate(files):
            habits = self.with_days_of(source, form).with_commas_of(source, form)
            best, path = habits.stage(source, form, folder / f"{n}.parquet")
            read.append((best, form))
            staged.append(path)
        return read, staged

    def with_days_of(self, source: Source, form: Format) -> "Reading":
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

    def with_commas_of(self, source: Source, form: Format) -> "Reading":
        """Reading commas as decimal where this file's amounts show that they are (``1.234`` is 1234 then), or surely
        not (so is ``1,234``)."""
        sql = comma_sql(lenient(source), form, FIRST_LOOK)
        if sql is None or self.given.written_by_people:
            return self
        commas, points = self.engine.execute(sql).fetchone()
        given = replace(
            self.given, decimal_comma=bool(commas and not points), decimal_point=bool(points and not commas)
        )
        return replace(self, given=given)

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
            _run(
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


def _run(engine: Any, sql: str, doing: str, progress: Progress | None) -> None:
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
