"""`shoestring focus`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.domain.errors import DONE, FAILED, BadInput
from shoestring.domain.text import printable
from shoestring.store.focus.check import Conformance, check_file
from shoestring.store.focus.export import export_focus
from shoestring.workflows.costs import day_of


def command(
    action: Annotated[str, typer.Argument(help="export FILE | check FILE")],
    path: Annotated[Path, typer.Argument(help="CSV (check: .gz too) or Parquet.")],
    version: Annotated[str, typer.Option(help="FOCUS version.")] = "1.4",
    since: Annotated[str, typer.Option(help="export: first day or month.")] = "all",
    until: Annotated[str, typer.Option(help="export: day (not included) or month.")] = "all",
    allow_unrated: Annotated[bool, typer.Option(help="export: exit 0 even if use is unrated.")] = False,
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Write the ledger as a FOCUS file, or check any FOCUS file for conformance."""
    if action == "check":
        verdict = check_file(path, version)
        _tell(path, verdict, as_json)
        raise typer.Exit(DONE if verdict.conforms else FAILED)
    if action != "export":
        raise BadInput(f"no action {action!r}", next_step="one of: export, check")
    bounds = {"since": day_of(since, "--since"), "until": day_of(until, "--until")}
    done = export_focus(booked_ledger(ledger), path, version=version, **bounds)
    if as_json:
        print_json(
            {
                "file": str(path),
                "version": version,
                "rows": done.rows,
                "columns": list(done.columns),
                "unrated": done.unrated,
            }
        )
    else:
        console().print(Text(f"{done.rows:,} charges as FOCUS {version} in {path}"))
        if done.unrated:
            console().print(
                Text(
                    f"  {done.unrated} uses without a price are not in it (shoestring receipt RUN)", "yellow"
                )
            )
    if done.unrated and not allow_unrated:
        raise typer.Exit(FAILED)


def _tell(path: Path, verdict: Conformance, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": str(path),
                "version": verdict.version,
                "conforms": verdict.conforms,
                "rows": verdict.rows,
                "torn_lines": verdict.torn,
                "rules": verdict.rules,
                "violations": [
                    {
                        "rule": v.rule,
                        "column": v.column,
                        "level": v.level,
                        "text": v.text,
                        "count": v.count,
                        "rows": list(v.rows),
                        "values": list(v.values),
                    }
                    for v in verdict.violations
                ],
            }
        )
        return
    out = console()
    word = "conforms" if verdict.conforms else "does not conform"
    out.print(
        Text(f"{path} {word} to FOCUS {verdict.version}", "bold green" if verdict.conforms else "bold red"),
        Text(f"  ({verdict.rows:,} rows, {verdict.rules} rules, {verdict.torn} torn lines)", "dim"),
        sep="",
    )
    for v in verdict.violations:
        where = ", ".join(
            f"row {row}: {printable(str(value))[:40]}" for row, value in zip(v.rows, v.values, strict=True)
        )
        style = "red" if v.level == "MUST" else "yellow"
        out.print(Text(f"  {v.level:<6} {v.rule}  x{v.count}  ", style), Text(printable(v.text)), sep="")
        if where:
            out.print(Text(f"         {where}", "dim"))
