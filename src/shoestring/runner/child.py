"""The command as a process tree that can be asked to stop and, if need be, made to."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make orphans of the tree our children, so that nobody escapes by a double fork."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """In a child between fork and exec: be killed when the parent dies, however it dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Child:
    """One command with all that it starts.

    Args:
        argv: words of the command; a shell script is ``["/bin/bash", "-c", text]``.
        env: its whole environment. cwd: None for the runner's own.
    """

    def __init__(self, argv: list[str], *, env: Mapping[str, str], cwd: Path | None) -> None:
        self._process = subprocess.Popen(
            argv,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.output = self._process.stdout.fileno()
        os.set_blocking(self.output, False)

    def exit_code(self) -> int | None:
        """The command's exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """SIGTERM to the command's whole process group."""
        self._signal_group(signal.SIGTERM)

    def kill_tree(self) -> None:
        """SIGKILL to everything below us, those included that left the group or the session."""
        self._signal_group(signal.SIGKILL)
        for process in psutil.Process().children(recursive=True):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue

    def reap_orphans(self) -> None:
        """Wait for adopted children that have ended, so that no zombie and no CPU second is left over."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG | os.WNOWAIT if self.exit_code() is None else os.WNOHANG)
            except ChildProcessError:
                return
            if pid in (0, self.pid):
                return
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                return

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return
