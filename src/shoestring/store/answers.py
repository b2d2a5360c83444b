"""Questions to the ledger: what was spent, by what, when. Values of users are parameters, never SQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.domain.units import money
from shoestring.ledger.calendar import FiscalCalendar
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import literals
from shoestring.store.charges_manifest import ALLOCATION, Manifest, Part
from shoestring.store.charges_schema import MEASURES, MONEY, MONEY_COLUMNS
from shoestring.store.dimensions import (
    FISCAL,
    RESOURCE_DIMENSIONS,
    ROW_DIMENSIONS,
    UNALLOCATED,
    Condition,
    check_dimension,
    dimension_sql,
    fiscal_names,
)

METRICS = {
    "effective": "EffectiveCost",
    "billed": "BilledCost",
    "list": "ListCost",
    "contracted": "ContractedCost",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to add up. ``since`` is included, ``until`` is not; None means from the first, to the last.

    ``allocated`` False: as billed and metered, without what allocation rules have moved.
    """

    by: tuple[str, ...] = ("team",)
    metric: str = "effective"
    since: date | None = None
    until: date | None = None
    where: tuple[Condition, ...] = ()
    calendar: FiscalCalendar = field(default_factory=FiscalCalendar)
    limit: int | None = None
    allocated: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of an answer. A key of None: no such label. ``charges`` of 0: only our meters know of it, e.g. the
    energy of a run that is billed under another service; its dollars are in other lines.

    Amounts in USD, at the rates of their days; None where no charge of the line has a rate, or a list price.
    """

    keys: tuple[str | None, ...]
    usd: Decimal | None
    list_usd: Decimal | None
    charges: int
    accelerator_hours: float | None
    energy_kwh: float | None
    carbon_kg: float | None

    @property
    def known_usd(self) -> Decimal:
        """What the line adds to a sum: amounts without a rate are in none."""
        return money(0) if self.usd is None else self.usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Lines in falling order of cost, and what must never be hidden.

    Attributes:
        idle_usd: paid and not training. unused_usd: commitments and reservations that nobody used.
        unallocated_usd: names neither team, project nor experiment, credits aside.
        credit_usd: credits and refunds in the total (negative).
        unconverted: amounts in currencies without a rate, in no total.
    """

    by: tuple[str, ...]
    metric: str
    rows: tuple[Row, ...]
    total_usd: Decimal
    idle_usd: Decimal
    unused_usd: Decimal
    unallocated_usd: Decimal
    credit_usd: Decimal
    unconverted: dict[str, Decimal]
    metered_usd: Decimal
    more_rows: int = 0


def counted_parts(manifest: Manifest, *, allocated: bool = True) -> tuple[Part, ...]:
    """The parts that count: a run's metered lines give way to its bill, so that nothing counts twice."""
    return tuple(
        p
        for p in manifest.parts
        if not (p.kind == "metered" and p.source in manifest.billed_runs)
        and (allocated or p.kind != ALLOCATION)
    )


def measured_parts(manifest: Manifest) -> tuple[Part, ...]:
    """What our meters know of runs whose bill has come: use, energy and carbon of it count, money no longer."""
    return tuple(p for p in manifest.parts if p.kind == "metered" and p.source in manifest.billed_runs)


def ask(store: ChargeStore, question: Question) -> Answer:
    """Answer a question from the cubes, or from the rows where a dimension needs them."""
    if question.metric not in METRICS:
        raise BadInput(f"no metric {question.metric!r}", next_step=f"one of: {', '.join(METRICS)}")
    names = [*question.by, *(c.dimension for c in question.where)]
    for name in names:
        check_dimension(name)
    manifest = store.manifest()
    parts = _touched(counted_parts(manifest, allocated=question.allocated), question)
    read = _reader(store, question, names)
    filtered = any(c.dimension in ROW_DIMENSIONS for c in question.where)
    table = read(parts)
    # What is no line by line is in the daily cubes: parts of costs, kinds of charges, currencies.
    whole = _rows(store, parts) if filtered else store.days_sql(parts)
    measured = _touched(measured_parts(manifest), question)
    if measured:
        table = f"(select * from {table} union all by name {_measures(manifest, read(measured))})"
    fiscal = bool(set(names) & set(FISCAL))
    with store.reading(alone=fiscal) as engine:  # its function is of this question's calendar
        if fiscal:  # brings numpy along, which other questions need not wait for
            engine.create_function("fiscal", fiscal_names(question.calendar), ["DATE", "VARCHAR"], "VARCHAR")
        return _answer(engine, table, whole, question)


def _reader(store: ChargeStore, question: Question, names: Sequence[str]) -> Callable[[Sequence[Part]], str]:
    """SQL of parts, by the smallest sums that can tell what the question is about."""
    if not any(name in ROW_DIMENSIONS for name in names):
        return store.days_sql
    months = all(bound is None or bound.day == 1 for bound in (question.since, question.until))
    if months and RESOURCE_DIMENSIONS.issuperset(names):
        return store.resources_sql
    return lambda parts: _rows(store, parts)


def _rows(store: ChargeStore, parts: Sequence[Part]) -> str:
    return f"(select *, cast(ChargePeriodStart as date) as x_Day, 1 as x_Rows from {store.rows_sql(parts)})"


def _measures(manifest: Manifest, metered: str) -> str:
    """SQL of metered lines without their money. What the bill's own lines state of a run, its meter says no more."""
    nothing = [f"cast(0 as {MONEY}) as {column}" for column in MONEY_COLUMNS]
    measures = []
    for column in MEASURES:
        stated = [
            s for s, told in manifest.billed_runs.items() if column in told.get("stated", "").split(",")
        ]
        if stated:
            measures.append(
                f"case when list_contains({literals(stated)}, x_Source) then null else {column} end as {column}"
            )
    replaced = ", ".join([*nothing, *measures, "0 as x_Rows"])
    return f"select * replace ({replaced}) from {metered}"


def _answer(engine: Any, table: str, whole: str, question: Question) -> Answer:
    where, values = _where(question)
    amount = in_usd(METRICS[question.metric])
    keys = [f"cast({dimension_sql(name)} as varchar)" for name in question.by]
    group = f"group by {', '.join(str(n + 1) for n in range(len(keys)))}" if keys else ""
    rows = engine.execute(
        f"""select {"".join(k + ", " for k in keys)} sum({amount}) as usd,
              sum({in_usd("ListCost")}), sum(x_Rows),
              sum(x_AcceleratorSeconds) / 3600, sum(x_EnergyKwh), sum(x_CarbonKg), count(*) over ()
            from {table} {where} {group} order by usd desc nulls last, {", ".join(keys) or "1"}
            {"" if question.limit is None else f"limit {int(question.limit)}"}""",
        values,
    ).fetchall()
    width = len(keys)
    lines = [
        Row(
            keys=tuple(r[:width]),
            usd=None if r[width] is None else _money(r[width]),
            list_usd=None if r[width + 1] is None else _money(r[width + 1]),
            charges=int(r[width + 2] or 0),
            accelerator_hours=r[width + 3],
            energy_kwh=r[width + 4],
            carbon_kg=r[width + 5],
        )
        for r in rows
    ]
    visible = engine.execute(
        f"""select coalesce(sum({amount}), 0), coalesce(sum({amount}) filter (x_CostPart = 'idle'), 0),
              coalesce(sum({amount}) filter (CommitmentDiscountStatus = 'Unused'
                or CapacityReservationStatus = 'Unused'), 0),
              coalesce(sum({amount}) filter ({UNALLOCATED}), 0),
              coalesce(sum({amount}) filter (ChargeCategory = 'Credit'), 0),
              coalesce(sum({amount}) filter (x_CostBasis = 'metered'), 0)
            from {whole} {where}""",
        values,
    ).fetchone()
    foreign = engine.execute(
        f"""select BillingCurrency, sum({METRICS[question.metric]}) from {whole}
            {where} {"and" if where else "where"} x_UsdPerUnit is null group by 1 order by 1""",
        values,
    ).fetchall()
    return Answer(
        by=question.by,
        metric=question.metric,
        rows=tuple(lines),
        total_usd=_money(visible[0]),
        idle_usd=_money(visible[1]),
        unused_usd=_money(visible[2]),
        unallocated_usd=_money(visible[3]),
        credit_usd=_money(visible[4]),
        metered_usd=_money(visible[5]),
        unconverted={currency or "?": _money(total) for currency, total in foreign},
        more_rows=(rows[0][-1] if rows else 0) - len(rows),
    )


def in_usd(column: str) -> str:
    """SQL of an amount in dollars. Most are in dollars already: products of decimals are the slow part."""
    return f"case when x_UsdPerUnit = 1 then {column} else cast({column} * x_UsdPerUnit as {MONEY}) end"


def _where(question: Question) -> tuple[str, list[Any]]:
    tests: list[str] = []
    values: list[Any] = []
    for bound, operator in ((question.since, ">="), (question.until, "<")):
        if bound is not None:
            tests.append(f"x_Day {operator} ?")
            values.append(bound)
    for condition in question.where:
        sql = f"cast({dimension_sql(condition.dimension)} as varchar)"
        if not condition.value and condition.operator != "~":
            tests.append(f"{sql} is {'not ' if condition.operator == '!=' else ''}null")
            continue
        tests.append(
            {
                "=": f"{sql} = ?",
                "!=": f"{sql} is distinct from ?",
                "~": f"contains(lower({sql}), lower(?))",
            }[condition.operator]
        )
        values.append(condition.value)
    return (f"where {' and '.join(tests)}" if tests else ""), values


def _touched(parts: Sequence[Part], question: Question) -> list[Part]:
    """Parts of billing periods that may hold charges of the days asked for (late ones come a month later)."""
    low = None if question.since is None else _shifted(question.since, -1)
    high = None if question.until is None else _shifted(question.until, 3)
    return [p for p in parts if (low is None or p.period >= low) and (high is None or p.period <= high)]


def _shifted(day: date, months: int) -> str:
    count = day.year * 12 + day.month - 1 + months
    return f"{count // 12:04d}-{count % 12 + 1:02d}"


def _money(value: Any) -> Decimal:
    exact = Decimal(value or 0)
    return exact if exact.as_tuple().exponent == -12 else money(exact)
