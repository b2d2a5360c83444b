"""`shoestring check`."""

from typing import Annotated

import typer
from rich.text import Text

from shoestring.app.cli._show import console, print_json
from shoestring.app.config import load_settings
from shoestring.app.orphans import end_orphans, find_orphans
from shoestring.app.place import home
from shoestring.domain.errors import DONE, FAILED
from shoestring.domain.text import printable
from shoestring.workflows.check import Finding, check


def command(
    orphans: Annotated[
        bool, typer.Option("--orphans", help="List instances that no run accounts for.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="With --orphans: end them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show what is usable here: executors, clouds with credentials, libraries; each failure with its fix."""
    load_settings()  # a bad settings file is the first thing to know
    if orphans:
        found = end_orphans() if end else find_orphans()
        if as_json:
            print_json({"orphans": found, "ended": end})
        else:
            for orphan in found:
                console().print(f"{orphan.token} of {orphan.run_id}{' ended' if end else ''}")
            console().print(f"{len(found)} orphan{'s' if len(found) != 1 else ''}")
        raise typer.Exit(DONE)
    findings = check(home())
    if as_json:
        print_json({"findings": findings})
    else:
        _print(findings)
    raise typer.Exit(FAILED if any(f.needed and not f.ok for f in findings) else DONE)


def _print(findings: list[Finding]) -> None:
    out = console()
    for group in dict.fromkeys(f.group for f in findings):
        out.print(Text(group, "bold"))
        for finding in (f for f in findings if f.group == group):
            mark = Text("✓ ", "green") if finding.ok else Text("✗ ", "red" if finding.needed else "dim")
            out.print(Text("  "), mark, Text(f"{finding.name:<12} {printable(finding.detail)}"), sep="")
            if finding.fix:
                out.print(Text(f"                 → {printable(finding.fix)}", "dim"))
