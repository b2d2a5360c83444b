"""``shoestring shadow JOB``."""

import json
from datetime import datetime, timedelta
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
from shoestring.domain.units import parse_duration_s, parse_usd
from shoestring.sim.known import KnownWindow, Turn
from shoestring.workflows.shadow import Elsewhere, Shadow, billed, shadow, uninterrupted
from shoestring.workflows.simulation_json import run_json, turn_json


def command(
    job: JobArgument,
    traces: TracesOption = None,
    history: HistoryOption = None,
    live: Annotated[bool, typer.Option("--live", help="Watch prices as they come, not recordings.")] = False,
    market: Annotated[
        Path | None, typer.Option("--market", help="Of --live: a rehearsal market's file, not the catalog.")
    ] = None,
    lasting: Annotated[
        str, typer.Option("--for", help="Of --live: watch so long, in the market's time.")
    ] = "1h",
    all_clouds: Annotated[
        bool, typer.Option("--all-clouds", help="Of --live: clouds without an account here, too.")
    ] = False,
    policy: Annotated[str, typer.Option("--policy", help="Who watches.")] = "deadline",
    start: Annotated[
        str | None,
        typer.Option("--start", help="When the job was submitted: a moment, or 36h into the traces."),
    ] = None,
    paid: Annotated[
        str | None,
        typer.Option("--paid", help="What the job elsewhere cost, e.g. 147.60; default: on-demand."),
    ] = None,
    took: Annotated[str | None, typer.Option("--took", help="How long it took there, with --paid.")] = None,
    log: Annotated[
        Path | None, typer.Option("--log", help="Append each decision here, a JSON line each.")
    ] = None,
    work: WorkOption = None,
    deadline: DeadlineOption = None,
    restart: RestartOption = None,
    on_demand: OnDemandOption = None,
    spot: SpotOption = None,
    move_usd: MoveOption = 0.0,
    step: StepOption = "10m",
    watch: WatchOption = None,
    env: EnvOption = None,
    task: TaskOption = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What a policy would do, or would have done, beside a job that runs elsewhere, and what that would cost."""
    known = POLICIES | BASELINES
    if policy not in known:
        raise BadInput(f"--policy {policy!r}: no such policy", next_step=f"one of {', '.join(known)}")
    if [traces is not None, history is not None, live].count(True) != 1:
        raise BadInput(
            "give one market to watch: recorded, dated prices, or live ones, not both",
            next_step="--traces FOLDER, --history gcp/a3-highgpu-8g, or --live",
        )
    if live:
        from shoestring.app.cli._shadow_live import Asked, watch_live

        asked = Asked(
            job=job, market=market, lasting=lasting, every=step, work=work, deadline=deadline, paid=paid,
            took=took, log=log, env=env or (), task=task, all_clouds=all_clouds, as_json=as_json,
        )  # fmt: skip
        watch_live(asked, known[policy]())
        return
    if market is not None:
        raise BadInput("--market is for --live", next_step="shadow --live --market FILE")
    set_up = stage(
        Wanted(
            job=job, traces=traces, history=history, work=work, deadline=deadline, restart=restart, on_demand=on_demand,
            spot=spot or (), move_usd=move_usd, step=step, watch=watch, env=env or (), task=task,
        )
    )  # fmt: skip
    window = set_up.window_at(_start(start))
    found = shadow(window, set_up.job, known[policy](), _elsewhere(set_up, window, paid, took))
    if log is not None:
        _append(log, found, window)
    if as_json:
        print_json(_to_json(found, window) | {"notes": list(set_up.notes())})
    else:
        _show(found)
        for note in set_up.notes():
            console().print(printable(note), soft_wrap=True)


def _elsewhere(set_up: Stage, window: KnownWindow, paid: str | None, took: str | None) -> Elsewhere:
    """What the job cost where it ran: as billed, or uninterrupted on on-demand."""
    if paid is not None:
        return billed(_paid(paid), set_up.job, _hours(took))
    if took is not None:
        raise BadInput("--took says nothing without a bill", next_step="give --paid too")
    return uninterrupted(window, set_up.job)


def _start(text: str | None) -> datetime | float:
    """A moment, or seconds into the recordings."""
    if text is None:
        return 0.0
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        return parse_duration_s(text)
    except ValueError:
        raise BadInput(
            f"--start {text}: neither a moment nor a duration", next_step="2026-11-02T08:00:00Z, or 36h"
        ) from None


def _paid(text: str) -> float:
    try:
        return float(parse_usd(text))
    except ValueError as error:
        raise BadInput(f"--paid: {error}", next_step="--paid 147.60") from None


def _hours(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration_s(text) / 3600
    except ValueError as error:
        raise BadInput(f"--took: {error}", next_step="--took 48h") from None


def _moment(window: KnownWindow, at_h: float = 0.0) -> str | None:
    """The moment so many hours after submission; None where the recordings say no dates."""
    since_start = timedelta(seconds=window.past * window.step_s, hours=at_h)
    return (window.start + since_start).isoformat() if window.dated else None


def _line(turn: Turn, window: KnownWindow, elsewhere: Elsewhere) -> dict[str, Any]:
    return {
        "at": _moment(window, turn.at_h),
        **turn_json(turn),
        "elsewhere_usd": elsewhere.spent_usd(turn.at_h),
    }


def _append(path: Path, found: Shadow, window: KnownWindow) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            for turn in found.played.turns:
                file.write(json.dumps(_line(turn, window, found.elsewhere), allow_nan=False) + "\n")
    except OSError as error:
        raise BadInput(f"--log {path}: {error.strerror or error}", next_step="give another file") from None


def _to_json(found: Shadow, window: KnownWindow) -> dict[str, Any]:
    return {
        **run_json(found.played),
        "window": window.label,
        "submitted_at": _moment(window),
        "elsewhere": {
            "usd": found.elsewhere.usd,
            "hours": found.elsewhere.hours,
            "method": found.elsewhere.method,
        },
        "saved_usd": found.saved_usd,
        "optimum_usd": found.optimum_usd,
        "turns": [_line(turn, window, found.elsewhere) for turn in found.played.turns],
    }


def _show(found: Shadow) -> None:
    from rich.table import Table

    out, played, elsewhere = console(), found.played, found.elsewhere
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("AT H", "SPENT $", "ELSEWHERE $"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("WHAT IT WOULD HAVE DONE", overflow="fold")
    for turn in played.turns:
        spent = elsewhere.spent_usd(turn.at_h)
        table.add_row(f"{turn.at_h:.1f}", f"{turn.usd:.2f}", f"{spent:.2f}", printable(_told(turn)))
    out.print(table)
    late = f", {played.late_h:.1f} h late" if played.late_h else ", in time"
    out.print(
        f"{played.policy}: {played.cost_usd:.2f} $, done after {played.finish_h:.1f} h{late}; elsewhere "
        f"{elsewhere.usd:.2f} $ after {elsewhere.hours:.1f} h ({elsewhere.method})",
        soft_wrap=True,
    )
    verb = "would have saved" if found.saved_usd >= 0 else "would have cost more by"
    share = f" ({abs(found.saved_usd) / elsewhere.usd:.0%})" if elsewhere.usd > 0 else ""
    out.print(
        f"It {verb} {abs(found.saved_usd):.2f} ${share}; nobody in time could have paid under "
        f"{found.optimum_usd:.2f} $.",
        soft_wrap=True,
    )


def _told(turn: Turn) -> str:
    where = "" if turn.place is None else f" {turn.market} in {turn.place}"
    why = "" if turn.reason is None else f": {turn.reason.text} [{turn.reason.code}]"
    return f"{turn.event}{where}{why}"
