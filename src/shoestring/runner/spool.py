"""The runner's side of the spool: preparing the folder, reading it back, asking the job for something.

Times are the node's wall clock in seconds since the epoch. What the job wrote is a claim: claims that can't
be true are dropped and counted, so that a job can mislead its owner's progress bar but not the ledger.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.training import spool as names
from shoestring.training.spool import read_json, read_sealed, replace_json

CLOCK_SLACK_S = 5.0  # clocks of job and runner are one node's; more than this apart is a forged or torn claim
MAX_EVENTS = 100_000
MAX_BYTES = 1 << 50


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """All that the runner is told, apart from the job's variables, which travel in its environment only.

    Attributes:
        interval_s, hang_s, max_duration_s, stop_grace_s: wall seconds; None means none.
        restore: durable checkpoints by the journal, newest first: id, uri, manifest_sha256, step.
        notice_url: base URL of an endpoint that speaks the EC2 instance-metadata spot paths.
        notice_poll_s: how often to ask it. stop_at_step: end the job, saved, at this step (rehearsals).
    """

    run_id: str
    attempt_id: str
    attempt_number: int = 1
    node_rank: int = 0
    num_nodes: int = 1
    node_ips: tuple[str, ...] = ("127.0.0.1",)
    accelerators: int = 0
    setup: str | None = None
    run: str | None = None
    argv: tuple[str, ...] = ()
    workdir: str | None = None
    checkpoint_where: str | None = None
    checkpoint_glob: str | None = None
    complete_marker: str | None = None
    keep_last: int = 2
    interval_s: float | None = None
    hang_s: float | None = None
    max_duration_s: float | None = None
    stop_grace_s: float = 30.0
    restore: tuple[Mapping[str, Any], ...] = ()
    notice_url: str | None = None
    notice_poll_s: float = 5.0
    stop_at_step: int | None = None
    version: int = names.VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolReading:
    """All that a spool tells at one moment.

    Attributes:
        phase: preparing | setup | running | stopping | ended.
        heartbeat, notice, exit, meter: the newest of each; None if there is none.
        checkpoints, restores, spans, rejected: the job's events, oldest first, plausible ones only.
        suspicious: how many claims were dropped.
    """

    phase: str = "preparing"
    runner_pid: int | None = None
    started_at: float | None = None
    command_started_at: float | None = None
    heartbeat: Mapping[str, Any] | None = None
    checkpoints: tuple[Mapping[str, Any], ...] = ()
    restores: tuple[Mapping[str, Any], ...] = ()
    spans: tuple[Mapping[str, Any], ...] = ()
    rejected: tuple[Mapping[str, Any], ...] = ()
    meter: Mapping[str, Any] | None = None
    notice: Mapping[str, Any] | None = None
    exit: Mapping[str, Any] | None = None
    log_size: int = 0
    suspicious: int = 0


def prepare(folder: Path, order: JobOrder) -> None:
    """Make the folder of one attempt on one node.

    Raises:
        BadInput: the folder has been used; an attempt's spool is never used again.
    """
    if (folder / names.SPOOL_FILE).exists():
        raise BadInput(f"{folder} already holds the spool of an attempt", next_step="use a new attempt")
    for name in ("runner", "job"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_json(folder / names.SPOOL_FILE, asdict(order), durable=True)


def load_order(folder: Path) -> JobOrder:
    """The order that a folder was prepared with. Raises BadInput for another version or no order at all."""
    data = read_json(folder / names.SPOOL_FILE)
    if data is None:
        raise BadInput(f"{folder} holds no spool", next_step="prepare it first")
    if data.get("version") != names.VERSION:
        raise BadInput(f"{folder}: spool version {data.get('version')}; this runner knows {names.VERSION}")
    lists = {k: tuple(data[k]) for k in ("argv", "restore", "node_ips")}
    return JobOrder(**(data | lists))


def ask(folder: Path, *, save: bool = False, stop: bool = False) -> None:
    """Ask the job to save and go on, or to save and stop. Each ask counts once, however often it is read."""
    path = folder / names.ASK
    now = read_json(path) or {}
    counts = {"save": int(now.get("save", 0)) + int(save), "stop": int(now.get("stop", 0)) + int(stop)}
    replace_json(path, counts)


def read(folder: Path) -> SpoolReading:
    """Everything the folder tells; missing and torn parts are simply not there."""
    state = read_json(folder / names.STATE) or {}
    started = _number(state.get("started_at"))
    claims = _Claims(started)
    claims.read(folder / names.EVENTS)
    meter = None
    for _, line in read_sealed(folder / names.METER):
        meter = line
    log = folder / names.LOG
    return SpoolReading(
        phase=str(state.get("phase", "preparing")),
        runner_pid=state.get("pid"),
        started_at=started,
        command_started_at=_number(state.get("command_started_at")),
        heartbeat=claims.heartbeat(read_json(folder / names.HEARTBEAT)),
        checkpoints=tuple(claims.checkpoints),
        restores=tuple(claims.restores),
        spans=tuple(claims.spans),
        rejected=tuple(claims.rejected),
        meter=meter,
        notice=read_json(folder / names.NOTICE),
        exit=read_json(folder / names.EXIT),
        log_size=log.stat().st_size if log.exists() else 0,
        suspicious=claims.suspicious,
    )


@dataclass(slots=True)
class _Claims:
    """Sorts a job's events into what can be true and what can't."""

    started: float | None
    checkpoints: list[Mapping[str, Any]] = field(default_factory=list)
    restores: list[Mapping[str, Any]] = field(default_factory=list)
    spans: list[Mapping[str, Any]] = field(default_factory=list)
    rejected: list[Mapping[str, Any]] = field(default_factory=list)
    suspicious: int = 0

    def read(self, path: Path) -> None:
        seen: set[str] = set()
        for count, (_, event) in enumerate(read_sealed(path)):
            if count >= MAX_EVENTS or not self._take(event, seen):
                self.suspicious += 1

    def heartbeat(self, claim: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if claim is None:
            return None
        if self._when(claim.get("at")) and _step(claim.get("step")):
            return claim
        self.suspicious += 1
        return None

    def _take(self, event: Mapping[str, Any], seen: set[str]) -> bool:
        kind = event.get("kind")
        if kind == "checkpoint":
            named = isinstance(event.get("id"), str) and isinstance(event.get("uri"), str)
            size, good = event.get("size_bytes"), self._when(event.get("at")) and _step(event.get("step"))
            if not (
                named and good and _count(size) and _span(event.get("save_s")) and event["id"] not in seen
            ):
                return False
            seen.add(event["id"])
            self.checkpoints.append(event)
        elif kind == "restore":
            good = self._when(event.get("at")) and _step(event.get("step"))
            if not (good and _count(event.get("size_bytes")) and _span(event.get("restore_s"))):
                return False
            self.restores.append(event)
        elif kind == "span":
            return self._take_span(event)
        elif kind == "rejected":
            self.rejected.append(event)
        return True

    def _take_span(self, event: Mapping[str, Any]) -> bool:
        ordered = self._when(event.get("start")) and self._when(event.get("end"))
        steps = _step(event.get("step_from")) and _step(event.get("step_to"))
        if not (
            ordered and steps and event["start"] <= event["end"] and event["step_from"] <= event["step_to"]
        ):
            return False
        last = self.spans[-1] if self.spans else None
        if last is not None and event["start"] < last["end"] - CLOCK_SLACK_S:
            return False
        if last is not None and last["step_to"] == event["step_from"] and event["start"] - last["end"] < 0.05:
            self.spans[-1] = {**last, "end": event["end"], "step_to": event["step_to"]}
        else:
            self.spans.append(event)
        return True

    def _when(self, moment: object) -> bool:
        import time

        value = _number(moment)
        if value is None:
            return False
        return (self.started or 0) - CLOCK_SLACK_S <= value <= time.time() + CLOCK_SLACK_S


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_BYTES


def _span(value: object) -> bool:
    number = _number(value)
    return number is not None and 0 <= number < 1e9


def order_json(order: JobOrder) -> str:
    """For people: the order as it lies in the spool."""
    return json.dumps(asdict(order), indent=2)
