"""``shoestring export JOB``."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from shoestring.workflows.export import export, write


def command(
    job: Annotated[Path, typer.Argument(help="Job file with a `shoestring:` block.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write here, not to the terminal.")
    ] = None,
    with_secrets: Annotated[bool, typer.Option(help="Keep values under `secrets:`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the plain SkyPilot file of a job, without our block and without secret values."""
    exported = export(job, with_secrets=with_secrets)
    if output is not None:
        write(exported, output, job=job)
    if as_json:
        written = {"path": str(output)} if output is not None else {"text": exported.text}
        print(json.dumps({**written, "withheld": list(exported.withheld)}))
    elif output is None:
        print(exported.text, end="")
    if exported.withheld:
        flags = " ".join(f"--secret {name}" for name in exported.withheld)
        print(f"note: secret values are left out; SkyPilot takes them with {flags}", file=sys.stderr)
