"""`shoestring rehearse`."""

import os
import shutil
import tempfile
from dataclasses import replace
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
from shoestring.domain.errors import DONE, FAILED
from shoestring.domain.text import printable
from shoestring.jobfile import parse_env
from shoestring.jobfile.code import code_sha256
from shoestring.workflows.rehearsal import Rehearsal, Script
from shoestring.workflows.rehearse import rehearse


def command(
    context: typer.Context,
    job: Annotated[
        Path | None, typer.Argument(help="Job file (SkyPilot task YAML).", metavar="[JOB | -- COMMAND]")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="End training after so many steps; default: the script's own end.", min=2),
    ] = None,
    preemptions: Annotated[int, typer.Option(help="How often to take its instance back.", min=1, max=50)] = 2,
    tolerance: Annotated[
        float | None,
        typer.Option(help="Relative difference of the final losses that counts as resumed.", min=0),
    ] = None,
    task: Annotated[int, typer.Option(help="Which task of a file with several, from 0.")] = 0,
    executor: Annotated[str, typer.Option(help="Where: rehearsal | local.")] = "rehearsal",
    machine: Annotated[
        Path | None, typer.Option(help="YAML of the owned machine to rehearse on (local).")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from this shell.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the rehearsal's folder and say where.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Prove that a job survives preemptions: run it in peace and preempted, and compare the weights.

    Exit code 0 when it resumes, 1 when it does not. The proof opens spot for this code.
    """
    settings = load_settings({"executor": executor, "machine": machine})
    asked = Asked(job=job, argv=tuple(context.obj or ()), task=task, env=parse_env(env or [], os.environ))
    file = read_job(asked)
    chosen = file.tasks[task]
    folder = Path(tempfile.mkdtemp(prefix="shoestring-rehearsal-"))
    out = Console(stderr=True, markup=False, highlight=False) if as_json else console()
    try:
        stage = stage_for(settings, folder / "engine")
        offer = stage.offers()[0]
        interval = chosen.workload.checkpoint.interval_s
        checkpoint = replace(chosen.workload.checkpoint, interval_s=min(interval or 2.0, 2.0))
        workload = with_code(chosen, folder / "code")
        script = Script(
            workload=replace(workload, checkpoint=checkpoint),
            offer=offer,
            env=chosen.environment.complete(),
            code_sha256=code_sha256(workload),
            steps=steps,
            preemptions=preemptions,
            tolerance=tolerance,
        )
        result = rehearse(
            stage, script, where=lambda life: str(folder / life), say=lambda text: out.print(f"  {text}")
        )
        records().put_profile(result.profile)
    finally:
        if keep:
            out.print(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        print_json(result)
    else:
        _show(result, out)
    raise typer.Exit(DONE if result.profile.resume_proven else FAILED)


def _show(result: Rehearsal, out: Console) -> None:
    good = result.profile.resume_proven
    out.print(Text("RESUMES" if good else "DOES NOT RESUME", "green bold" if good else "red bold"), end=": ")
    out.print(printable(result.why))
    for p in result.preemptions:
        warned = "warned" if p.warned else "no warning"
        saved = (
            "" if p.notice_to_saved_s is None else f", saved {p.notice_to_saved_s:.2f} s after the warning"
        )
        lost = "unknown" if p.lost_steps is None else str(p.lost_steps)
        out.print(
            f"  preemption {p.number} at step {p.at_step} ({warned}{saved}): "
            f"went on at step {p.resumed_step}, {lost} steps lost"
        )
    profile = result.profile
    facts = {
        "steps/s": profile.steps_per_s,
        "save s": profile.save_s,
        "restore s": profile.restore_s,
        "start s": profile.boot_s,
        "checkpoint MB": None if profile.checkpoint_bytes is None else profile.checkpoint_bytes / 1e6,
    }
    out.print("  measured: " + ", ".join(f"{k} {v:.3g}" for k, v in facts.items() if v is not None))
    if result.reference_sha256:
        out.print(
            f"  weights {result.reference_sha256[:16]}… alone, {str(result.final_sha256)[:16]}… preempted"
        )
    if good:
        out.print("  this proof is good for this code and world size: spot is now open to it")
