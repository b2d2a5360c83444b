"""`shoestring bills`."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger, open_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.app.place import user_name
from shoestring.domain.errors import FAILED, BadInput
from shoestring.domain.text import printable
from shoestring.domain.units import cents
from shoestring.store.bills.publish import Imported
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_check import damages
from shoestring.store.fee_book import FeeTerm
from shoestring.store.reconcile import reconcile
from shoestring.workflows.bills import (
    bring_in,
    close_month,
    imported_json,
    listing,
    parse_amount,
    reconcile_json,
    tie_out,
)
from shoestring.workflows.fees import SpreadFee, moment, spread_fee, spread_json, stop_spreading


def command(
    action: Annotated[
        str,
        typer.Argument(
            help="import FILE... | map FILE | reconcile | amortize ID | rates | close MONTH | list | check"
        ),
    ],
    what: Annotated[
        list[str] | None, typer.Argument(help="Files or folders of one delivery, or a month.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help="YAML that describes the columns.")] = None,
    rates: Annotated[Path | None, typer.Option(help="CSV: currency,day,usd_per_unit.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of files that name none.")] = None,
    invoice: Annotated[str | None, typer.Option(help="What the invoice says, to tie out with.")] = None,
    encoding: Annotated[str | None, typer.Option(help="E.g. latin-1; default: found out.")] = None,
    date_format: Annotated[str | None, typer.Option(help="E.g. %d/%m/%Y; default: found out.")] = None,
    source: Annotated[str | None, typer.Option(help="close: only this source.")] = None,
    since: Annotated[str | None, typer.Option(help="amortize: when the term begins.")] = None,
    until: Annotated[str | None, typer.Option(help="amortize: when it ends.")] = None,
    machines: Annotated[int, typer.Option(help="amortize: how many the fee holds ready.")] = 1,
    resource: Annotated[
        list[str] | None, typer.Option(help="amortize: a machine of our runs under the fee.")
    ] = None,
    undo: Annotated[bool, typer.Option(help="amortize: no more.")] = False,
    why: Annotated[str, typer.Option(help="amortize: for the record.")] = "",
    again: Annotated[bool, typer.Option(help="Import files that were imported before.")] = False,
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Bring bills into the ledger (FOCUS, AWS, Google, Azure, OpenCost, any CSV); close months."""
    store = open_ledger(ledger)
    now, user = datetime.now(UTC), user_name()
    if action == "list":
        _list(store, as_json)
    elif action == "check":
        _check(store, as_json)
    elif action == "reconcile":
        _reconcile(booked_ledger(ledger), as_json)
    elif action == "amortize":
        fee = _Fee(
            since=since, until=until, machines=machines, resources=tuple(resource or ()), undo=undo, why=why
        )
        _amortize(booked_ledger(ledger), what or [], fee, now, as_json)
    elif action == "close":
        if not what or len(what) != 1:
            raise BadInput("close which month?", next_step="shoestring bills close 2026-01")
        close_month(store, what[0], source, now=now, user=user)
        console().print(Text(f"{what[0]} is closed; newer files for it become adjustments"))
    elif action == "import":
        told = {"mapping": mapping, "rates": rates, "currency": currency, "encoding": encoding,
                "date_format": date_format, "again": again}  # fmt: skip
        _import(store, what or [], parse_amount(invoice), told, now, as_json)
    elif action == "map":
        if not what or len(what) != 1:
            raise BadInput("map which file?", next_step="shoestring bills map invoice.csv > neocloud.yaml")
        from shoestring.workflows.bill_map import draft_of

        draft = draft_of(Path(what[0]))
        print_json({"map": draft}) if as_json else sys.stdout.write(draft)
    elif action == "rates":
        from shoestring.app.cli._rates import show_rates
        from shoestring.catalog.load import embedded
        from shoestring.workflows.bill_rates import learn_rates

        show_rates(learn_rates(store, embedded(), today=now.date()), as_json)
    else:
        raise BadInput(
            f"no action {action!r}",
            next_step="one of: import, map, reconcile, amortize, rates, close, list, check",
        )


def _import(
    store: ChargeStore,
    what: list[str],
    invoice: Decimal | None,
    told: dict[str, Any],
    now: datetime,
    as_json: bool,
) -> None:
    if not what:
        raise BadInput("import which files?", next_step="shoestring bills import FILE...")
    with Progress(transient=True, disable=as_json or not sys.stderr.isatty()) as bar:
        task = bar.add_task("importing", total=100.0)
        done = bring_in(
            store,
            [Path(w) for w in what],
            now=now,
            user=user_name(),
            invoice=invoice,
            progress=lambda doing, percent: bar.update(task, description=doing, completed=percent),
            **told,
        )
    line = tie_out(done, invoice, _closed(store, done))
    _tell(store, done, line, as_json, rated=told["rates"] is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fee:
    """What was asked of an up-front fee."""

    since: str | None
    until: str | None
    machines: int
    resources: tuple[str, ...]
    undo: bool
    why: str


def _amortize(store: ChargeStore, what: list[str], fee: _Fee, now: datetime, as_json: bool) -> None:
    if len(what) != 1:
        raise BadInput(
            "amortize which fee?", next_step="bills amortize cr-0a1 --since 2026-11-02 --until 2026-11-09"
        )
    user = user_name()
    if fee.undo:
        stop_spreading(store, what[0], user=user, now=now, why=fee.why)
        told = {"id": what[0], "done": "the fee is back on the day it was bought"}
        print_json(told) if as_json else console().print(Text(f"{printable(what[0])}: {told['done']}"))
        return
    if fee.since is None or fee.until is None:
        raise BadInput("a fee is spread over a term", next_step="give --since and --until")
    term = FeeTerm(
        at=now,
        user=user,
        id=what[0],
        start=moment(fee.since, "--since"),
        end=moment(fee.until, "--until"),
        machines=fee.machines,
        resources=fee.resources,
        why=fee.why,
    )
    _tell_spread(spread_fee(store, term), as_json)


def _tell_spread(fee: SpreadFee, as_json: bool) -> None:
    if as_json:
        print_json(spread_json(fee))
        return
    told = f"{printable(fee.id)}: {fee.fee_usd:,.2f} $ spread over its term, {fee.unused_usd:,.2f} $ of it unused"
    console().print(Text(f"{told}; --undo takes it back"))


def _closed(store: ChargeStore, done: Imported) -> list[str]:
    manifest = store.manifest()
    return [p.period for p in done.parts if manifest.is_closed(p.period, p.source)]


def _tell(store: ChargeStore, done: Imported, line: str, as_json: bool, *, rated: bool) -> None:
    if as_json:
        print_json(imported_json(done, line))
        return
    out = console()
    out.print(Text(line, "bold"))
    if done.delivery is not None:
        d = done.delivery
        read = f"{d.rows_in:,} rows in = {d.rows_stored:,} stored + {d.rows_quarantined:,} quarantined"
        out.print(Text(f"  {', '.join(done.formats)}: {read}"))
        if done.effective != done.billed:
            spent = " + ".join(f"{cents(total):,} {currency}" for currency, total in done.effective.items())
            out.print(Text(f"  effective (amortized): {spent}"))
        if d.quarantine is not None:
            out.print(Text(f"  reasons: {store.folder / d.quarantine}", "yellow"))
        if done.misencoded:
            hint = f"  {done.misencoded:,} lines are no UTF-8; if the file has another encoding: --encoding cp1252"
            out.print(Text(f"{hint} --again", "yellow"))
        foreign = sorted(set(done.billed) - {"USD", "?"})
        if foreign and not rated:
            hint = f"  amounts in {', '.join(foreign)} without a rate are in no sum in dollars"
            out.print(Text(f"{hint}: --rates FILE --again", "yellow"))
        if "?" in done.billed:
            out.print(
                Text("  amounts without a currency are in no sum; say it: --currency USD --again", "yellow")
            )
    for path, what_it_is in done.aside:
        out.print(Text(f"  left aside: {printable(path.name)} ({what_it_is}: no charges in it)"))
    for part in done.replaced:
        out.print(Text(f"  replaces {part.rows:,} rows of {part.period} from {printable(part.source)}"))
    for period, source in done.adjusted:
        out.print(Text(f"  {period} of {printable(source)} is closed: its changes are posted as adjustments"))


def _reconcile(store: ChargeStore, as_json: bool) -> None:
    found = reconcile(store)
    if as_json:
        print_json(reconcile_json(found))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("RUN")
    table.add_column("COUNTS")
    for name in ("METERED $", "BILLED $", "DRIFT $", "COVERED"):
        table.add_column(name, justify="right")
    for d in found.runs:
        amounts = (f"{usd:,.2f}" for usd in (d.metered_usd, d.billed_usd, d.drift_usd))
        table.add_row(printable(d.run_id), "bill" if d.billed else "meter", *amounts, f"{d.covered:.0%}")
    console().print(table)


def _check(store: ChargeStore, as_json: bool) -> None:
    """Whether every file is what was written; exit code 1 if one is not."""
    manifest = store.manifest()
    found = list(damages(store.folder, manifest))
    if as_json:
        rows = [{"file": str(d.path), "what": d.what, "next_step": d.next_step} for d in found]
        print_json({"files": len(manifest.files()), "damaged": rows})
    else:
        for damage in found:
            console().print(Text(f"{damage.path}: {damage.what}", "red"))
            console().print(Text(f"  {damage.next_step}"))
        if not found:
            console().print(Text(f"{len(manifest.files()):,} files are what was written"))
    if found:
        raise typer.Exit(FAILED)


def _list(store: ChargeStore, as_json: bool) -> None:
    rows = listing(store)
    if as_json:
        print_json({"parts": rows})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("MONTH", "SOURCE", "KIND", "ROWS", "BILLED", ""):
        table.add_column(name, justify="right" if name in ("ROWS", "BILLED") else "left")
    for row in rows:
        billed = " ".join(f"{float(total):,.2f} {currency}" for currency, total in row["billed"].items())
        state = "closed" if row["closed"] else "open"
        table.add_row(row["period"], printable(row["source"]), row["kind"], f"{row['rows']:,}", billed, state)
    console().print(table)
