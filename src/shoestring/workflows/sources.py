"""Where the ledger's figures come from, and how old each source is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from shoestring.ledger.receipt import Receipt
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_manifest import Delivery, Manifest, Part

OUR_METERS = "shoestring's meters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of charges, with its newest delivery.

    Attributes:
        brought_at: when its newest delivery came in. newest_day: of its charges; None where it has none.
        rows: of all its months. runs: how many runs it holds; 0 for a bill.
    """

    name: str
    format: str
    files: tuple[str, ...]
    brought_at: datetime
    newest_day: date | None
    months: tuple[str, ...]
    rows: int
    runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAge:
    """Where metered prices came from. ``age_max``: of the oldest when it was used; ``runs``: how many used it."""

    name: str
    kind: str
    as_of: datetime
    age_max: timedelta
    runs: int


def sources_of(store: ChargeStore) -> tuple[Source, ...]:
    """Every source in the ledger, bills first; all runs together are one source."""
    manifest = store.manifest()
    days = _newest_days(store) if manifest.parts else {}
    bills = sorted({p.source for p in manifest.parts if p.of_a_bill})
    found = [_bill(manifest, name, days.get(name)) for name in bills]
    metered = [p for p in manifest.parts if p.kind == "metered"]
    if metered:
        newest = [days[p.source] for p in metered if p.source in days]
        found.append(_source(manifest, OUR_METERS, metered, max(newest, default=None)))
    return tuple(found)


def _bill(manifest: Manifest, name: str, newest: date | None) -> Source:
    parts = [p for p in manifest.parts if p.source == name and p.of_a_bill]
    return _source(manifest, name, parts, newest)


def _source(manifest: Manifest, name: str, parts: Sequence[Part], newest: date | None) -> Source:
    ids = {p.import_id for p in parts}
    came: list[Delivery] = [d for d in manifest.deliveries if d.id in ids]
    last = max(came, key=lambda d: d.at)
    ours = name == OUR_METERS
    return Source(
        name=name,
        format="runs" if ours else last.format,
        files=() if ours else last.files,
        brought_at=datetime.fromisoformat(last.at),
        newest_day=newest,
        months=tuple(sorted({p.period for p in parts})),
        rows=sum(p.rows for p in parts),
        runs=len({p.source for p in parts}) if ours else 0,
    )


def _newest_days(store: ChargeStore) -> dict[str, date]:
    days: dict[str, date] = {}
    for row in ask(store, Question(by=("source", "day"))).rows:
        if row.keys[0] is not None and row.keys[1] is not None:
            day = date.fromisoformat(row.keys[1])
            days[row.keys[0]] = max(day, days.get(row.keys[0], day))
    return days


def price_ages(receipts: Sequence[Receipt]) -> tuple[PriceAge, ...]:
    """Sources of the prices that these runs were rated with."""
    ages: dict[tuple[str, str], PriceAge] = {}
    for paid in receipts:
        for used in paid.price_sources:
            key = (used.source, used.kind)
            before = ages.get(key)
            ages[key] = PriceAge(
                name=used.source,
                kind=used.kind,
                as_of=used.as_of_last if before is None else max(before.as_of, used.as_of_last),
                age_max=used.age_max if before is None else max(before.age_max, used.age_max),
                runs=1 if before is None else before.runs + 1,
            )
    return tuple(ages[key] for key in sorted(ages))


def sources_json(
    sources: Sequence[Source], prices: Sequence[PriceAge], *, now: datetime
) -> Mapping[str, list[dict[str, Any]]]:
    """Sources and prices as plain data, with their ages in days."""
    return {
        "bills": [
            {
                "source": s.name,
                "format": s.format,
                "files": list(s.files),
                "brought_at": s.brought_at.isoformat(),
                "age_days": max(0.0, (now - s.brought_at).total_seconds() / 86400),
                "newest_day": None if s.newest_day is None else s.newest_day.isoformat(),
                "months": list(s.months),
                "rows": s.rows,
                "runs": s.runs,
            }
            for s in sources
        ],
        "prices": [
            {
                "source": p.name,
                "kind": p.kind,
                "as_of": p.as_of.isoformat(),
                "age_days_max": p.age_max.total_seconds() / 86400,
                "runs": p.runs,
            }
            for p in prices
        ],
    }
