"""Reading a spool back: what is missing, torn or impossible is simply not there."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from shoestring.domain.run import MeterTotals
from shoestring.runner.claims import Claims, Window, heartbeat_of, number, plain
from shoestring.runner.node import is_alive
from shoestring.training import spool as names
from shoestring.training.spool import open_plain, read_json, read_sealed, unseal

CHUNK_BYTES = 4 << 20
EVENT_BYTES = 256 << 20  # of events are read; three months of spans
MOST_DEVICES = 1024  # of one node
TAILS_BYTES = (8 << 10, 4 << 20)  # of the meter are read: its newest line says all
EXIT_KINDS = frozenset({"done", "failed", "saved", "hung", "out_of_time", "killed"})
PHASES = frozenset({"preparing", "setup", "running", "stopping", "ended"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolReading:
    """All that a spool tells at one moment. Moments are the node's wall clock.

    Attributes:
        phase: preparing | setup | running | stopping | ended.
        runner_alive: None when it can't be seen from here (another node, another container).
        stopping: why the runner is ending the job; None if it is not.
        heartbeat, notice, meter: the newest; None if there is none.
        exit: code (None if unknown), kind (done | failed | saved | hung | out_of_time | killed), at, detail.
        checkpoints, restores, spans, rejected: the job's events, oldest first, those that can be true.
        suspicious: how many claims of the job were dropped.
        troubles: what the runner could not do (a full disk, a sensor that hangs), in its own words.
    """

    phase: str = "preparing"
    runner_pid: int | None = None
    runner_alive: bool | None = None
    started_at: float | None = None
    command_started_at: float | None = None
    stopping: str | None = None
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
    troubles: tuple[str, ...] = ()


def read(folder: Path) -> SpoolReading:
    """Everything the folder tells now. Cheap to repeat: only new events are read."""
    return _reader(folder).read()


class SpoolReader:
    """Reads one spool again and again. Args: now: the wall clock."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now = folder, now
        self._claims: Claims | None = None
        self._offset = self._inode = 0

    def read(self) -> SpoolReading:
        """Everything the folder tells at this moment."""
        folder = self._folder
        state = read_json(folder / names.STATE) or {}
        meter, end = _meter(folder / names.METER), _exit(read_json(folder / names.EXIT))
        window = self._window(state, meter, end)
        claims = self._read_events(window)
        claimed = read_json(folder / names.HEARTBEAT)
        beat = heartbeat_of(claimed, window)
        pid = state.get("pid") if isinstance(state.get("pid"), int) else None
        phase = state.get("phase")
        troubles = state.get("troubles")
        return SpoolReading(
            phase="ended" if end is not None else phase if phase in PHASES else "preparing",
            runner_pid=pid,
            runner_alive=is_alive(state),
            started_at=number(state.get("started_at")),
            command_started_at=number(state.get("command_started_at")),
            stopping=plain(state["stopping"], 100) if state.get("stopping") else None,
            heartbeat=beat,
            checkpoints=tuple(claims.checkpoints),
            restores=tuple(claims.restores),
            spans=tuple(claims.spans),
            rejected=tuple(claims.rejected),
            meter=meter,
            notice=_notice(read_json(folder / names.NOTICE)),
            exit=end,
            log_size=_size(folder / names.LOG),
            suspicious=claims.suspicious + (claimed is not None and beat is None),
            troubles=tuple(plain(t, 300) for t in troubles) if isinstance(troubles, list) else (),
        )

    def _window(self, state: Mapping[str, Any], meter: Any, end: Any) -> Window:
        """From the runner's start to its end, or to now; wider by what its clock has jumped."""
        start = number(state.get("started_at")) or 0.0
        seen = state.get("seen")
        low, high = (number(s) for s in seen) if isinstance(seen, list) and len(seen) == 2 else (None, None)
        last = number(end["at"]) if end is not None else self._now()
        later = [last, high, number((meter or {}).get("at"))]
        return Window(
            start=min(start, low if low is not None else start),
            end=max(moment for moment in later if moment is not None),
            jumped=high is not None,
        )

    def _read_events(self, window: Window) -> Claims:
        try:
            file = open_plain(self._folder / names.EVENTS)
        except OSError:
            self._claims = self._claims or self._fresh()
            return self._claims
        with file:
            status = os.fstat(file.fileno())
            if self._claims is None or status.st_ino != self._inode or status.st_size < self._offset:
                self._claims, self._offset, self._inode = self._fresh(), 0, status.st_ino
            events: list[Mapping[str, Any]] = []
            while self._offset < EVENT_BYTES:
                file.seek(self._offset)
                chunk = file.read(CHUNK_BYTES)
                whole = chunk.rfind(b"\n") + 1
                if whole == 0 and len(chunk) < CHUNK_BYTES:
                    break  # still being written, or torn at the end: look again later
                self._offset += whole or len(chunk)
                lines = (unseal(line) for line in chunk[:whole].split(b"\n"))
                events += [event for event in lines if event is not None]
            else:
                events.append({"kind": "span"})  # more than we read: that counts as suspicious
                self._offset = max(self._offset, EVENT_BYTES)
        self._claims.take(events, window)
        return self._claims

    def _fresh(self) -> Claims:
        order = read_json(self._folder / names.SPOOL_FILE) or {}
        rows = order.get("restore")
        restorable = {
            str(row["id"]): int(row["step"])
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and "id" in row and isinstance(row.get("step"), int)
        }
        where = order.get("checkpoint_where")
        # A relative place is relative to wherever the job has gone; only an absolute one can be checked.
        absolute = isinstance(where, str) and (where.startswith("/") or "://" in where)
        return Claims(restorable=restorable, where=str(where) if absolute else None)


@lru_cache(maxsize=64)
def _reader(folder: Path) -> SpoolReader:
    return SpoolReader(folder)


def _meter(path: Path) -> Mapping[str, Any] | None:
    """The newest line with only numbers in it, or None where a sensor is missing."""
    newest = None
    for tail in TAILS_BYTES:
        for _, line in read_sealed(path, max(0, _size(path) - tail)):
            newest = line
        if newest is not None:
            break
    if newest is None or number(newest.get("at")) is None:
        return None
    told = [name for name in MeterTotals.__slots__ if name not in ("energy_kind", "devices")]
    figures = {name: number(newest.get(name)) for name in told}
    whole = {name: int(v) if v is not None and name.endswith("_bytes") else v for name, v in figures.items()}
    kind = newest.get("energy_kind")
    return {
        "at": newest["at"],
        **whole,
        "energy_kind": kind if kind in ("measured", "estimate") else None,
        "devices": _devices(newest.get("devices")),
    }


def _devices(told: object) -> tuple[str, ...] | None:
    """Names of devices, if that is what they are."""
    if not isinstance(told, list) or len(told) > MOST_DEVICES:
        return None
    return tuple(plain(name, 100) for name in told) if all(isinstance(n, str) for n in told) else None


def _notice(data: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if data is None or number(data.get("at")) is None:
        return None
    return {"at": data["at"], "until": number(data.get("until")), "source": plain(data.get("source"), 100)}


def _exit(data: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if data is None or data.get("kind") not in EXIT_KINDS or number(data.get("at")) is None:
        return None
    code = data.get("code")
    known = isinstance(code, int) and not isinstance(code, bool) and abs(code) < 1 << 31
    return {
        "kind": data["kind"],
        "code": code if known else None,
        "at": data["at"],
        "detail": plain(data.get("detail"), 2000),
    }


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except OSError:
        return 0
