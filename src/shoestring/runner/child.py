"""The command as a process tree that can be asked to stop and, if need be, made to."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_S = 5.0  # a process that SIGKILL does not end within this hangs in the kernel; we can't end it

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def become_subreaper() -> None:
    """Make orphans of the tree our children, so that nobody escapes by a double fork (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """In a child between fork and exec: be killed when the parent dies, however it dies (Linux only)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@dataclass
class Child:
    """One command with all that it starts, in a session of its own. We reap every orphan of the tree.

    Args:
        argv: words of the command. env: its whole environment. cwd: None for the runner's own.
        umask: the job's, not the runner's.

    Raises:
        OSError: it can't be started.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path | None = None
    umask: int = 0o022
    exit_code: int | None = field(init=False, default=None)  # negative for a signal; None while it runs
    orphan_codes: list[int] = field(init=False, default_factory=list)  # of processes that outlived it

    def __post_init__(self) -> None:
        self._process = subprocess.Popen(
            list(self.argv),
            env=dict(self.env),
            cwd=self.cwd,
            umask=self.umask,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.output = self._process.stdout.fileno()
        self.output_ended = False
        os.set_blocking(self.output, False)

    def read(self, size: int) -> bytes:
        """Output that is there now; nothing if there is none."""
        try:
            data = os.read(self.output, size)
        except BlockingIOError:
            return b""
        self.output_ended = not data
        return data

    def reap(self) -> None:
        """Take note of everything below us that has ended; its CPU time counts as ours from then on."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if pid == self.pid:
                self.exit_code = self._process.returncode = code
            elif self.exit_code is not None:
                self.orphan_codes.append(code)

    def others_live(self) -> bool:
        """Whether anything else of the tree lives. Stopping a shell must not cut off what it was running."""
        return bool(_living())

    def send(self, number: int) -> None:
        """A signal to the command's process group; nothing if the group has ended."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def kill_tree(self) -> bool:
        """SIGKILL to everything below us, wherever it has gone to; False if something survives even that."""
        end = time.monotonic() + KILL_S
        while living := _living():
            for process in living:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            self.reap()
            if time.monotonic() > end:
                return False
            time.sleep(0.005)  # the kernel needs a moment to end them
        self.reap()
        return True

    def close(self) -> None:
        """Let go of the output."""
        assert self._process.stdout is not None
        self._process.stdout.close()


def _living() -> list[psutil.Process]:
    living = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
        except psutil.NoSuchProcess:
            continue
    return living
