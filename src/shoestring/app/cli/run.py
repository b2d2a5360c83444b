"""`shoestring run`."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from shoestring.app.cli._follow import follow
from shoestring.app.cli._show import console, print_json, usd
from shoestring.app.config import load_settings
from shoestring.app.launch import Asked, new_site, plan_run, read_job, start
from shoestring.app.wiring import quotes_without_a_site
from shoestring.domain.errors import DONE, BadInput
from shoestring.domain.text import printable
from shoestring.jobfile import JobFile, parse_env
from shoestring.workflows.submit import Submission


def command(
    context: typer.Context,
    job: Annotated[
        Path | None, typer.Argument(help="Job file (SkyPilot task YAML).", metavar="[JOB | -- COMMAND]")
    ] = None,
    executor: Annotated[str | None, typer.Option(help="local | rehearsal")] = None,
    deadline: Annotated[str | None, typer.Option(help="From now (36h), or a moment with time zone.")] = None,
    budget: Annotated[str | None, typer.Option(help="The run may not cost more, e.g. '25 USD'.")] = None,
    goal: Annotated[str | None, typer.Option(help="cheapest | fastest | balanced")] = None,
    backend: Annotated[str | None, typer.Option(help="cuda | rocm | tpu | neuron | gaudi | cpu")] = None,
    infra: Annotated[str | None, typer.Option(help="Where, e.g. aws/us-east-1.")] = None,
    gpus: Annotated[str | None, typer.Option(help="Accelerators, e.g. H100:8.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from this shell.")
    ] = None,
    market: Annotated[Path | None, typer.Option(help="YAML of the rehearsal market.")] = None,
    machine: Annotated[Path | None, typer.Option(help="YAML of the owned machine.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="uniform_progress | uniform_progress_eager | deadline")
    ] = None,
    task: Annotated[int, typer.Option(help="Which task of a file with several, from 0.")] = 0,
    allow_unproven_resume: Annotated[
        bool,
        typer.Option(
            "--allow-unproven-resume", help="Use spot although nothing proves that the job resumes."
        ),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return; the supervisor goes on by itself.")
    ] = False,
    dryrun: Annotated[bool, typer.Option("--dryrun", help="Show what would be launched, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document at the end.")] = False,
) -> None:
    """Run a job, follow the market, survive preemptions, meet the deadline, and hand over a receipt."""
    settings = load_settings({"executor": executor, "market": market, "machine": machine, "policy": policy})
    limits = {
        "deadline": deadline,
        "budget": budget,
        "goal": goal,
        "backend": backend,
        "infra": infra,
        "gpus": gpus,
    }
    asked = Asked(
        job=job,
        argv=tuple(context.obj or ()),
        task=task,
        env=parse_env(env or [], os.environ),
        overrides={name: value for name, value in limits.items() if value is not None},
        allow_unproven_resume=allow_unproven_resume,
    )
    file = read_job(asked)
    _check_tasks(file, asked)
    if dryrun or not (yes or as_json or detach):
        site = new_site(asked, settings, file.tasks[task].workload.name)
        submission = plan_run(asked, file.tasks[task].workload, site, quotes_without_a_site(settings))
        if dryrun and as_json:
            print_json(_summary(submission))
            return
        _show(submission, file)
        if dryrun or not (yes or _go_ahead()):
            return
    site, submission = start(asked, settings, file)
    if detach:
        _detached(site.run_id, submission, as_json=as_json)
        return
    if not as_json:
        console().print(f"{site.run_id} on {settings.executor}")
    raise typer.Exit(follow(site, as_json=as_json))


def _check_tasks(file: JobFile, asked: Asked) -> None:
    count = len(file.tasks)
    if not 0 <= asked.task < count:
        raise BadInput(f"--task {asked.task}: {file.name} has {count} tasks, 0 to {count - 1}")
    if count > 1:
        console().print(f"{file.name} has {count} tasks; this runs task {asked.task} (see --task)")


def _show(submission: Submission, file: JobFile) -> None:
    out = console()
    for problem in file.warnings:
        out.print(f"warning: line {problem.line}: {printable(problem.where)}: {printable(problem.message)}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("OFFER", "MARKET", "$/h", "NOW", ""):
        table.add_column(name)
    for offer in sorted(submission.usable, key=lambda o: (o.price.usd_per_hour or 0, o.id)):
        price = None if offer.price.usd_per_hour is None else float(offer.price.usd_per_hour)
        up = {True: "up", False: "not now", None: "unknown"}[offer.available]
        table.add_row(printable(offer.id), offer.market.value, usd(price), up)
    out.print(table)
    for text in sorted({f"left out: {r.text}" for refusals in submission.refused.values() for r in refusals}):
        out.print(printable(text))
    for warning in submission.warnings:
        out.print(f"warning: {printable(warning)}")


def _go_ahead() -> bool:
    if not sys.stdin.isatty():
        return True
    return typer.confirm("Run it?", default=True)


def _detached(run_id: str, submission: Submission, *, as_json: bool) -> None:
    if as_json:
        print_json({"run_id": run_id, "warnings": list(submission.warnings)})
        return
    out = console()
    out.print(f"{run_id} runs on by itself")
    out.print(f"  shoestring status {run_id}\n  shoestring logs -f {run_id}\n  shoestring cancel {run_id}")


def _summary(submission: Submission) -> dict[str, Any]:
    return {
        "run_id": submission.fact.run_id,
        "usable": list(submission.usable),
        "refused": {offer: list(refusals) for offer, refusals in submission.refused.items() if refusals},
        "baselines": list(submission.fact.baselines),
        "warnings": list(submission.warnings),
        "exit_code": DONE,
    }
