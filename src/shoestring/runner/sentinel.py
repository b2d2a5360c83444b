"""A second pair of eyes: should the runner itself be killed, its job must not train on unseen and unpaid-for.

The sentinel is forked before the job starts, sleeps on a pipe that only the runner holds, and costs nothing.
When the pipe closes without a farewell, it kills the job's process group and everything whose environment
names this spool. (PR_SET_PDEATHSIG would reach the first process only, not what a shell has started.)
"""

import os
import signal
import time
from pathlib import Path

import psutil

from shoestring.training.spool import ENV_SPOOL

FAREWELL = b"bye\n"
KILL_S = 5.0


class Sentinel:
    """The runner's end of the pipe. Start it before there are threads, and before becoming a subreaper."""

    def __init__(self, folder: Path) -> None:
        reading, self._writing = os.pipe()
        if (child := os.fork()) == 0:
            _stand_apart(reading, self._writing, folder)
        os.waitpid(child, 0)
        os.close(reading)

    def watch(self, group: int) -> None:
        """Name the process group of the command that runs now; 0 when it has ended."""
        self._say(b"%d\n" % group)

    def dismiss(self) -> None:
        """The runner ends in good order."""
        self._say(FAREWELL)
        os.close(self._writing)

    def _say(self, word: bytes) -> None:
        try:
            os.write(self._writing, word)
        except BrokenPipeError:
            return  # somebody killed the sentinel; the job can do without


def _stand_apart(reading: int, writing: int, folder: Path) -> None:
    """In the fork: leave the runner's family, then wait. Never returns."""
    try:
        os.setsid()
        if os.fork() == 0:
            os.close(writing)
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
                signal.signal(number, signal.SIG_IGN)
            _wait(reading, folder)
    finally:
        os._exit(0)


def _wait(reading: int, folder: Path) -> None:
    group, word = 0, b""
    while chunk := os.read(reading, 4096):
        word = (word + chunk).split(b"\n")[-2] + b"\n"
        if word == FAREWELL:
            return
        group = int(word)
    end = time.monotonic() + KILL_S
    while time.monotonic() < end and _kill(group, str(folder)):
        time.sleep(0.02)


def _kill(group: int, folder: str) -> bool:
    """One round; whether there was anything left to kill."""
    found = False
    if group:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            group = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get(ENV_SPOOL) == folder and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                found = True
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found or group != 0
