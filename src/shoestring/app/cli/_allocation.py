"""Shared cost by rules, as `shoestring costs` previews it, puts it in force and takes it out."""

from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table
from rich.text import Text

from shoestring.app.cli._show import console, print_json
from shoestring.app.place import user_name
from shoestring.domain.text import printable
from shoestring.store.answers import Question
from shoestring.store.charges import ChargeStore
from shoestring.workflows.allocation import AllocationPreview, preview, preview_json, read_rules
from shoestring.workflows.costs import NONE
from shoestring.workflows.shared_cost import apply_rules, closed_months, undo_rules


def allocate(
    store: ChargeStore, question: Question, rules: Path, *, apply: bool, why: str, as_json: bool
) -> None:
    """Show the answer before and after the rules; with ``apply`` put them in force."""
    shown = preview(store, question, read_rules(rules))
    if apply:
        apply_rules(store, rules, user=user_name(), now=datetime.now(UTC), why=why)
    _tell(shown, closed_months(store), as_json=as_json, applied=apply)


def end_allocation(store: ChargeStore, *, why: str, as_json: bool) -> None:
    """Take whatever rules are in force out."""
    undo_rules(store, user=user_name(), now=datetime.now(UTC), why=why)
    told = "no allocation rules are in force any more"
    if as_json:
        print_json({"done": told, "closed_months": list(closed_months(store))})
    else:
        console().print(Text(told))
        _tell_closed(closed_months(store))


def _tell_closed(months: tuple[str, ...]) -> None:
    if months:
        console().print(Text(f"  closed months keep the shares they have: {', '.join(months)}", "yellow"))


def _tell(told: AllocationPreview, closed: tuple[str, ...], *, as_json: bool, applied: bool) -> None:
    if as_json:
        print_json(preview_json(told) | {"applied": applied, "closed_months": list(closed)})
        return
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(told.dimension.upper())
    table.add_column("BEFORE $", justify="right")
    table.add_column("AFTER $", justify="right")
    for line in told.lines:
        name = NONE if line.key is None else printable(line.key)
        table.add_row(name, f"{line.before_usd:,.2f}", f"{line.after_usd:,.2f}")
    out.print(table)
    done = (
        "the rules are in force"
        if applied
        else "the ledger itself is unchanged; --apply puts the rules in force"
    )
    out.print(Text(f"  {told.total_usd:,.2f} $ before and after; {done}", "dim"))
    for name in told.untouched:
        out.print(Text(f"  rule {printable(name)} found nobody to give its cost to", "yellow"))
    _tell_closed(closed)
