"""`shoestring status`."""

from typing import Annotated, Any

import typer

from shoestring.app.cli._show import console, print_json, status_table
from shoestring.app.lookup import status_rows
from shoestring.domain.units import describe_duration


def command(
    run: Annotated[
        str | None, typer.Argument(help="Run id or the beginning of one; default: all runs.")
    ] = None,
    last: Annotated[int, typer.Option("--last", help="How many runs, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show runs, what they do and what they cost so far; adopts runs whose supervisor died."""
    rows: list[dict[str, Any]] = status_rows(run, last)
    if as_json:
        print_json({"runs": rows})
        return
    out = console()
    out.print(status_table(rows))
    for row in rows:
        if row["state"] == "suspended":
            out.print(f"{row['run_id']}: saved and stopped; go on with: shoestring resume {row['run_id']}")
            if row.get("storage_usd_per_day") is not None:
                out.print(
                    f"  keeping its checkpoints goes on costing {row['storage_usd_per_day']:.4f} $ a day"
                )
        if row.get("lateness"):
            late = row["lateness"]
            over = describe_duration(late["late_s"])
            out.print(f"{row['run_id']}: late by {over}, owed to: {late['cause']} ({late['text']})")
        for scope in row.get("over_budget") or ():
            out.print(f"{row['run_id']}: the budget of {scope} is used up; shoestring budget show")
        if row.get("away"):
            out.print(
                f"{row['run_id']}: the engine does not answer ({row['away']}); nothing is taken for failed"
            )
        if row.get("adopted"):
            out.print(f"{row['run_id']}: its supervisor had died; a new one has taken over")
        elif row.get("unsupervised"):
            out.print(
                f"{row['run_id']}: nobody supervises it; take over with: shoestring resume {row['run_id']}"
            )
