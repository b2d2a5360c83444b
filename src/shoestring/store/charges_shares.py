"""Shares of many charges at once: which ways they go is found for kinds of them, the amounts by the engine.

Tables, all temporary: ``origins`` (what some rule matches, summed by day and label, amounts in whole steps of 1e-12),
``cuts`` (where each kind of share begins and ends), ``inner`` (shares that a later rule shared again). So no amount
passes through Python, and memory is the engine's, which spills.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.ledger.allocate import AllocationRule
from shoestring.ledger.allocation_tree import Kind, Tree
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import PARQUET, ident, literal
from shoestring.store.charges_manifest import Part
from shoestring.store.charges_schema import CUBE_KEYS, LABEL_COLUMNS, MONEY, MONEY_COLUMNS, STORE_COLUMNS
from shoestring.store.charges_shares_sql import (
    ALLOCATED,
    AMOUNTS,
    CUTS,
    DRIVERS,
    KEPT,
    MACROS,
    QUANTITIES,
    TOLD,
    WRITTEN,
    any_of,
    as_money,
    as_steps,
    matching_sql,
    told_of,
)  # fmt: skip
from shoestring.store.charges_write import load_rows
from shoestring.store.dimensions import ROW_DIMENSIONS, dimension_sql


class Shares:
    """The charges of ``parts`` on their way through rules.

    Attributes:
        roots: their kinds, and those of charges that no rule matches but that say who uses what.
        held: number of a root -> driver -> how much its lines hold of it.
    """

    def __init__(
        self,
        engine: Any,
        store: ChargeStore,
        parts: Sequence[Part],
        rules: Sequence[AllocationRule],
        folder: Path,
    ) -> None:
        self._engine, self._rules, self._folder = engine, rules, folder
        self._names = tuple(dict.fromkeys([*(r.to for r in rules), *(d for r in rules for d in r.match)]))
        self._labels = tuple(name for name in self._names if name in LABEL_COLUMNS)
        self._drivers = tuple(sorted({"usd", *(r.driver for r in rules if r.method == "proportional")}))
        by_row = tuple(name for name in self._names if name in ROW_DIMENSIONS)
        self._keys = (*CUBE_KEYS, *KEPT, *(ROW_DIMENSIONS[name] for name in by_row))
        self._amounts = (*self._drivers, *AMOUNTS)
        self._inner: set[int] = set()
        self._known: set[int] = set()
        rows = store.steady_rows_sql(engine, parts, self._keys)
        dated = f"(select *, cast(ChargePeriodStart as date) as x_Day from {rows})"
        for statement in MACROS.split(";"):
            engine.execute(statement)
        self._cast_origins(dated)
        engine.execute("create or replace temp table inner_shares as select n, kind, "
                       f"{', '.join(self._amounts)} from origins where false")  # fmt: skip
        self._load("cuts", CUTS, [])
        self.roots, self.held = self._kinds()
        self._add_others(dated if by_row else store.days_sql(parts))

    def measure(self, kinds: Sequence[Kind]) -> dict[int, dict[str, Decimal]]:
        """How much of each driver these kinds of shares hold; kinds without any are left out."""
        self._cut(kinds)
        sums = ", ".join(as_money(f"sum(greatest(0, {driver}))") for driver in self._drivers)
        found = self._engine.execute(
            f"select kind, {sums} from ({self._shares('number in (select number from newest)')}) group by kind"
        ).fetchall()
        return {kind: dict(zip(self._drivers, told, strict=True)) for kind, *told in found}

    def write(self, tree: Tree, import_id: str) -> dict[str, Path]:
        """Charges that take off what was shared, and those that put the shares on: month -> its file."""
        roots = {kind.number: kind for kind in self.roots}
        self._cut([leaf for leaf in tree.leaves if leaf.number not in self._known])
        months = sorted({roots[n].month for n in tree.shared if n in roots})
        files = {}
        for month in months:
            off = [n for n in tree.shared if n in roots and roots[n].month == month]
            leaves = [leaf for leaf in tree.leaves if leaf.month == month]
            self._load("told", TOLD, [told_of(leaf) for leaf in leaves])
            self._engine.execute(
                f"create or replace temp table off as select unnest({off}::bigint[]) as kind"
            )
            target = self._folder / f"allocation-{month}.parquet"
            copied = f"copy ({self._charges(import_id)}) to {literal(target)} {PARQUET}"
            (count,) = self._engine.execute(copied).fetchone()
            if count:  # nothing is shared where all that matched was 0
                files[month] = target
        return files

    def _cast_origins(self, dated: str) -> None:
        columns = ", ".join(ident(k) for k in self._keys)
        sums = [f"{as_steps(f'coalesce({DRIVERS[d]}, 0)')} as {d}" for d in self._drivers]
        sums += [f"{as_steps(f'coalesce(sum({ident(m)}), 0)')} as {m}" for m in MONEY_COLUMNS]
        sums += [f"{as_steps(f'sum({ident(q)})')} as {q}" for q in QUANTITIES]
        matching, values = matching_sql(self._rules, self._names)
        self._engine.execute(
            f"create or replace temp table summed as select x_Day, {columns}, {', '.join(sums)} from {dated} "
            f"where {matching} group by x_Day, {columns}",
            values,
        )
        # Conditions on what no rule changes are looked at once, for the kind.
        others = [name for name in self._names if name not in self._labels]
        may = [matching_sql([rule], others) for rule in self._rules]
        told = ["strftime(BillingPeriodStart, '%Y-%m') as month"]
        told += [f"cast({dimension_sql(name)} as varchar) as label{n}" for n, name in enumerate(self._labels)]
        told += [f"{sql} as may{n}" for n, (sql, _) in enumerate(may)]
        self._engine.execute(
            f"create or replace temp table placed as select *, {', '.join(told)}, row_number() over () as n "
            "from summed",
            [value for _, of_rule in may for value in of_rule],
        )
        names = ["month", *(f"label{n}" for n in range(len(self._labels)))]
        names += [f"may{n}" for n in range(len(self._rules))]
        self._engine.execute(
            f"create or replace temp table kinds as select *, row_number() over (order by {', '.join(names)}) - 1 "
            f"as kind from (select distinct {', '.join(names)} from placed)"
        )
        same = " and ".join(f"p.{name} is not distinct from k.{name}" for name in names)
        self._engine.execute(
            f"create or replace temp table origins as select p.* exclude ({', '.join(names)}), k.kind "
            f"from placed p join kinds k on {same}"
        )
        for table in ("summed", "placed"):
            self._engine.execute(f"drop table {table}")

    def _kinds(self) -> tuple[list[Kind], dict[int, Mapping[str, Decimal]]]:
        sums = ", ".join(as_money(f"sum(greatest(0, {driver}))") for driver in self._drivers)
        found = self._engine.execute(
            f"select k.*, held.* exclude (kind) from kinds k "
            f"join (select kind, {sums} from origins group by kind) held using (kind) order by kind"
        ).fetchall()
        roots: list[Kind] = []
        held: dict[int, Mapping[str, Decimal]] = {}
        labels, rules = len(self._labels), len(self._rules)
        for month, *row in found:
            told, may = row[:labels], row[labels : labels + rules]
            number, *drivers = row[labels + rules :]
            roots.append(
                Kind(
                    number=number,
                    month=month,
                    keys=dict(zip(self._labels, told, strict=True)),
                    may=frozenset(n for n, meets in enumerate(may) if meets),
                )
            )
            held[number] = dict(zip(self._drivers, drivers, strict=True))
        return roots, held

    def _add_others(self, table: str) -> None:
        """What no rule matches, by who has it: less than nothing is nothing for each that rules tell apart."""
        matching, values = matching_sql(self._rules, self._names)
        labels = ", ".join(f"cast({dimension_sql(name)} as varchar) as told{n}"
                           for n, name in enumerate(self._names))  # fmt: skip
        each = ", ".join(f"cast(coalesce({DRIVERS[d]}, 0) as {MONEY}) as {d}" for d in self._drivers)
        over = sorted({rule.to for rule in self._rules})
        places = ", ".join(f"told{self._names.index(name)}" for name in over)
        sums = ", ".join(f"sum(greatest(0, {driver}))" for driver in self._drivers)
        found = self._engine.execute(
            f"select month, {places}, {sums} from (select strftime(BillingPeriodStart, '%Y-%m') as month, {labels}, "
            f"{each} from {table} where not ({matching}) group by all) group by month, {places} order by all",
            values,
        ).fetchall()
        months = {kind.month for kind in self.roots}
        for month, *rest in found:
            if month in months:
                kind = Kind(
                    number=len(self.roots),
                    month=month,
                    keys=dict(zip(over, rest[: len(over)], strict=True)),
                    may=frozenset(),
                )
                self.roots.append(kind)
                self.held[kind.number] = dict(zip(self._drivers, rest[len(over) :], strict=True))

    def _cut(self, kinds: Sequence[Kind]) -> None:
        """Say where kinds are cut from their parents, and keep the parents' amounts, which are shares themselves."""
        parents = {k.parent for k in kinds if k.parent in self._known} - self._inner
        if parents:
            chosen = f"number in ({', '.join(str(p) for p in sorted(p for p in parents if p is not None))})"
            self._engine.execute(f"insert into inner_shares {self._shares(chosen)}")
            self._inner |= {p for p in parents if p is not None}
        self._load("newest", CUTS, [{name: getattr(kind, name) for name in CUTS} for kind in kinds])
        self._engine.execute("insert into cuts select * from newest")
        self._known |= {kind.number for kind in kinds}

    def _load(self, table: str, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            load_rows(self._engine, rows, table, self._folder, types)
            return
        columns = ", ".join(f"cast(null as {sql}) as {ident(name)}" for name, sql in types.items())
        self._engine.execute(f"create or replace temp table {table} as select {columns} where false")

    def _shares(self, chosen: str) -> str:
        """SQL of the shares of chosen kinds, those without any amount left out."""
        parts = ", ".join(f"share({ident(a)}, low, high, total) as {ident(a)}" for a in self._amounts)
        columns = f"n, kind, {', '.join(ident(a) for a in self._amounts)}"
        return (
            f"select * from (select n, number as kind, {parts} "
            f"from (select {columns} from origins union all select {columns} from inner_shares) lines "
            f"join (select * from cuts where {chosen}) on lines.kind = parent) "
            f"where {any_of(self._amounts)}"
        )

    def _charges(self, import_id: str) -> str:
        """SQL of one month's charges."""
        labels = {LABEL_COLUMNS[name] for name in self._labels}
        own = [k for k in self._keys if k not in labels and k not in WRITTEN]
        of_origin = ", ".join(f"o.{ident(k)}" for k in (*own, "x_Day"))
        off = ", ".join(
            [
                of_origin,
                *(f"o.{ident(label)}" for label in sorted(labels)),
                *(f"-o.{ident(a)} as {ident(a)}" for a in AMOUNTS),
                "'shared out to others' as ChargeDescription",
                *(f"null as {ident(name)}" for name in ALLOCATED),
                "o.x_CostBasis as x_CostBasis",
                "null as x_ChargeId",
            ]
        )
        on = ", ".join(
            [
                of_origin,
                *(f"t.{ident(label)}" for label in sorted(labels)),
                *(f"s.{ident(a)}" for a in AMOUNTS),
                "t.ChargeDescription",
                *(f"t.{ident(name)}" for name in ALLOCATED),
                "'allocated' as x_CostBasis",
                "'allocation/' || o.n || '/' || t.number as x_ChargeId",
            ]
        )
        written = [f"cast({as_money(ident(a))} as {STORE_COLUMNS[a]}) as {ident(a)}" for a in AMOUNTS]
        return (
            f"select * exclude (x_Day) replace ({', '.join(written)}), "
            "date_trunc('month', BillingPeriodStart) + interval 1 month as BillingPeriodEnd, "
            "cast(x_Day as timestamp) as ChargePeriodStart, "
            "cast(x_Day + interval 1 day as timestamp) as ChargePeriodEnd, "
            f"{literal(import_id)} as x_Import from ("
            f"select {off} from origins o semi join off using (kind) where {any_of(self._amounts)} union all "
            f"select {on} from ({self._shares('number in (select number from told)')}) s "
            "join origins o using (n) join told t on s.kind = t.number)"
        )
