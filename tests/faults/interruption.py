"""A process that dies at a chosen call to the file system, as far as Python makes it: from then on it does nothing.

What a dead process leaves, it leaves: no ``finally`` tidies up, since every later call fails as well. (Calls that
the engine makes by itself are met in ``test_imports.py``, from outside the process.)
"""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

CALLS = (
    (os, "open"),
    (os, "replace"),
    (os, "fsync"),
    (os, "mkdir"),
    (os, "unlink"),
    (os, "rmdir"),
    (io, "open"),
)
NOBODY = 4_194_305  # above every process id of Linux (man 5 proc_sys_kernel, pid_max)


class Died(BaseException):
    """The process is no more. Nothing may catch it but the test."""


class Interruption:
    """Counts calls to the file system and dies at the ``at``-th, before or after it is done."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after = at, after
        self.calls = 0

    @property
    def happened(self) -> bool:
        return self.calls >= self.at

    def guard(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls > self.at or (self.calls == self.at and not self.after):
                raise Died
            done = call(*args, **options)
            if self.calls == self.at:
                raise Died
            return done

        return guarded


@contextlib.contextmanager
def dying(at: int, *, after: bool) -> Iterator[Interruption]:
    """Within this, the ``at``-th call to the file system is the process's last; its death ends here."""
    interruption = Interruption(at, after=after)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(Died))
        for module, name in CALLS:
            stack.enter_context(mock.patch.object(module, name, interruption.guard(getattr(module, name))))
        yield interruption


@contextlib.contextmanager
def refusing(at: int, number: int) -> Iterator[Interruption]:
    """Within this, the file system refuses every call from the ``at``-th on with this error number."""
    refusal = Interruption(at, after=False)

    def guard(call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **options: Any) -> Any:
            refusal.calls += 1
            if refusal.happened:
                raise OSError(number, os.strerror(number))
            return call(*args, **options)

        return guarded

    with contextlib.ExitStack() as stack:
        for module, name in CALLS:
            stack.enter_context(mock.patch.object(module, name, guard(getattr(module, name))))
        yield refusal


def leave_to_nobody(staging: Path) -> None:
    """Give what this process has left in a ledger's staging folder to one that is no more."""
    for left in list(staging.glob(f"{os.getpid()}-*")) if staging.is_dir() else []:
        left.rename(left.with_name(left.name.replace(f"{os.getpid()}-", f"{NOBODY}-", 1)))
