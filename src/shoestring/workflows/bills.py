"""`shoestring bills`: other people's bills into the ledger, months closed, what is there."""

import glob
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from shoestring.catalog.bill_lines import Recognizer
from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput, NotFound
from shoestring.domain.units import cents
from shoestring.store.bills.accelerators import HardwareWords
from shoestring.store.bills.known import FORMATS
from shoestring.store.bills.load import import_bills
from shoestring.store.bills.mapped import read_map
from shoestring.store.bills.publish import Imported
from shoestring.store.bills.rates import read_rates
from shoestring.store.bills.reading import Progress
from shoestring.store.bills.unpack import BILL_FILES, is_bill_name
from shoestring.store.bills.values import Given
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_manifest import Part
from shoestring.store.reconcile import Reconciled, reconcile
from shoestring.workflows.shared_cost import refresh

FILES_MOST = 5_000


def bring_in(
    store: ChargeStore,
    paths: Sequence[Path],
    *,
    now: datetime,
    user: str,
    mapping: Path | None = None,
    rates: Path | None = None,
    currency: str | None = None,
    encoding: str | None = None,
    date_format: str | None = None,
    again: bool = False,
    invoice: Decimal | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Import the files of one delivery and match them with our runs.

    Raises BadInput for what can't be read; nothing is changed then.

    Args:
        mapping: YAML that describes the columns of files in no known format.
        rates: CSV ``currency,day,usd_per_unit``: dated exchange rates; amounts stay in their currency too.
        currency: of files that name none.
        date_format: strptime pattern of dates that could be read in two ways.
        invoice: what the invoice says of this delivery; reports tie out with it.
    """
    done = _bring_in(
        store,
        paths,
        now,
        user,
        mapping,
        rates,
        currency=currency,
        encoding=encoding,
        date_format=date_format,
        again=again,
        invoice=invoice,
        progress=progress,
    )
    if done.delivery is not None:
        reconcile(store)
        refresh(store)
    return done


def _bring_in(
    store: ChargeStore,
    paths: Sequence[Path],
    now: datetime,
    user: str,
    mapping: Path | None,
    rates: Path | None,
    *,
    currency: str | None,
    encoding: str | None,
    date_format: str | None,
    again: bool,
    invoice: Decimal | None,
    progress: Progress | None,
) -> Imported:
    form, given = read_map(mapping) if mapping is not None else (None, Given())
    if currency is not None:
        given = replace(given, currency=currency.upper())
    if date_format is not None:
        given = replace(given, date_formats=(date_format, *given.date_formats))
    return import_bills(
        store,
        [file for path in paths for file in files_of(path)],
        formats=FORMATS if form is None else (form,),
        now=now,
        user=user,
        given=given,
        encoding=encoding,
        rates=() if rates is None else read_rates(rates),
        again=again,
        invoice=invoice,
        hardware=_hardware_words(),
        progress=progress,
    )


@lru_cache(maxsize=1)
def _hardware_words() -> HardwareWords:
    recognizer = Recognizer(embedded())
    _, chips = recognizer.telling_parts()
    return HardwareWords(types=recognizer.spelled(), chips=recognizer.chips(), pattern=chips)


def files_of(path: Path) -> list[Path]:
    """A file itself; of a folder, every bill file in it and below, in order of name; so for ``bills/part-*.csv``.

    Raises:
        BadInput: a folder without any, or with more than an import can take.
    """
    if not path.is_dir() and not path.exists() and glob.has_magic(str(path)):
        inside = str(path.relative_to(path.anchor))
        found = sorted(p for p in Path(path.anchor or ".").glob(inside) if p.is_file())
    elif not path.is_dir():
        return [path]
    else:
        found = sorted(p for p in path.rglob("*") if p.is_file() and is_bill_name(p.name))
    if not found:
        raise BadInput(f"{path}: no bill files in it", next_step=f"files are {', '.join(BILL_FILES)}")
    if len(found) > FILES_MOST:
        raise BadInput(
            f"{path}: {len(found):,} files; at most {FILES_MOST:,}", next_step="name a month's folder"
        )
    return found


def reconcile_json(found: Reconciled) -> dict[str, Any]:
    """Drift by run, as plain data."""
    return {
        "lines_labelled": found.lines_labelled,
        "runs": [
            {
                "run": d.run_id,
                "basis": "BILLED" if d.billed else "METERED",
                "metered_usd": float(d.metered_usd),
                "billed_usd": float(d.billed_usd),
                "drift_usd": float(d.drift_usd),
                "covered": d.covered,
            }
            for d in found.runs
        ],
    }


def close_month(store: ChargeStore, period: str, source: str | None, *, now: datetime, user: str) -> None:
    """Close a month: from now on a newer file for it is posted as adjustments in the next open month.

    Raises:
        NotFound: the ledger has no charges of that month (and source).
    """
    with store.change() as change:
        there = [p for p in change.manifest.parts if p.period == period and source in (None, p.source)]
        if not there:
            months = ", ".join(sorted({p.period for p in change.manifest.parts})) or "none"
            raise NotFound(f"no charges of {period} to close; months there: {months}")
        change.close(period, source, f"{now.isoformat()} by {user} (not authenticated)")
        change.commit()


def tie_out(done: Imported, invoice: Decimal | None, closed: Sequence[str] = ()) -> str:
    """The first line that is printed: what was imported against what was billed, and what is still open.

    Args:
        invoice: what the invoice says; None compares with the sum of the files' own rows.
        closed: months of this delivery that are closed.
    """
    if done.delivery is None:
        return "nothing new: these files are in the ledger already (--again imports them once more)"
    amounts = " + ".join(f"{cents(total):,} {currency}" for currency, total in done.billed.items()) or "0"
    line = f"imported {amounts}"
    if invoice is not None and len(done.billed) > 1:
        line += f" (invoice {cents(invoice):,} not compared: {len(done.billed)} currencies)"
    elif invoice is not None:
        difference = sum(done.billed.values(), Decimal(0)) - invoice
        verdict = "=" if cents(difference) == 0 else "≠"
        line += f" {verdict} invoice {cents(invoice):,}"
        line += "" if verdict == "=" else f" (difference {cents(difference):,})"
    shares = [
        done.unallocated.get(c, Decimal(0)) / total for c, total in done.before_credits.items() if total
    ]
    if shares:
        line += f"; {max(Decimal(0), max(shares)):.0%} unallocated"
    adjusted = {period for period, _ in done.adjusted}
    months = {p.period for p in done.parts if not p.kind.startswith("adjusts")} | adjusted
    if months:
        shut = adjusted | set(closed)
        line += "; " + ", ".join(f"{m} {'CLOSED' if m in shut else 'OPEN'}" for m in sorted(months))
    return line


def sums(parts: Sequence[Part], what: str) -> dict[str, Decimal]:
    """Sums of parts by currency. ``what``: ``billed`` | ``effective``."""
    found: dict[str, Decimal] = {}
    for part in parts:
        for currency, total in getattr(part, what).items():
            found[currency] = found.get(currency, Decimal(0)) + Decimal(total)
    return found


def imported_json(done: Imported, line: str) -> dict[str, Any]:
    """What an import did, as plain data."""
    delivery = done.delivery
    return {
        "tie_out": line,
        "import": None if delivery is None else delivery.id,
        "formats": list(done.formats),
        "rows_in": 0 if delivery is None else delivery.rows_in,
        "rows_stored": 0 if delivery is None else delivery.rows_stored,
        "rows_quarantined": 0 if delivery is None else delivery.rows_quarantined,
        "quarantine": None if delivery is None else delivery.quarantine,
        "billed": {c: str(total) for c, total in done.billed.items()},
        "effective": {c: str(total) for c, total in done.effective.items()},
        "unallocated": {c: str(total) for c, total in done.unallocated.items()},
        "parts": [
            {"period": p.period, "source": p.source, "kind": p.kind, "rows": p.rows} for p in done.parts
        ],
        "replaced": [{"period": p.period, "source": p.source, "rows": p.rows} for p in done.replaced],
        "adjusted": [{"period": period, "source": source} for period, source in done.adjusted],
        "aside": [{"file": path.name, "what": what} for path, what in done.aside],
        "unchanged": [str(path) for path in done.unchanged],
    }


def listing(store: ChargeStore) -> list[dict[str, Any]]:
    """What the ledger holds, a line for each month and source."""
    manifest = store.manifest()
    return [
        {
            "period": p.period,
            "source": p.source,
            "kind": p.kind,
            "rows": p.rows,
            "billed": dict(p.billed),
            "closed": manifest.is_closed(p.period, p.source),
        }
        for p in sorted(manifest.parts, key=lambda p: (p.period, p.source, p.kind))
    ]


def parse_amount(text: str | None) -> Decimal | None:
    """An invoice amount from the command line."""
    if text is None:
        return None
    try:
        return Decimal(text.replace(",", "").removesuffix("USD").strip())
    except ArithmeticError:
        raise BadInput(f"--invoice {text!r} is no amount; write e.g. 338204.11") from None
