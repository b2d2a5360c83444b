"""The command line: one file per verb, loaded only when its verb is called, so that help is instant."""

import importlib
import sys
from dataclasses import dataclass

from shoestring.domain.errors import ShoestringError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """A command: its module under this package (with a ``command`` function), and its line in the help."""

    module: str
    help: str
    group: str


MAX_PROBLEMS = 20  # of a bad job file; `shoestring validate` shows all

VERBS: dict[str, Verb] = {
    "validate": Verb(module="validate", help="Check a job file; list every problem at once.", group="Jobs"),
    "plan": Verb(module="plan", help="What a finished job costs on every offer, and why.", group="Jobs"),
    "run": Verb(module="run", help="Run a job, follow the market, meet the deadline.", group="Jobs"),
    "status": Verb(module="status", help="Show runs, what they do and what they cost so far.", group="Jobs"),
    "logs": Verb(module="logs", help="Show a run's output over all its attempts.", group="Jobs"),
    "cancel": Verb(module="cancel", help="End a run for good, after a last checkpoint.", group="Jobs"),
    "resume": Verb(module="resume", help="Go on with a suspended or orphaned run.", group="Jobs"),
    "receipt": Verb(module="receipt", help="What a run cost, why, and what it saved.", group="Money"),
    "bills": Verb(module="bills", help="Bring bills into the ledger; close months.", group="Money"),
    "costs": Verb(module="costs", help="What was spent, by team or anything else.", group="Money"),
    "budget": Verb(module="budget", help="Limits by label: spent, forecast, breach.", group="Money"),
    "metrics": Verb(module="metrics", help="Runs and budgets for Prometheus.", group="Money"),
    "bridge": Verb(module="bridge", help="Costs to MLflow or W&B; their metrics back.", group="Money"),
    "notify": Verb(module="notify", help="Tell people about budgets and odd days, once.", group="Money"),
    "savings": Verb(
        module="savings", help="What was saved, on the bill and against baselines.", group="Money"
    ),
    "lookback": Verb(module="lookback", help="What a bill would have cost otherwise.", group="Money"),
    "report": Verb(module="report", help="One page for engineer, lead and finance.", group="Money"),
    "focus": Verb(module="focus", help="Export FOCUS files, and check any for conformance.", group="Money"),
    "probe": Verb(module="probe", help="Measure a job's speed and size in a short run.", group="Jobs"),
    "rehearse": Verb(module="rehearse", help="Prove that a job survives preemptions.", group="Jobs"),
    "simulate": Verb(module="simulate", help="Policies beside the optimum on many markets.", group="Jobs"),
    "shadow": Verb(module="shadow", help="What a policy would do beside a job.", group="Jobs"),
    "explain": Verb(module="explain", help="Every decision with its reason and runner-up.", group="Jobs"),
    "export": Verb(module="export", help="Write the plain SkyPilot file of a job.", group="Jobs"),
    "catalog": Verb(module="catalog", help="Prices and hardware, with ages and sources.", group="Money"),
    "check": Verb(module="check", help="What is usable here, and how to fix what is not.", group="Setup"),
}


def main() -> None:
    """Entry point of ``shoestring``: dispatch to a verb and turn explained errors into exit codes."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text())
        sys.exit(0)
    if arguments[0] in ("-V", "--version"):
        from shoestring import __version__

        print(f"shoestring {__version__}")
        sys.exit(0)
    verb = VERBS.get(arguments[0])
    if verb is None:
        sys.exit(unknown_verb(arguments[0]))
    import typer

    command = importlib.import_module(f"shoestring.app.cli.{verb.module}").command
    application = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    application.command(context_settings={"help_option_names": ["-h", "--help"]})(command)
    words, _, command_words = _split_at_dashes(arguments[1:])
    try:
        application(args=words, prog_name=f"shoestring {arguments[0]}", obj=command_words)
    except ShoestringError as error:
        print(f"error: {error}", file=sys.stderr)
        for problem in getattr(error, "problems", ())[1:MAX_PROBLEMS]:
            line = "" if problem.line is None else f"line {problem.line}: "
            print(f"{problem.severity}: {line}{problem.where}: {problem.message}", file=sys.stderr)
        if error.next_step:
            print(f"next:  {error.next_step}", file=sys.stderr)
        sys.exit(error.exit_code)


def _split_at_dashes(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    """Options before ``--`` and the user's command after it; verbs find the command in their context."""
    if "--" not in arguments:
        return arguments, "", []
    place = arguments.index("--")
    return arguments[:place], "--", arguments[place + 1 :]


def help_text() -> str:
    """The overview, written by hand from the table: no framework is imported for it."""
    lines = [
        "Usage: shoestring VERB [OPTIONS]",
        "",
        "Train the same model for a fraction of the bill, and prove it.",
    ]
    for group in dict.fromkeys(verb.group for verb in VERBS.values()):
        lines += ["", f"{group}:"]
        lines += [f"  {name:<10} {verb.help}" for name, verb in VERBS.items() if verb.group == group]
    lines += ["", "shoestring VERB --help shows a verb's options; every verb takes --json."]
    lines += ["Start here: shoestring check"]
    return "\n".join(lines)


def unknown_verb(name: str) -> int:
    """Say so, with the nearest verb; the exit code for bad input."""
    import difflib

    near = difflib.get_close_matches(name, VERBS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    print(f"error: no verb {name!r}.{hint}\nnext:  shoestring --help", file=sys.stderr)
    return 2
