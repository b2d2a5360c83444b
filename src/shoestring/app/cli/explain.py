"""`shoestring explain`."""

from typing import Annotated

import typer
from rich.text import Text

from shoestring.app.cli._show import console, print_json, usd
from shoestring.app.site import find_site
from shoestring.app.wiring import open_doors
from shoestring.domain.text import printable
from shoestring.domain.units import describe_duration
from shoestring.policies.lateness import lateness
from shoestring.workflows.explain import story
from shoestring.workflows.receipt import lateness_json

STYLE = {"decision": "bold", "state": "cyan", "asked": "magenta", "orphan": "red", "result": "yellow"}


def command(
    run: Annotated[
        str | None, typer.Argument(help="Run id or its beginning; default: the newest run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Tell the journal of a run: every decision with its reason, its numbers and the runner-up."""
    site = find_site(run)
    doors = open_doors(site)
    lines = list(story(doors.journal.read(), site.run_id))
    late = lateness((entry.fact for entry in doors.journal.read()), site.run_id, doors.clock.now())
    if as_json:
        print_json({"run": site.run_id, "lines": lines, "lateness": lateness_json(late)})
        return
    out = console()
    for line in lines:
        out.print(
            Text(f"{line.at:%m-%d %H:%M:%S}  "), Text(printable(line.what), STYLE.get(line.kind, "")), sep=""
        )
        if line.numbers or line.runner_up or line.saving_usd is not None:
            details = [f"{name} {value:g}" for name, value in (line.numbers or {}).items()]
            details += [f"runner-up {line.runner_up}"] if line.runner_up else []
            details += [f"expected saving {usd(line.saving_usd)}"] if line.saving_usd is not None else []
            out.print(Text(f"                {printable(', '.join(details))}", "dim"))
    if late is not None:
        text = f"late by {describe_duration(late.late_s)}, owed to: {late.cause} ({late.text})"
        out.print(Text(text, "red"))
