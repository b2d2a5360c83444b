"""The runner's loop: one command, its output, its notices, its meter, its end."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shoestring.meters.node import NodeMeter
from shoestring.meters.sampler import Sampler
from shoestring.runner.child import Child, become_subreaper
from shoestring.runner.command import commands
from shoestring.runner.environment import job_environment
from shoestring.runner.foreign import ForeignWatch
from shoestring.runner.limits import Limits
from shoestring.runner.log import BoundedLog
from shoestring.runner.memory import oom_kills
from shoestring.runner.record import Record
from shoestring.runner.sentinel import Sentinel
from shoestring.runner.spool import JobOrder, asked
from shoestring.runner.verdict import End, verdict
from shoestring.runner.wake import Wake
from shoestring.training import spool as names
from shoestring.training.spool import read_json

if TYPE_CHECKING:
    from shoestring.runner.notice import NoticeThread

LOOK_S = 0.5  # between two looks at what is asked and due; waking up is what costs, not looking
METER_LINE_S, METER_FIRST_S = 5.0, 1.0
FOREIGN_LAST_S = 60.0
CHUNK_BYTES = 1 << 16
CHUNKS = 64  # read at once: a flood of output must not keep us from everything else


@dataclass
class Runner:
    """Runs one order in one spool folder; it needs nobody else to go on.

    Args:
        outside: the environment that the runner itself was given; the job gets it, with additions.
        sentinel: None where the end of the runner ends everything anyway.
        monotonic: for durations. wall: for moments in the spool.
    """

    folder: Path
    order: JobOrder
    outside: dict[str, str] = field(repr=False)
    sentinel: Sentinel | None = None
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time

    def run(self) -> int:
        """Setup, then the command; its exit code. The exit file is durable before this returns.

        Raises:
            OSError: the spool can't be written at all; nothing was started.
        """
        self._umask = os.umask(0o077)
        order, folder = self.order, self.folder
        self._notices = _notices(order, self._nudge)
        self._stopping: str | None = None
        self._stop_began: float | None = None
        self._killed = False
        self._noticed: object = None
        self._thread_troubles: deque[str] = deque(maxlen=10)
        self._due = {"look": 0.0, "line": self.monotonic() + METER_FIRST_S}
        self._log = BoundedLog(
            folder / names.LOG, head_bytes=order.log_bytes, tail_bytes=max(1, order.log_bytes // 32)
        )
        self._record = Record(folder, self._log.note, wall=self.wall, monotonic=self.monotonic)
        self._record.begin()
        become_subreaper()
        self._wake = Wake(
            {
                signal.SIGTERM: lambda: self._told_to_stop("sigterm"),
                signal.SIGINT: lambda: self._told_to_stop("sigint"),
                signal.SIGHUP: lambda: None,  # the terminal it was started from may go
                signal.SIGUSR1: lambda: self._note_notice("sigusr1", None),
            }
        )
        threading.excepthook = self._thread_failed
        self._foreign = ForeignWatch(folder, order, since=self.wall())
        self._limits = Limits(folder, order.hang_s, order.max_duration_s, self.monotonic())
        self._sampler = Sampler(NodeMeter()).start()
        if self._notices is not None:
            self._notices.start()
        end = self._all_phases()
        return self._finish(end)

    def _all_phases(self) -> End:
        env = job_environment(self.order, self.folder, self.outside)
        end = End(kind="failed", code=None, detail="the order has no command")
        for phase, argv in commands(self.order, self.folder):
            if self._stopping is not None:
                return End(kind="killed", detail=f"{self._stopping}: before the command began")
            if phase == "running":
                self._record.state(phase=phase, command_started_at=self.wall())
            else:
                self._record.state(phase=phase)
            end = self._one(argv, env)
            if phase == "setup" and end.kind != "done":
                kind = "failed" if end.kind == "saved" else end.kind  # what setup does is no checkpoint
                return End(kind=kind, code=end.code, detail=f"in setup: {end.detail or 'it failed'}")
        return end

    def _finish(self, end: End) -> int:
        if not self._foreign.last_look(FOREIGN_LAST_S):
            self._record.trouble("the last look for checkpoints took too long")
        self._take_thread_troubles()
        if not self._sampler.stop():
            self._record.trouble("a sensor hangs; the meter's last figures are older")
        self._record.meter(self._sampler.totals(), durable=True)
        self._log.close()
        if self._log.error is not None:
            self._record.troubles.append(f"log: {self._log.error}")
        written = self._record.end(end)
        if self.sentinel is not None:
            self.sentinel.dismiss()
        if not written:
            return os.EX_IOERR
        if end.code is None:
            return 1
        return end.code if end.code >= 0 else 128 - end.code  # as a shell tells a signal

    # -- one command -----------------------------------------------------------------------------------------

    def _one(self, argv: list[str], env: dict[str, str]) -> End:
        cwd = None if self.order.workdir is None else Path(self.order.workdir)
        try:
            if cwd is not None and not cwd.is_dir():
                raise FileNotFoundError(2, f"workdir {cwd} is not there")
            child = Child(argv, env, cwd, self._umask)
        except OSError as error:
            why = f"can't start {argv[0]}: {error.strerror}"
            self._log.note(why)
            return End(kind="failed", code=127, detail=why)
        if self.sentinel is not None:
            self.sentinel.watch(child.pid)
        kills_before = oom_kills()
        while not self._ended(child):
            self._drain(child, self._due["look"] - self.monotonic())
            child.reap()
            self._look_around(child)
        if not child.kill_tree():  # what it left behind must not outlive it
            self._record.trouble("a process survives SIGKILL: it hangs in the kernel")
        self._drain(child, 0.0)
        child.close()
        if self.sentinel is not None:
            self.sentinel.watch(0)
        assert child.exit_code is not None
        return verdict(
            child.exit_code,
            stopping=self._stopping,
            killed=self._killed,
            orphan_codes=tuple(child.orphan_codes),
            out_of_memory=oom_kills() > kills_before,
        )

    def _ended(self, child: Child) -> bool:
        """A shell that died of our SIGTERM leaves behind what it was running: that may still be saving."""
        if child.exit_code is None:
            return False
        cut_off = self._stop_began is not None and child.exit_code == -signal.SIGTERM
        return self._killed or not (cut_off and child.others_live())

    def _drain(self, child: Child, wait_s: float) -> None:
        output = None if child.output_ended else child.output
        if not self._wake.wait(output, wait_s):
            return
        for _ in range(CHUNKS):
            data = child.read(CHUNK_BYTES)
            if not data:
                return
            self._log.write(data)

    # -- while it runs ---------------------------------------------------------------------------------------

    def _look_around(self, child: Child) -> None:
        now = self.monotonic()
        if now < self._due["look"]:
            return
        self._due["look"] = now + LOOK_S
        self._take_thread_troubles()
        if asked(self.folder)["stop"]:
            self._told_to_stop("asked")
        self._look_for_notice(child)
        if self._stopping is None and (why := self._limits.passed(now)) is not None:
            self._told_to_stop(why)
        if now >= self._due["line"]:
            self._due["line"] = now + METER_LINE_S
            self._record.meter(self._sampler.totals())
        self._foreign.look(now)
        if self._stopping is not None:
            self._go_on_stopping(child, now)

    def _told_to_stop(self, why: str) -> None:
        """Remember it; the next look acts. The first reason stays."""
        if self._stopping is None:
            self._stopping = why
            self._due["look"] = 0.0
            if why == "sigterm":  # so do providers and batch systems take a node back
                self._note_notice(why, self.wall() + self.order.stop_grace_s)

    def _go_on_stopping(self, child: Child, now: float) -> None:
        if self._stop_began is None:
            self._stop_began = now
            self._record.state(phase="stopping", stopping=self._stopping)
            child.send(signal.SIGTERM)
        elif now - self._stop_began > self.order.stop_grace_s and not self._killed:
            self._killed = True
            child.kill_tree()

    def _note_notice(self, source: str, until: float | None) -> None:
        self._record.notice({"at": self.wall(), "until": until, "source": source})

    def _look_for_notice(self, child: Child) -> None:
        if self._notices is not None and self._notices.notice is not None:
            self._record.notice(self._notices.notice)
            self._notices = None
        file = self.order.notice_file
        if file is not None and self._noticed is None and Path(file).exists():
            self._note_notice("file", None)
        if self.order.notice_signal is None or self._noticed is not None:
            return
        self._noticed = read_json(self.folder / names.NOTICE)
        if self._noticed is not None:
            child.send(signal.Signals[self.order.notice_signal])

    def _nudge(self) -> None:
        """From another thread: look now."""
        self._due["look"] = 0.0
        self._wake.nudge()

    def _thread_failed(self, failure: threading.ExceptHookArgs) -> None:
        name = failure.thread.name if failure.thread is not None else "a thread"
        self._thread_troubles.append(f"{name}: {failure.exc_type.__name__}: {failure.exc_value}")

    def _take_thread_troubles(self) -> None:
        while self._thread_troubles:
            self._record.trouble(self._thread_troubles.popleft())


def _notices(order: JobOrder, found: Callable[[], None]) -> "NoticeThread | None":
    """Raises BadInput for an address that can't be asked."""
    if order.notice_url is None:
        return None
    from shoestring.runner.notice import NoticePoller, NoticeThread  # its HTTP client loads slowly

    return NoticeThread(NoticePoller(order.notice_url), order.notice_poll_s, found)
