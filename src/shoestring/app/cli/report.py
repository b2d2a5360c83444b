"""`shoestring report`."""

import contextlib
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger
from shoestring.app.cli._show import console, print_json, usd
from shoestring.app.whole_file import write_whole
from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.workflows.costs import day_of
from shoestring.workflows.report import Period, report


def command(
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page here.")] = None,
    since: Annotated[str | None, typer.Option(help="Day, month or `all`; default: this month.")] = None,
    until: Annotated[str | None, typer.Option(help="Day (not included) or month.")] = None,
    grid: Annotated[
        float | None,
        typer.Option("--grid-kg-per-kwh", min=0, help="CO2 of your grid, where no bill states carbon."),
    ] = None,
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """One page for engineer, team lead and finance: costs, budgets, savings, runs; needs no network."""
    period = _period(since, until, datetime.now(UTC).date())
    waiting = Console(stderr=True).status("adding up") if sys.stderr.isatty() else contextlib.nullcontext()
    with waiting:
        document = _document(period, ledger, grid)
        if html is not None:
            from shoestring.app.report.page import render

            write_whole(html, render(document), "--html")
    if as_json:
        print_json(document)
        return
    _tell(document, html)


def _period(since: str | None, until: str | None, today: date) -> Period:
    first = today.replace(day=1) if since is None else day_of(since, "--since")
    last = None if until is None else day_of(until, "--until")
    if first is not None and last is not None and last <= first:
        raise BadInput(f"--until {last} is not after --since {first}", next_step="give a later --until")
    return Period(since=first, until=last, today=today)


def _document(period: Period, ledger: Path | None, grid: float | None) -> dict[str, Any]:
    from shoestring.app.book_runs import all_receipts

    store = booked_ledger(ledger)
    now = datetime.now(UTC)
    return report(store, all_receipts(), period, now=now, grid_kg_per_kwh=grid, catalog=embedded())


def _tell(document: dict[str, Any], html: Path | None) -> None:
    out = console()
    out.print(Text(printable(document["tie_out"]["line"]), "bold"))
    month, saved = document["month"], document["savings"]
    limit = "no budget" if month["limit_usd"] is None else f"budget {usd(month['limit_usd'])}"
    out.print(Text(f"  {usd(document['totals']['usd'])} in these days, {len(document['runs'])} runs"))
    ahead = "" if month["end_usd"] is None else f", {usd(month['end_usd'])} expected at its end"
    out.print(Text(f"  {month['month']}: {usd(month['spent_usd'])} until {month['until']}{ahead}; {limit}"))
    out.print(Text(f"  realized {usd(saved['realized']['total_usd'])} on the bill"))
    out.print(Text(f"  avoided {usd(saved['avoided']['usd'])} against baselines; the two are never added up"))
    if html is None:
        out.print(Text("  --html FILE writes the whole report, --json prints its data", "dim"))
    else:
        out.print(Text(f"  written: {printable(str(html))}"))
