"""`shoestring budget`."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger, open_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.app.commitments import commitments
from shoestring.app.place import user_name
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.ledger.budgets import BudgetStatus, tree
from shoestring.workflows.budgets import approve_run, remove_budget, set_budget, standing, standing_json
from shoestring.workflows.costs import day_of


def command(
    action: Annotated[
        str, typer.Argument(help="show | set SCOPE LIMIT | remove SCOPE | approve RUN")
    ] = "show",
    what: Annotated[str | None, typer.Argument(help="E.g. team=vision/project=eyes, organization.")] = None,
    limit: Annotated[str | None, typer.Argument(help="E.g. 5000, 250 USD.")] = None,
    period: Annotated[str, typer.Option(help="month | once")] = "month",
    on_breach: Annotated[str, typer.Option(help="warn | hold | suspend")] = "warn",
    since: Annotated[str | None, typer.Option(help="First day that counts.")] = None,
    why: Annotated[str, typer.Option(help="For the record.")] = "",
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Limits by label: spent, promised, forecast, day of breach; set, remove, or let a run pass."""
    now, user = datetime.now(UTC), user_name()
    if action == "show":
        promised = commitments() if ledger is None else ()
        statuses = standing(booked_ledger(ledger), today=now.date(), commitments=promised)
        if as_json:
            print_json(standing_json(statuses))
        else:
            _show(statuses)
        return
    if what is None:
        raise BadInput(f"{action} what?", next_step="shoestring budget set team=vision 500")
    store = open_ledger(ledger)
    if action == "set":
        if limit is None:
            raise BadInput("a budget needs a limit", next_step=f"shoestring budget set {what} 500")
        first = None if since is None else day_of(since, "--since")
        budget = set_budget(
            store, what, limit, period=period, on_breach=on_breach, since=first, why=why, user=user, now=now
        )
        often = "a month" if budget.period == "month" else "once"
        told = f"{budget.name}: {budget.limit_usd:,.2f} $ {often}, then {budget.on_breach}"
    elif action == "remove":
        told = f"{remove_budget(store, what, why=why, user=user, now=now).name}: no limit any more"
    elif action == "approve":
        approve_run(store, what, why=why, user=user, now=now)
        told = f"{what} may pass its budgets"
    else:
        raise BadInput(f"no action {action!r}", next_step="one of: show, set, remove, approve")
    if as_json:
        print_json({"done": told, "by": user, "authenticated": False})
    else:
        console().print(Text(f"{printable(told)}  (recorded: {user}, not authenticated)"))


def _dollars(usd: Decimal | None) -> str:
    """Whole dollars from a thousand on: a table has to fit its terminal."""
    if usd is None:
        return "?"
    return f"{usd:,.0f}" if abs(usd) >= 1000 else f"{usd:,.2f}"


def _show(statuses: tuple[BudgetStatus, ...]) -> None:
    out = console()
    if not statuses:
        out.print(Text("no budgets; shoestring budget set team=vision 500", "dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("BUDGET")
    for name in ("LIMIT", "SPENT", "PROMISED", "LEFT", "FORECAST", "BREACH"):
        table.add_column(name, justify="right")
    table.add_column("THEN")
    by_name = {s.budget.name: s for s in statuses}
    for depth, budget in tree([s.budget for s in statuses]):
        s = by_name[budget.name]
        style = "red" if s.breached else "yellow" if s.breach_on is not None else ""
        table.add_row(
            Text("  " * depth + printable(budget.name), style),
            *(_dollars(usd) for usd in (budget.limit_usd, s.spent_usd, s.committed_usd, s.remaining_usd)),
            _dollars(s.forecast_usd),
            "" if s.breach_on is None else s.breach_on.isoformat(),
            budget.on_breach,
        )
    out.print(table)
    outside = sum(float(s.outside_usd) for s in statuses if not s.budget.scope)
    if outside:
        out.print(Text(f"  {outside:,.2f} $ of it was spent outside shoestring's reach", "dim"))
