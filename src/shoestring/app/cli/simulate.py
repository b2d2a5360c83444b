"""``shoestring simulate JOB``."""

import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from shoestring.app.cli._market import (
    DeadlineOption,
    EnvOption,
    HistoryOption,
    JobArgument,
    MoveOption,
    OnDemandOption,
    RestartOption,
    SpotOption,
    Stage,
    StepOption,
    TaskOption,
    TracesOption,
    Wanted,
    WatchOption,
    WorkOption,
    stage,
)
from shoestring.app.cli._show import console, print_json
from shoestring.app.wiring import BASELINES, POLICIES
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.policies.base import Policy
from shoestring.workflows.simulate import Score, Simulation, simulate
from shoestring.workflows.simulation_json import to_json


def command(
    job: JobArgument,
    traces: TracesOption = None,
    history: HistoryOption = None,
    model: Annotated[bool, typer.Option("--model", help="Made-up markets, by --market or built in.")] = False,
    market: Annotated[Path | None, typer.Option("--market", help="Market file of --model.")] = None,
    policies: Annotated[str, typer.Option("--policies", help="all, or names with commas.")] = "all",
    starts: Annotated[int, typer.Option("--starts", help="Windows, each played by all.", min=1)] = 12,
    seed: Annotated[int, typer.Option("--seed", help="Decides starts and made-up markets.", min=0)] = 0,
    single: Annotated[bool, typer.Option("--single", help="Each zone alone.")] = False,
    work: WorkOption = None,
    deadline: DeadlineOption = None,
    restart: RestartOption = None,
    on_demand: OnDemandOption = None,
    spot: SpotOption = None,
    move_usd: MoveOption = 0.0,
    step: StepOption = "10m",
    watch: WatchOption = None,
    processes: Annotated[
        int | None, typer.Option("--processes", help="How many at a time; default: one a core.", min=1)
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Picture of one run, to this file.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="The same as an image.")] = None,
    env: EnvOption = None,
    task: TaskOption = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What each policy would have paid on recorded or made-up markets, beside the omniscient optimum."""
    if (traces is not None) + (history is not None) + model != 1:
        raise BadInput(
            "give a market, one: recorded, dated prices, or made up",
            next_step="--traces FOLDER, --history gcp/a3-highgpu-8g, or --model",
        )
    chosen = _policies(policies)
    set_up = stage(
        Wanted(
            job=job, traces=traces, history=history, work=work, deadline=deadline, restart=restart, on_demand=on_demand,
            spot=spot or (), move_usd=move_usd, step=step, watch=watch, env=env or (), task=task,
        ),
        market=market,
    )  # fmt: skip
    budget = set_up.workload.budget_usd
    with _progress(as_json) as progress:
        found = simulate(
            set_up.windows(starts=starts, seed=seed, single=single),
            set_up.job,
            chosen,
            processes=processes or os.cpu_count() or 1,
            budget_usd=None if budget is None else float(budget),
            progress=progress,
        )
    if html is not None or png is not None:
        from shoestring.app.cli._simulation_page import write_html, write_png

        if html is not None:
            write_html(found, html)
        if png is not None:
            write_png(found, png)
    if as_json:
        print_json(to_json(found, seed=seed) | {"notes": list(set_up.notes())})
    else:
        _show(found, set_up)


def _policies(text: str) -> list[Policy]:
    known = POLICIES | BASELINES
    names = list(known) if text == "all" else list(dict.fromkeys(n.strip() for n in text.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadInput(
            f"--policies {unknown[0]!r}: no such policy", next_step=f"all, or of {', '.join(known)}"
        )
    return [known[name]() for name in names]


@contextmanager
def _progress(silent: bool) -> Any:
    """A bar on standard error while windows are played; nothing where nobody watches."""
    if silent:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        played = bar.add_task("windows", total=None)

        def advance(done: int, of: int) -> None:
            bar.update(played, completed=done, total=of)

        report: Callable[[int, int], None] = advance
        yield report


def _show(found: Simulation, set_up: Stage) -> None:
    from rich.table import Table

    out, job = console(), found.job
    zones = len(found.shown_window.zones)
    out.print(
        f"{printable(set_up.workload.name)}: {job.work_s / 3600:.1f} h of work, {job.restart_s / 60:.0f} min a "
        f"restart, deadline {job.deadline_steps * set_up.span.step_s / 3600:.1f} h; {len(found.scenes)} windows "
        f"of {zones} zone{'s' if zones != 1 else ''}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("POLICY", no_wrap=True)
    for name in ("MEAN $", "P50", "P95", "OVER", "P95", "LATE", "MOVES", "LOST", "GOOD"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("(optimum)", _dollars(found.optimum_mean_usd), "", "", "0%")
    for score in found.scores:
        table.add_row(*_row(score))
    out.print(table)
    for line in (*_notes(found, set_up), *set_up.notes()):
        out.print(line, soft_wrap=True)


def _row(s: Score) -> list[str]:
    return [
        s.policy,
        _dollars(s.mean_usd),
        _dollars(s.p50_usd),
        _dollars(s.p95_usd),
        _share(s.regret),
        _share(s.regret_p95),
        str(s.late),
        f"{s.moves:.1f}",
        f"{s.losses:.1f}",
        f"{s.goodput:.0%}",
    ]


def _notes(found: Simulation, set_up: Stage) -> list[str]:
    """What a reader must know before trusting the table."""
    lines = ["OVER: above the omniscient optimum, of all costs and at the 95th percentile of runs."]
    for s in found.scores:
        if s.late:
            lines.append(
                f"{s.policy}: {s.late} of {s.runs} runs late, by up to {s.late_h_max:.1f} h; "
                "a late run may cost less than the optimum, which is never late"
            )
        if s.over_budget:
            lines.append(f"{s.policy}: {s.over_budget} of {s.runs} runs above the job's budget")
        if s.policy == "best_zone" and not set_up.span.past_steps and len(found.shown_window.zones) > 1:
            lines.append("best_zone chose its zone blindly: let it watch before, e.g. --watch 24h")
    return lines


def _dollars(usd: float) -> str:
    return f"{usd:.2f}" if usd < 1000 else f"{usd:.0f}"


def _share(over: float | None) -> str:
    """Above the optimum; unknown is not zero."""
    return "-" if over is None else f"{over:+.1%}" if abs(over) < 0.1 else f"{over:+.0%}"
