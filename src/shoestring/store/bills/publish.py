"""From staged rows to the ledger: split by month and source, quarantine what is no charge, change it at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.adjust import adjustment_sql
from shoestring.store.bills.format import Format
from shoestring.store.bills.source import Source
from shoestring.store.bills.staging import PROBLEM
from shoestring.store.charges import Change, ChargeStore, Staged, Sums
from shoestring.store.charges_engine import PARQUET, ident, literal, literals
from shoestring.store.charges_manifest import Delivery, Part
from shoestring.store.dimensions import CREDIT, UNALLOCATED

MANY_PLACES = 8  # months and sources of one delivery; with fewer, sorting costs more than it saves


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did.

    Attributes:
        unchanged: files that were imported before and are still what holds; nothing was done for them.
        parts: the new charges. replaced: those that were there before, in the same places.
        adjusted: (period, source) of closed months whose change was posted as adjustments.
        unallocated: effective cost by currency that names neither team, project nor experiment, credits aside.
        before_credits: effective cost by currency, credits aside.
        aside: files of the delivery that hold no charges, and what they are.
        misencoded: quarantined lines that are not in the file's encoding.
        billed, effective: sums of the rows that were stored, by currency (``?``: the file names none).
    """

    delivery: Delivery | None
    unchanged: tuple[Path, ...] = ()
    parts: tuple[Part, ...] = ()
    replaced: tuple[Part, ...] = ()
    adjusted: tuple[tuple[str, str], ...] = ()
    unallocated: dict[str, Decimal] = field(default_factory=dict)
    before_credits: dict[str, Decimal] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    aside: tuple[tuple[Path, str], ...] = ()
    misencoded: int = 0
    billed: dict[str, Decimal] = field(default_factory=dict)
    effective: dict[str, Decimal] = field(default_factory=dict)


def publish(
    store: ChargeStore,
    engine: Any,
    stage: Path,
    sources: list[tuple[Source, Format]],
    staged: list[Path],
    import_id: str,
    now: datetime,
    user: str,
    unchanged: tuple[Path, ...],
    invoice: Decimal | None = None,
) -> Imported:
    everything = f"read_parquet({literals([str(p) for p in staged])}, union_by_name=true)"
    held = _held(engine, everything)
    good = [h for h in held if h.good]
    rows, bad = sum(h.rows for h in held), sum(h.rows for h in held if not h.good)
    torn = torn_lines(engine, [source for source, _ in sources])
    if rows + torn == 0:
        raise BadInput(
            f"{sources[0][0].path}: a header and no rows", next_step="import it again when it has some"
        )
    misencoded = torn_lines(engine, [s for s, _ in sources], "INVALID ENCODING")
    pieces = _split(engine, everything, _places(good), staged, stage, bad)
    quarantine = _quarantine(engine, sources, staged, stage, bad, torn)
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
            invoice=None if invoice is None else str(invoice),
        )
        change.commit(delivery)
        unallocated, before_credits = _unallocated(engine, store, placed)
    filled = {(p.period, p.source, p.kind) for p in placed}
    return Imported(
        delivery=delivery,
        unchanged=unchanged,
        parts=tuple(placed),
        replaced=tuple(p for p in before if (p.period, p.source, p.kind) in filled),
        adjusted=tuple(adjusted),
        unallocated=unallocated,
        before_credits=before_credits,
        formats=tuple(sorted({form.title for _, form in sources})),
        misencoded=misencoded,
        billed=_by_currency((h.currency, h.billed) for h in good),
        effective=_by_currency((h.currency, h.effective) for h in good),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What was read of one month (its first day), source and currency, good rows or bad ones."""

    month: datetime | None
    source: str
    good: bool
    currency: str
    rows: int
    billed: Decimal
    effective: Decimal


def _held(engine: Any, everything: str) -> list[_Held]:
    counts = engine.execute(
        f"""select date_trunc('month', BillingPeriodStart) as month, x_Source as source, {PROBLEM} is null as good,
              coalesce(BillingCurrency, '?') as currency, count(*) as rows,
              coalesce(sum(BilledCost), 0) as billed, coalesce(sum(EffectiveCost), 0) as effective
            from {everything} group by 1, 2, 3, 4 order by 1, 2, 3, 4"""
    )
    names = [name for name, *_ in counts.description]
    return [_Held(**dict(zip(names, row, strict=True))) for row in counts.fetchall()]


def _places(good: Iterable[_Held]) -> dict[tuple[str, str], Sums]:
    """Month and source of good rows -> what they hold."""
    places: dict[tuple[str, str], list[_Held]] = {}
    for held in good:
        places.setdefault((f"{held.month:%Y-%m}", held.source), []).append(held)
    return {
        place: Sums(
            rows=sum(h.rows for h in here),
            billed={h.currency: str(h.billed) for h in here},
            effective={h.currency: str(h.effective) for h in here},
        )
        for place, here in places.items()
    }


def _by_currency(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for currency, amount in amounts:
        found[currency] = found.get(currency, Decimal(0)) + amount
    return found


def _split(
    engine: Any,
    everything: str,
    places: dict[tuple[str, str], Sums],
    staged: list[Path],
    stage: Path,
    bad: int,
) -> list[Staged]:
    """The good rows as one file for each period and source; a file that is one already is taken as it is."""
    pieces = []
    if len(places) > MANY_PLACES:  # sorted, a piece is read without the others
        in_order = stage / "in-order.parquet"
        engine.execute(
            f"copy (select * from {everything} where {PROBLEM} is null order by x_Source, BillingPeriodStart) "
            f"to {literal(in_order)} {PARQUET}"
        )
        everything = f"read_parquet({literal(in_order)})"
    for number, ((period, source), sums) in enumerate(places.items()):
        start = f"timestamp {literal(f'{period}-01')}"
        target = stage / f"piece-{number}.parquet"
        if len(places) == 1 and len(staged) == 1 and not bad:
            staged[0].replace(target)
        else:
            engine.execute(
                f"copy (select * from {everything} where {PROBLEM} is null "
                f"and BillingPeriodStart >= {start} and BillingPeriodStart < {start} + interval 1 month "
                f"and x_Source = {literal(source)}) to {literal(target)} {PARQUET}"
            )
        pieces.append(Staged(period=period, source=source, kind="bill", path=target, sums=sums))
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


def torn_lines(engine: Any, sources: Sequence[Source], error: str | None = None) -> int:
    """Lines that were no rows (too few or too many cells, broken quotes or encoding), or only for one reason."""
    where = "" if error is None else f"where error_type = {literal(error)}"
    counts = [
        engine.execute(f"select count(distinct line) from {ident(s.rejects)} {where}").fetchone()[0]
        for s in sources
        if s.rejects is not None
    ]
    return int(sum(counts))


def _quarantine(
    engine: Any, sources: list[tuple[Source, Format]], staged: list[Path], stage: Path, bad: int, torn: int
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
        tables += [_bad_rows(source, path) for (source, _), path in zip(sources, staged, strict=True)]
    target = stage / "quarantine.csv"
    engine.execute(f"copy ({' union all by name '.join(tables)}) to {literal(target)} (format csv, header)")
    return target


def _bad_rows(source: Source, path: Path) -> str:
    return (
        f"select {literal(source.path.name)} as file, null as line, {PROBLEM} as reason, "
        f"cast(to_json(q) as varchar) as row from (select * from {literal(path)} where {PROBLEM} is not null) q"
    )


def _unallocated(
    engine: Any, store: ChargeStore, parts: Sequence[Part]
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Effective cost by currency, credits aside: what has no owner, and all of it."""
    if not parts:
        return {}, {}
    rows = engine.execute(
        f"select BillingCurrency, coalesce(sum(EffectiveCost) filter ({UNALLOCATED}), 0), sum(EffectiveCost) "
        f"from {store.days_sql(parts)} where not ({CREDIT}) group by 1"
    ).fetchall()
    return {currency: usd for currency, usd, _ in rows}, {currency: usd for currency, _, usd in rows}
