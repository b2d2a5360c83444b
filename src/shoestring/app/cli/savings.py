"""`shoestring savings`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger
from shoestring.app.cli._levers import Said, show_levers, tell_record, tell_undo
from shoestring.app.cli._show import console, print_json
from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.workflows.costs import day_of
from shoestring.workflows.savings import SavingsReport, savings, savings_json
from shoestring.workflows.savings_chain import Chains, chains_json, savings_chains

MOST = 10


def command(
    action: Annotated[str, typer.Argument(help="show | record | undo RUN")] = "show",
    what_run: Annotated[str | None, typer.Argument(metavar="RUN", help="With undo: whose verdict.")] = None,
    since: Annotated[str, typer.Option(help="First day or month, or all.")] = "all",
    until: Annotated[str, typer.Option(help="Day (not included) or month, or all.")] = "all",
    by_run: Annotated[bool, typer.Option("--by-run", help="From list price to paid, for each run.")] = False,
    run: Annotated[str | None, typer.Option(help="With record: the run that pulled a lever.")] = None,
    lever: Annotated[str | None, typer.Option(help="data | model")] = None,
    what: Annotated[str | None, typer.Option(help="What was done, e.g. '60 % of the examples'.")] = None,
    against: Annotated[
        str | None, typer.Option(help="The counterfactual: a run, planned work ('20 epochs'), or '120 USD'.")
    ] = None,
    quality_metric: Annotated[
        str | None, typer.Option(help="What quality is judged by, e.g. accuracy.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="How much worse it may be, in the metric's own unit.")
    ] = 0.0,
    reference_quality: Annotated[
        float | None, typer.Option(help="The metric without the lever, where no run tells it.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where --reference-quality is from.")] = "",
    dollars: Annotated[
        str | None, typer.Option("--range", help="Of stated dollars, e.g. 80..150; else from 0.")
    ] = None,
    spent: Annotated[str, typer.Option(help="What the lever itself cost; taken off.")] = "0 USD",
    why: Annotated[str, typer.Option(help="With record and undo: for the record.")] = "",
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What was saved on the bill, and against each run's baseline; what could still be; never added up."""
    if action == "record":
        said = Said(
            run=run,
            lever=lever,
            what=what,
            against=against,
            metric=quality_metric,
            tolerance=tolerance,
            reference_quality=reference_quality,
            source=source,
            dollars=dollars,
            spent=spent,
            why=why,
        )
        tell_record(ledger, said, as_json=as_json)
    elif action == "undo":
        tell_undo(ledger, what_run, why=why, as_json=as_json)
    elif action == "show":
        _tell(ledger, since, until, by_run=by_run, as_json=as_json)
    else:
        raise BadInput(f"no action {action!r}", next_step="one of: show, record, undo")


def _tell(ledger: Path | None, since: str, until: str, *, by_run: bool, as_json: bool) -> None:
    from shoestring.app.book_runs import all_receipts

    store = booked_ledger(ledger)
    first, last = day_of(since, "--since"), day_of(until, "--until")
    report = savings(
        store, all_receipts(), since=first, until=last, catalog=embedded(), today=datetime.now(UTC).date()
    )
    if as_json:
        print_json(
            savings_json(report) | {"chains": chains_json(savings_chains(store, since=first, until=last))}
        )
        return
    _show(report)
    if by_run:
        _show_chains(savings_chains(store, since=first, until=last))


def _show_chains(found: Chains) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("RUN")
    lines = (*found.runs, found.total)
    names = [n for n in found.total.steps if n == "list price" or any(line.steps[n] for line in lines)]
    for name in (*names, "paid"):
        table.add_column(name.upper(), justify="right")
    for line in lines:
        amounts = (f"{usd:,.2f}" for usd in (*(line.steps[n] for n in names), line.paid_usd))
        table.add_row("everything" if line.run_id is None else printable(line.run_id), *amounts)
    out = console()
    out.print(Text("from list price to paid, step by step, in $", "bold"))
    out.print(table)
    out.print(Text(f"  {found.levers_told}", "dim"))


def _show(report: SavingsReport) -> None:
    out = console()
    r, a = report.realized, report.avoided
    out.print(Text("realized: on the bill", "bold"))
    steps = [
        ("list price", r.list_usd),
        ("negotiated", -r.negotiated_usd),
        ("commitments", -r.commitment_usd),
        ("spot", -r.spot_usd),
        ("other discounts", -r.other_usd),
        ("unused commitments", r.unused_commitment_usd),
        ("paid", r.paid_usd),
    ]
    for name, usd in steps:
        out.print(Text(f"  {name:<20}{usd:>16,.2f} $", "bold" if name == "paid" else ""))
    out.print(Text("avoided: finished runs against their baselines", "bold"))
    out.print(Text(f"  {a.usd:,.2f} $, between {a.low_usd:,.2f} and {a.high_usd:,.2f} $, over {a.runs} runs"))
    out.print(
        Text(
            f"  after {a.lost_work_usd:,.2f} $ of lost work and {a.checkpoint_usd:,.2f} $ of checkpoints; "
            f"{a.without_baseline} finished runs have no known baseline",
            "dim",
        )
    )
    show_levers(report.levers, out)
    out.print(Text("expected: could still be cut, in as many days again", "bold"))
    for e in report.expected[:MOST]:
        told = f"  {e.low_usd:,.2f} to {e.high_usd:,.2f} $  {printable(e.subject)}: {printable(e.reason)}"
        out.print(Text(told))
    if len(report.expected) > MOST:
        out.print(Text(f"  and {len(report.expected) - MOST} more (--json)", "dim"))
    if not report.expected:
        out.print(Text("  nothing idle, unused or left lying was found", "dim"))
    out.print(Text("  the three overlap and are never added up", "dim"))
