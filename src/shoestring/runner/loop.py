"""The runner's loop: one command, its output, its notices, its meter, its end."""

import dataclasses
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shoestring.meters.node import NodeMeter
from shoestring.runner.child import Child, become_subreaper
from shoestring.runner.environment import job_environment
from shoestring.runner.log import BoundedLog
from shoestring.runner.notice import NoticePoller
from shoestring.runner.spool import JobOrder
from shoestring.training import spool as names
from shoestring.training.spool import append_sealed, read_json, replace_json, sync_folder

BEAT_S = 0.1  # how long the loop sleeps when nothing is printed
ASK_S = 0.2
METER_S = 1.0
METER_LINE_S = 5.0
FOREIGN_S = 5.0
METER_FILE_BYTES = 1 << 20
CHUNK = 1 << 16


@dataclass
class Runner:
    """Runs one order in one spool folder. Signals only set flags; the loop acts on them.

    Args:
        monotonic: for durations; wall: for moments in the spool.
    """

    folder: Path
    order: JobOrder
    outside: dict[str, str]
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    meter: NodeMeter = field(default_factory=NodeMeter)
    _stop_why: str | None = None
    _stop_at: float | None = None
    _killed: bool = False
    _troubles: list[str] = field(default_factory=list)

    def run(self) -> int:
        """Setup, then the command; the exit code to end with. The exit file is durable before it returns."""
        become_subreaper()
        signal.signal(signal.SIGTERM, lambda number, frame: self._stop("sigterm"))
        self._started_at = self.wall()
        self._log = BoundedLog(self.folder / names.LOG)
        env = job_environment(self.order, self.folder, self.outside)
        self._due = {"ask": 0.0, "meter": 0.0, "line": METER_LINE_S, "notice": 0.0, "foreign": 0.0}
        self._asked_stop = 0
        self._poller = NoticePoller(self.order.notice_url) if self.order.notice_url else None
        self._foreign = _ForeignWatch(self.folder, self.order, self.wall)
        self._state("preparing")
        kind, code, detail = self._all_phases(env)
        self._note_meter()
        self._log.close()
        trouble = "; ".join([*self._troubles, *([f"log: {self._log.error}"] if self._log.error else [])])
        end = {
            "kind": kind,
            "code": code,
            "at": self.wall(),
            "detail": "; ".join(filter(None, [detail, trouble])),
        }
        replace_json(self.folder / names.EXIT, end, durable=True)
        self._state("ended")
        return code if code is not None and 0 <= code < 256 else 1

    def _all_phases(self, env: dict[str, str]) -> tuple[str, int | None, str]:
        workdir = None if self.order.workdir is None else Path(self.order.workdir)
        if self.order.setup and self._stop_why is None:
            self._state("setup")
            kind, code, detail = self._one(["/bin/bash", "-c", self.order.setup], env, workdir)
            if kind != "done":
                return kind, code, f"setup: {detail}" if detail else "setup failed"
        if self._stop_why is not None:
            return "killed", None, f"stopped before it began ({self._stop_why})"
        argv = list(self.order.argv) or ["/bin/bash", "-c", self.order.run or ""]
        self._command_started_at = self.wall()
        self._state("running")
        return self._one(argv, env, workdir)

    def _one(self, argv: list[str], env: dict[str, str], workdir: Path | None) -> tuple[str, int | None, str]:
        """Run one command to its end: kind, exit code, detail."""
        try:
            child = Child(argv, env=env, cwd=workdir)
        except OSError as error:
            self._log.write(f"shoestring: can't start {argv[0]}: {error.strerror}\n".encode())
            return "failed", 127, f"can't start {argv[0]}: {error.strerror}"
        began = self.monotonic()
        while child.exit_code() is None:
            self._drain(child, BEAT_S)
            self._look_around(child, began)
        child.kill_tree()  # what it left behind must not outlive it
        self._drain(child, 0.0)
        child.reap_orphans()
        return self._verdict(child.exit_code())

    def _verdict(self, code: int | None) -> tuple[str, int | None, str]:
        if code == names.EXIT_SAVED:
            return "saved", code, self._stop_why or "saved by itself"
        if code == 0:
            return "done", code, ""
        if self._stop_why in ("hung", "out_of_time"):
            return self._stop_why, code, "killed after the grace" if self._killed else "ended on request"
        if self._killed or (self._stop_why is not None and code == -signal.SIGTERM):
            return "killed", code, self._stop_why or ""
        detail = f"killed by signal {-code}" if code is not None and code < 0 else ""
        return "failed", code, detail

    # -- while it runs --

    def _look_around(self, child: Child, began: float) -> None:
        now = self.monotonic()
        if self._is_due("ask", now, ASK_S):
            self._read_asks()
        if self._poller is not None and self._is_due("notice", now, self.order.notice_poll_s):
            self._read_notice()
        if self._is_due("meter", now, METER_S):
            self._totals = self.meter.totals()
            self._check_limits(now, began)
        if self._is_due("line", now, METER_LINE_S):
            self._note_meter()
        if self._is_due("foreign", now, FOREIGN_S):
            self._foreign.look()
        if self._stop_why is not None:
            self._carry_on_stopping(child, now)

    def _is_due(self, name: str, now: float, every_s: float) -> bool:
        if now < self._due[name]:
            return False
        self._due[name] = now + every_s
        return True

    def _drain(self, child: Child, wait_s: float) -> None:
        ready, _, _ = select.select([child.output], [], [], wait_s)
        for _ in range(64):  # bounded: a flood must not starve the rest of the loop
            if not ready:
                return
            try:
                data = os.read(child.output, CHUNK)
            except BlockingIOError:
                return
            if not data:
                time.sleep(min(wait_s, 0.02))  # the pipe is closed, the process still ends
                return
            self._log.write(data)

    def _read_asks(self) -> None:
        asked = read_json(self.folder / names.ASK)
        if asked is not None and int(asked.get("stop", 0)) > self._asked_stop:
            self._asked_stop = int(asked["stop"])
            self._stop("asked")

    def _read_notice(self) -> None:
        assert self._poller is not None
        notice = self._poller.look()
        if notice is not None and read_json(self.folder / names.NOTICE) is None:
            self._write(names.NOTICE, notice)

    def _check_limits(self, now: float, began: float) -> None:
        limit, hang = self.order.max_duration_s, self.order.hang_s
        if limit is not None and now - began > limit:
            self._stop("out_of_time")
        if hang is not None:
            beat = self.folder / names.HEARTBEAT
            if beat.exists() and self.wall() - beat.stat().st_mtime > hang:
                self._stop("hung")

    def _stop(self, why: str) -> None:
        if self._stop_why is None:
            self._stop_why = why

    def _carry_on_stopping(self, child: Child, now: float) -> None:
        if self._stop_at is None:
            self._stop_at = now
            self._state("stopping")
            child.ask_to_stop()
        elif now - self._stop_at > self.order.stop_grace_s and not self._killed:
            self._killed = True
            child.kill_tree()

    # -- what it writes --

    def _state(self, phase: str) -> None:
        state: dict[str, Any] = {"phase": phase, "pid": os.getpid(), "started_at": self._started_at}
        if (began := getattr(self, "_command_started_at", None)) is not None:
            state["command_started_at"] = began
        if self._stop_why is not None:
            state["stopping"] = self._stop_why
        self._write(names.STATE, state)

    def _note_meter(self) -> None:
        totals = self.meter.totals()
        line = {"at": self.wall(), **dataclasses.asdict(totals)}
        path = self.folder / names.METER
        try:
            if path.exists() and path.stat().st_size > METER_FILE_BYTES:
                path.unlink()  # each line holds totals: the newest says all that the older ones said
            append_sealed(path, line)
        except OSError as error:
            self._trouble(f"meter: {error.strerror}")

    def _write(self, name: str, data: dict[str, Any]) -> None:
        try:
            replace_json(self.folder / name, data)
        except OSError as error:
            self._trouble(f"{name}: {error.strerror}")

    def _trouble(self, text: str) -> None:
        if text not in self._troubles and len(self._troubles) < 10:
            self._troubles.append(text)


class _ForeignWatch:
    """Reports checkpoints of scripts that do not know us: a glob, and a marker that says one is whole."""

    def __init__(self, folder: Path, order: JobOrder, wall: Callable[[], float]) -> None:
        self._events, self._order, self._wall = folder / names.EVENTS, order, wall
        self._seen: set[str] = set()

    def look(self) -> None:
        order = self._order
        if order.checkpoint_glob is None or order.checkpoint_where is None:
            return
        from shoestring.training.foreign import scan

        found = scan(order.checkpoint_where, order.checkpoint_glob, order.complete_marker)
        if found is None or found.uri in self._seen:
            return
        self._seen.add(found.uri)
        event = {
            "kind": "checkpoint",
            "id": found.uri,
            "uri": found.uri,
            "manifest_sha256": found.sha256,
            "at": self._wall(),
            "step": found.step,
            "size_bytes": found.size_bytes,
            "save_s": 0.0,
            "blocked_s": 0.0,
            "trigger": "foreign",
        }
        append_sealed(self._events, event, durable=True)
        sync_folder(self._events.parent)
