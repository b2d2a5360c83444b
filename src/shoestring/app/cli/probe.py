"""`shoestring probe`."""

import os
import shutil
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from shoestring.app.checkout import with_code
from shoestring.app.cli._show import console, print_json
from shoestring.app.config import load_settings
from shoestring.app.launch import Asked, read_job
from shoestring.app.wiring import records, stage_for
from shoestring.domain.errors import DONE, INCONCLUSIVE, BadInput
from shoestring.domain.run import Profile
from shoestring.domain.units import describe_duration, parse_duration_s
from shoestring.jobfile import parse_env
from shoestring.jobfile.code import code_sha256
from shoestring.planner.feasible import feasible
from shoestring.workflows.probe import Subject, forecast_s, probe, steps_of, with_proof


def command(
    context: typer.Context,
    job: Annotated[
        Path | None, typer.Argument(help="Job file (SkyPilot task YAML).", metavar="[JOB | -- COMMAND]")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="End after so many steps; default: a hundredth of the work.", min=3)
    ] = None,
    most: Annotated[str, typer.Option("--for", help="End after so long from the first step.")] = "60s",
    executor: Annotated[str | None, typer.Option(help="Where: local | rehearsal.")] = None,
    machine: Annotated[Path | None, typer.Option(help="YAML of the owned machine.")] = None,
    task: Annotated[int, typer.Option(help="Which task of a file with several, from 0.")] = 0,
    env: Annotated[
        list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from this shell.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Run a job for a moment and remember its speed, its memory and the size of its checkpoints.

    Plans and runs of the same code use what was measured. Exit code 3 when the job tells no steps.
    """
    settings = load_settings({"executor": executor, "machine": machine})
    seconds = _seconds(most)
    asked = Asked(job=job, argv=tuple(context.obj or ()), task=task, env=parse_env(env or [], os.environ))
    file = read_job(asked)
    if not 0 <= task < len(file.tasks):
        raise BadInput(f"--task {task}: {file.name} has {len(file.tasks)} tasks, from 0")
    chosen = file.tasks[task]
    out = Console(stderr=True, markup=False, highlight=False) if as_json else console()
    folder = Path(tempfile.mkdtemp(prefix="shoestring-probe-"))
    try:
        engine = stage_for(settings, folder / "engine")
        offer = engine.offers()[0]
        refusals = feasible(chosen.workload, offer, resume_proven=True)
        if refusals:
            raise BadInput(
                f"{offer.id} can't run {chosen.workload.name}: {refusals[0].text}", next_step=refusals[0].fix
            )
        workload = with_code(chosen, folder / "code")
        digest = code_sha256(workload)
        measured = probe(
            engine,
            Subject(
                workload=workload,
                offer=offer,
                env=chosen.environment.complete(),
                code_sha256=digest,
                checkpoints=str(folder / "checkpoints"),
                steps=steps,
                seconds=seconds,
            ),
            say=lambda text: out.print(f"  {text}"),
        )
        measured = replace(measured, measured_at=datetime.now(UTC))  # profiles are compared across engines
        profile = with_proof(measured, records().profiles(digest))
        records().put_profile(profile)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    total = steps_of(chosen.workload, profile)
    whole = None
    if total is not None and profile.steps_per_s is not None:
        whole = forecast_s(profile, total, interval_s=chosen.workload.checkpoint.interval_s)
    if as_json:
        print_json({"profile": profile, "total_steps": total, "forecast_s": whole})
    else:
        _show(out, profile, total, whole)
    raise typer.Exit(INCONCLUSIVE if profile.steps_per_s is None else DONE)


def _seconds(text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise BadInput(f"--for: {error}") from None


def _show(out: Console, profile: Profile, total: int | None, whole: float | None) -> None:
    rows = {
        "speed": None if profile.steps_per_s is None else f"{profile.steps_per_s:.4g} steps/s",
        "measured over": None if "steps" not in profile.detail else
            f"{profile.detail['steps']} steps in {float(profile.detail['seconds']):.1f} s",
        "its halves differ by": None if "spread" not in profile.detail else f"{float(profile.detail['spread']):.1%}",
        "of a core": None if "cpu_s_per_step" not in profile.detail or profile.steps_per_s is None else
            f"{float(profile.detail['cpu_s_per_step']) * profile.steps_per_s:.0%} for the script's process",
        "start": None if profile.boot_s is None else f"{profile.boot_s:.1f} s to the first step",
        "memory": None if profile.memory_peak_bytes is None else f"{profile.memory_peak_bytes / 2**30:.2f} GiB at most",
        "checkpoint": None if profile.checkpoint_bytes is None else f"{profile.checkpoint_bytes / 1e6:.1f} MB",
        "save": None if profile.save_s is None else f"{profile.save_s:.2f} s",
        "resume": profile.resume.replace("_", " "),
    }  # fmt: skip
    for name, value in rows.items():
        out.print(Text(f"  {name:<22}{value if value is not None else 'unknown'}"))
    if whole is not None:
        out.print(
            Text(f"  the whole job of {total} steps: {describe_duration(whole)} here, uninterrupted", "bold")
        )
    if profile.steps_per_s is None:
        out.print(
            "  it told no steps: call shoestring.training.attach() in the script and .step() in its loop"
        )
