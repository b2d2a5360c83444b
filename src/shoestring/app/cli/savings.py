"""`shoestring savings`."""

from typing import Annotated

import typer
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.domain.text import printable
from shoestring.workflows.costs import day_of
from shoestring.workflows.savings import SavingsReport, savings, savings_json

MOST = 10


def command(
    since: Annotated[str, typer.Option(help="First day or month, or all.")] = "all",
    until: Annotated[str, typer.Option(help="Day (not included) or month, or all.")] = "all",
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What was saved on the bill, and against each run's baseline; what could still be; never added up."""
    from shoestring.app.book_runs import all_receipts

    report = savings(
        booked_ledger(ledger),
        all_receipts(),
        since=day_of(since, "--since"),
        until=day_of(until, "--until"),
    )
    if as_json:
        print_json(savings_json(report))
    else:
        _show(report)


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
    out.print(Text("expected: could still be cut, in as many days again", "bold"))
    for e in report.expected[:MOST]:
        told = f"  {e.low_usd:,.2f} to {e.high_usd:,.2f} $  {printable(e.subject)}: {printable(e.reason)}"
        out.print(Text(told))
    if len(report.expected) > MOST:
        out.print(Text(f"  and {len(report.expected) - MOST} more (--json)", "dim"))
    if not report.expected:
        out.print(Text("  nothing idle, unused or left lying was found", "dim"))
    out.print(Text("  the three overlap and are never added up", "dim"))
