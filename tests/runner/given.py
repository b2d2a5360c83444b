"""A runner on a spool of its own, as an executor would start it; and bounded waiting for what it does."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from shoestring.runner.spool import JobOrder, SpoolReading, prepare, read
from shoestring.training import spool as names

LONGEST_S = 60.0  # for what takes a moment: only a hang, and no crowd, takes that long


def until(seen: Callable[[], Any], what: str = "it") -> Any:
    """Wait until ``seen`` gives something true, and give that."""
    end = time.monotonic() + LONGEST_S
    while not (found := seen()):
        assert time.monotonic() < end, f"{what} did not happen within {LONGEST_S} s"
        time.sleep(0.01)
    return found


class Spooled:
    """A prepared spool, and its runner once started."""

    def __init__(self, folder: Path, **order: Any) -> None:
        self.folder = folder
        prepare(folder, JobOrder(**{"run_id": "run-1", "attempt_id": "run-1-1", **order}))
        self.process: subprocess.Popen[bytes] | None = None

    def start(
        self, *, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
    ) -> "Spooled":
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shoestring.runner", str(self.folder)],
            env={**os.environ, **(env or {})},
            stderr=subprocess.PIPE,
            preexec_fn=before,
        )
        return self

    def finish(self) -> SpoolReading:
        """Wait for the runner's end."""
        assert self.process is not None
        self.stderr = self.process.communicate(timeout=LONGEST_S)[1].decode()
        return self.read()

    def run(self, **how: Any) -> SpoolReading:
        return self.start(**how).finish()

    def read(self) -> SpoolReading:
        return read(self.folder)

    def log(self) -> bytes:
        path = self.folder / names.LOG
        return path.read_bytes() if path.exists() else b""

    def says(self, text: bytes) -> "Spooled":
        """Wait until the job has said ``text``."""
        until(lambda: text in self.log(), f"{text!r} in the log")
        return self

    def close(self) -> None:
        """End what a failed test has left."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def alive(spooled: Spooled) -> list[int]:
    """Process ids of the job's, wherever they have gone to."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get(names.ENV_SPOOL) == str(spooled.folder)
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
