"""Checking a file for FOCUS conformance: every violation with rule, row, column and value."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.source import open_source
from shoestring.store.charges_engine import connect, engine_errors, explain_engine_error, ident
from shoestring.store.focus.model import columns_of_version
from shoestring.store.focus.rules import MUST, Rule, Table, rules_for

EXAMPLES = 5  # rows named for each rule that is broken
VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that is broken. ``rows`` (from 1, without the header) and ``values`` of the first few."""

    rule: str
    column: str
    level: str
    text: str
    count: int
    rows: tuple[int, ...] = ()
    values: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance:
    """The verdict. A file conforms if no MUST is broken; ``torn``: lines that are no rows at all."""

    version: str
    rows: int
    torn: int
    rules: int
    violations: tuple[Violation, ...]

    @property
    def conforms(self) -> bool:
        return self.torn == 0 and not any(v.level == MUST for v in self.violations)


def check_file(path: Path, version: str = "1.4") -> Conformance:
    """Check a Cost and Usage file (CSV, gz, Parquet) against a FOCUS version.

    Raises:
        BadInput: not a version that is known, or a file that can't be read at all.
    """
    if version not in VERSIONS:
        raise BadInput(f"no FOCUS version {version!r}", next_step=f"one of: {', '.join(VERSIONS)}")
    known = set(columns_of_version(version))
    with connect() as engine, tempfile.TemporaryDirectory() as scratch:
        try:
            source = open_source(
                path, engine, is_header=lambda cells: len(known & set(cells)) >= 3, scratch=Path(scratch)
            )
            described = engine.execute(f"describe select * from {source.sql}").fetchall()
            table = Table({name: str(kind) for name, kind, *_ in described})
            return _checked(engine, source.sql, source.rejects, table, version)
        except engine_errors() as error:
            raise explain_engine_error(error, f"{path}") from error


def _checked(engine: Any, sql: str, rejects: str | None, table: Table, version: str) -> Conformance:
    rules = rules_for(version, table)
    counted = [r for r in rules if not r.absent]
    sums = [r.aggregate or f"count(*) filter ({r.violated})" for r in counted]
    ((first, *counts),) = engine.execute(f"select {', '.join(['count(*)', *sums])} from {sql}").fetchall()
    torn = 0
    if rejects is not None:
        (torn,) = engine.execute(f"select count(distinct line) from {ident(rejects)}").fetchone()
    broken = [(rule, int(count)) for rule, count in zip(counted, counts, strict=True) if count]
    examples = _examples(engine, sql, [r for r, _ in broken if r.violated is not None], table)
    violations = [
        Violation(
            rule=rule.id,
            column=rule.column,
            level=rule.level,
            text=rule.text,
            count=count,
            rows=tuple(row for row, _ in examples.get(rule.id, ())),
            values=tuple(value for _, value in examples.get(rule.id, ())),
        )
        for rule, count in broken
    ]
    violations += [
        Violation(rule=r.id, column=r.column, level=r.level, text=r.text, count=1) for r in rules if r.absent
    ]
    violations.sort(key=lambda v: (v.level != MUST, v.column, v.rule))
    return Conformance(version=version, rows=first, torn=torn, rules=len(rules), violations=tuple(violations))


def _examples(
    engine: Any, sql: str, rules: list[Rule], table: Table
) -> dict[str, list[tuple[int, str | None]]]:
    """The first rows that break each rule, with the value found there."""
    if not rules:
        return {}
    engine.execute("set preserve_insertion_order = true")
    lists = ", ".join(
        f"min(({', '.join(('row', _value(r, table)))}), {EXAMPLES}) filter ({r.violated})" for r in rules
    )
    found = engine.execute(
        f"select {lists} from (select row_number() over () as row, * from {sql})"
    ).fetchone()
    return {
        rule.id: [tuple(item.values()) if isinstance(item, dict) else tuple(item) for item in items or ()]
        for rule, items in zip(rules, found, strict=True)
    }


def _value(rule: Rule, table: Table) -> str:
    return f"cast({ident(rule.column)} as varchar)" if rule.column in table else "null"
