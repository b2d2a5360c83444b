"""`shoestring resume`."""

from typing import Annotated

import typer

from shoestring.app.cli._follow import follow
from shoestring.app.cli._show import console, print_json
from shoestring.app.control import ask, ensure_supervisor
from shoestring.app.environment import env_again
from shoestring.app.site import find_site
from shoestring.domain.units import parse_usd


def command(
    run: Annotated[
        str | None, typer.Argument(help="Run id or its beginning; default: the newest run.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="A new budget for the whole run, e.g. '40 USD'.")] = None,
    deadline: Annotated[str | None, typer.Option(help="A new deadline: from now (36h) or a moment.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", help="NAME=VALUE or NAME, again as for run.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once it goes on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Go on with a suspended run, or take over one whose supervisor died. Nothing is launched twice."""
    site = find_site(run)
    variables = env_again(site, env or [])
    ask(site, "resume", budget_usd=None if budget is None else parse_usd(budget), deadline_text=deadline)
    started = ensure_supervisor(site, variables)
    if as_json and detach:
        print_json({"run_id": site.run_id, "supervisor_started": started})
        return
    if not as_json:
        console().print(f"{site.run_id}: {'a supervisor has taken over' if started else 'goes on'}")
    if not detach:
        raise typer.Exit(follow(site, as_json=as_json))
