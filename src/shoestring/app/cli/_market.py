"""What ``simulate`` and ``shadow`` read alike: the job, the market, and prices that recordings do not say."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from shoestring import jobfile
from shoestring.app.config import Settings, load_settings
from shoestring.app.planning import profile_of
from shoestring.domain.errors import BadInput
from shoestring.domain.units import SECONDS_PER_HOUR, parse_duration_s
from shoestring.domain.workload import Workload
from shoestring.executors.marketfile import load_market
from shoestring.market.traces import Trace
from shoestring.sim.known import KnownJob, KnownWindow
from shoestring.workflows.markets import Prices, Span, modelled, read_traces, recorded, window_at
from shoestring.workflows.simulated_job import Given, simulated_job

JobArgument = Annotated[Path, typer.Argument(help="Job file: a SkyPilot task YAML.")]
TracesOption = Annotated[
    Path | None, typer.Option("--traces", help="Folder of recordings, a file a zone: JSON or CSV.")
]
HistoryOption = Annotated[
    str | None,
    typer.Option("--history", help="The catalog's dated prices: gcp/a3-highgpu-8g, or TYPE@REGION,REGION."),
]
WorkOption = Annotated[str | None, typer.Option("--work", help="Useful work, e.g. 48h, if not in the file.")]
DeadlineOption = Annotated[str | None, typer.Option("--deadline", help="e.g. 60h; goes before the file's.")]
RestartOption = Annotated[
    str | None, typer.Option("--restart", help="From launch to the first new step; default: measured, usual.")
]
OnDemandOption = Annotated[
    float | None, typer.Option("--on-demand", help="$/h of a node that stays.", min=0.0)
]
SpotOption = Annotated[
    list[str] | None, typer.Option("--spot", help="$/h of a spot node: 0.97, or ZONE=0.97.", metavar="USD")
]
MoveOption = Annotated[
    float, typer.Option("--move-usd", help="$ to bring the checkpoint elsewhere.", min=0.0)
]
StepOption = Annotated[str, typer.Option("--step", help="Time between two decisions.")]
WatchOption = Annotated[
    str | None, typer.Option("--watch", help="Watched before the job is submitted, e.g. 24h; default: not.")
]
EnvOption = Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from here.")]
TaskOption = Annotated[int, typer.Option("--task", min=0, help="Which task of a pipeline, from 0.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of both verbs as they were typed."""

    job: Path
    traces: Path | None
    history: str | None
    work: str | None
    deadline: str | None
    restart: str | None
    on_demand: float | None
    spot: Sequence[str]
    move_usd: float
    step: str
    watch: str | None
    env: Sequence[str]
    task: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A job and the span of a market that it needs."""

    workload: Workload
    job: KnownJob
    span: Span
    wanted: Wanted
    settings: Settings

    def windows(self, *, starts: int, seed: int, single: bool = False) -> list[KnownWindow]:
        """Windows to play on; ``single``: each zone alone, ``starts`` of each."""
        if self.wanted.traces is None and self.wanted.history is None:
            return self._modelled(starts, seed, single)
        traces, prices = self._recordings()
        if not single:
            return recorded(traces, prices, self.span, starts=starts, seed=seed)
        return [
            window
            for number, trace in enumerate(traces)
            for window in recorded(
                [trace], prices, self.span, starts=starts, seed=seed + number, label=trace.zone
            )
        ]

    def window_at(self, start: datetime | float) -> KnownWindow:
        """The window of recordings in which the job is submitted at a moment, or so many seconds into them."""
        traces, prices = self._recordings()
        return window_at(traces, prices, self.span, start)

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the market before trusting figures from it."""
        if self.wanted.history is None:
            return ()
        from shoestring.workflows.histories import NOTE, price_history, span_told

        return span_told(price_history(self.wanted.history, step_s=self.span.step_s)), NOTE

    def _recordings(self) -> tuple[tuple[Trace, ...], Prices]:
        if self.wanted.history is not None:
            return self._history(self.wanted.history)
        assert self.wanted.traces is not None, "the verbs ask for one of the two"
        traces = read_traces(self.wanted.traces, step_s=self.span.step_s, nodes=self.job.nodes)
        if self.wanted.on_demand is None:
            raise BadInput("recordings know no on-demand price", next_step="give --on-demand 3.06, in $/h")
        prices = self._prices(self.wanted.on_demand)
        unknown = set(prices.by_zone) - {t.zone for t in traces}
        if unknown:
            raise BadInput(
                f"--spot {sorted(unknown)[0]}: no such zone",
                next_step=f"one of {', '.join(t.zone for t in traces)}",
            )
        return traces, prices

    def _history(self, text: str) -> tuple[tuple[Trace, ...], Prices]:
        from shoestring.workflows.histories import price_history

        if self.wanted.spot:
            raise BadInput("--spot: the history knows its prices", next_step="leave it out")
        found, given = price_history(text, step_s=self.span.step_s), self.wanted.on_demand
        prices = Prices(on_demand=given or 0.0, move_usd=self.wanted.move_usd,
                        on_demand_at=found.on_demand_at if given is None else None)  # fmt: skip
        return found.traces, prices

    def _modelled(self, starts: int, seed: int, single: bool) -> list[KnownWindow]:
        market = load_market(self.settings.market)
        if self.wanted.spot:
            raise BadInput("--spot is for recordings", next_step="write the prices into the market file")
        names: list[str | None] = [None]
        if single:
            names = [name for name, zone in sorted(market.zones.items()) if zone.spot is not None]
        return [
            window
            for name in names
            for window in modelled(
                market,
                self.span,
                starts=starts,
                seed=seed,
                on_demand=self.wanted.on_demand,
                move_usd=self.wanted.move_usd,
                only=name,
            )
        ]

    def _prices(self, on_demand: float) -> Prices:
        usual, by_zone = None, {}
        for text in self.wanted.spot:
            zone, _, number = text.rpartition("=")
            usd = _usd(text, number)
            if zone:
                by_zone[zone] = usd
            else:
                usual = usd
        return Prices(on_demand=on_demand, spot=usual, by_zone=by_zone, move_usd=self.wanted.move_usd)


def stage(wanted: Wanted, *, market: Path | None = None) -> Stage:
    """The job and its span.

    Raises:
        BadInput: an option that can't be read, or a job that can't be simulated; says why.
    """
    settings = load_settings({"market": market})
    for name, usd in (("--on-demand", wanted.on_demand), ("--move-usd", wanted.move_usd)):
        if usd is not None and not math.isfinite(usd):
            raise BadInput(f"{name} {usd}: not a price", next_step="give dollars, e.g. 3.06")
    loaded = jobfile.load(wanted.job, env=jobfile.parse_env(wanted.env, os.environ))
    if wanted.task >= len(loaded.tasks):
        raise BadInput(
            f"--task {wanted.task}: the file holds {len(loaded.tasks)}", next_step="tasks count from 0"
        )
    workload = loaded.tasks[wanted.task].workload
    step_s = round(_seconds("--step", wanted.step) or 0)
    if not 1 <= step_s <= SECONDS_PER_HOUR:
        raise BadInput(f"--step {wanted.step}: one second to one hour", next_step="--step 10m")
    given = Given(
        work_s=_seconds("--work", wanted.work),
        restart_s=_seconds("--restart", wanted.restart),
        deadline_s=_seconds("--deadline", wanted.deadline),
    )
    job = simulated_job(workload, given, step_s=step_s, now=datetime.now(UTC), profile=profile_of(workload))
    past_steps = int((_seconds("--watch", wanted.watch) or 0.0) / step_s + 1e-9)
    span = Span(step_s=step_s, deadline_steps=job.deadline_steps, past_steps=past_steps)
    return Stage(workload=workload, job=job, span=span, wanted=wanted, settings=settings)


def _seconds(option: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}", next_step=f"{option} 36h") from None


def _usd(text: str, number: str) -> float:
    try:
        usd = float(number)
    except ValueError:
        usd = math.nan
    if not (math.isfinite(usd) and usd >= 0):
        raise BadInput(f"--spot {text}: not a price in $/h", next_step="--spot 0.97, or --spot ZONE=0.97")
    return usd
