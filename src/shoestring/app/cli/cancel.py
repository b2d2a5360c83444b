"""`shoestring cancel`."""

from typing import Annotated

import typer

from shoestring.app.cli._show import console, print_json
from shoestring.app.control import ask, wait_for_states
from shoestring.app.site import find_site


def command(
    run: Annotated[str, typer.Argument(help="Run id or the beginning of one.")],
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return at once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """End a run for good. It saves a last checkpoint and its instance is given back."""
    site = find_site(run)
    ask(site, "cancel")
    row = {"run_id": site.run_id, "state": "cancelling"}
    if not no_wait:
        row = wait_for_states(site, {"cancelled", "succeeded", "failed"}, timeout_s=180.0)
    if as_json:
        print_json(row)
    else:
        console().print(f"{site.run_id}: {row['state']}")
