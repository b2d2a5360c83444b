"""An instance: ``python -m shoestring.executors.host INSTANCE_FOLDER``.

Boots (waits), starts a runner for each node, answers as instance metadata, and takes everything back when the
market says so: notice, SIGTERM, SIGKILL. It needs no supervisor; when the job has ended it ends itself.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from shoestring.executors.book import CANCEL, INTERRUPT, order_of, read_book, spools, try_lock, write_book
from shoestring.executors.metadata import Metadata
from shoestring.runner.child import become_subreaper, die_with_parent
from shoestring.runner.spool import JobOrder, ask, prepare
from shoestring.training.spool import NOTICE, read_json, replace_json

BEAT_S = 0.05
LOCK_S = 2.0  # how long a new host waits for those who only look whether there is one
TERM_SHARE = 0.25  # the last part of a notice, in which the job is also asked by SIGTERM
ENV_METADATA = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


@dataclass
class Host:
    """One instance's life. All times are real, in seconds since the epoch."""

    folder: Path
    order: Mapping[str, Any]
    env: dict[str, str] = field(repr=False)
    lock: int
    runners: list[subprocess.Popen[bytes]] = field(default_factory=list)
    lost_at: float | None = None
    notice_s: float | None = None
    announced: bool = False
    termed: bool = False
    cancel_until: float | None = None

    def live(self) -> None:
        """From launch to termination; the book has a line for each event before anything follows from it."""
        become_subreaper()
        self.lost_at, self.notice_s = self.order.get("lost_at"), self.order.get("notice_s")
        write_book(self.folder, "launched", self.order["launched_at"])
        self.metadata = Metadata()
        why = self._boot()
        if why is None:
            self._start_runners()
            write_book(self.folder, "booted", time.time())
            why = self._watch()
        self._kill_all()
        at = time.time()
        if why == "interrupted" and self.lost_at is not None:
            at = min(at, max(self.lost_at, self.order["launched_at"]))  # billing ends when the market took it
        write_book(self.folder, "terminated", at, why=why)
        self.metadata.close()

    def _boot(self) -> str | None:
        until = self.order["launched_at"] + self.order["boot_s"]
        while time.time() < until:
            if (why := self._end_asked()) is not None:
                return why
            self._beat(min(BEAT_S, max(0.0, until - time.time())))
        return self._end_asked()

    def _end_asked(self) -> str | None:
        """Before there is a job, both wishes are obeyed at once."""
        self._read_interrupt()
        if self.lost_at is not None and time.time() >= self.lost_at:
            return "interrupted"
        return "cancelled" if (self.folder / CANCEL).exists() else None

    def _start_runners(self) -> None:
        lists = {k: tuple(self.order["job"][k]) for k in ("argv", "restore", "node_ips")}
        env = {**self.env, ENV_METADATA: self.metadata.url}
        for rank, folder in enumerate(spools(self.folder, self.order["nodes"])):
            job = {**self.order["job"], **lists, "node_rank": rank, "notice_url": self.metadata.url}
            prepare(folder, JobOrder(**job))
            self.runners.append(
                subprocess.Popen(
                    [sys.executable, "-m", "shoestring.runner", str(folder)],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
            )

    def _watch(self) -> str:
        while True:
            codes = [runner.poll() for runner in self.runners]
            if all(code is not None for code in codes):
                return self._why_ended(all(code == 0 for code in codes))
            if any(code not in (None, 0) for code in codes):
                self._ask_to_stop()  # a gang is all or none
            now = time.time()
            self._read_interrupt()
            if self.lost_at is not None and now >= self.lost_at:
                return "interrupted"
            self._warn(now)
            self._read_cancel(now)
            if self.cancel_until is not None and now >= self.cancel_until:
                return "cancelled"
            self._beat(BEAT_S)

    def _beat(self, seconds: float) -> None:
        """A sign of life, so that whoever finds this host dead knows until when it lived; then a pause."""
        os.utime(self.lock)
        time.sleep(seconds)

    def _why_ended(self, done: bool) -> str:
        """A job that made room because it was told to has not ended by itself."""
        if self.announced and not done:
            return "interrupted"
        return "cancelled" if self.cancel_until is not None else "ended"

    def _warn(self, now: float) -> None:
        if self.lost_at is None or self.notice_s is None:
            return
        if not self.announced and now >= self.lost_at - self.notice_s:
            self.announced = True
            self.metadata.announce(self.lost_at)
            write_book(self.folder, "noticed", now)
            for folder in spools(self.folder, self.order["nodes"]):  # what a node's own agent would write
                replace_json(folder / NOTICE, {"at": now, "until": self.lost_at, "source": "market"})
        if not self.termed and now >= self.lost_at - TERM_SHARE * self.notice_s:
            self.termed = True
            self._ask_to_stop()

    def _read_interrupt(self) -> None:
        wish = read_json(self.folder / INTERRUPT)
        if wish is not None and self.lost_at != wish["lost_at"]:
            self.lost_at, self.notice_s = wish["lost_at"], wish["notice_s"]

    def _read_cancel(self, now: float) -> None:
        if self.cancel_until is not None:
            return
        wish = read_json(self.folder / CANCEL)
        if wish is not None:
            self.cancel_until = now + float(wish["grace_s"])
            self._ask_to_stop()

    def _ask_to_stop(self) -> None:
        for folder, runner in zip(spools(self.folder, self.order["nodes"]), self.runners, strict=True):
            if runner.poll() is None:
                ask(folder, stop=True)

    def _kill_all(self) -> None:
        """Everything this instance started, wherever it has gone to."""
        for runner in self.runners:
            if runner.poll() is None:
                runner.send_signal(signal.SIGKILL)
        for _ in range(50):
            left = psutil.Process().children(recursive=True)
            if not left:
                return
            for process in left:
                try:
                    process.kill()
                    process.wait(0.1)
                except (psutil.NoSuchProcess, psutil.TimeoutExpired):
                    continue


def main(folder: Path) -> int:
    """Live once. A second host on the same folder, or a folder whose life is over, does nothing."""
    lock = try_lock(folder, patience_s=LOCK_S)
    if lock is None:
        return 0
    book = read_book(folder)
    if book.launched is not None or book.terminated is not None:
        return 0  # an earlier host lived and died here, or nobody waits for this one any more
    os.umask(0o077)
    Host(folder=folder, order=order_of(folder), env=dict(os.environ), lock=lock).live()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
