"""What an end means: exit code, and what we and others had done to the job."""

import signal
from dataclasses import dataclass

from shoestring.training.spool import EXIT_SAVED

# Signals that people, limits and providers send. A program that crashes by itself gets others (SEGV, ABRT ...).
FROM_OUTSIDE = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM})


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a command ended. ``kind``: done | failed | saved | hung | out_of_time | killed."""

    kind: str
    code: int | None = None  # negative for a signal; None if it never ran
    detail: str = ""


def verdict(
    code: int,
    *,
    stopping: str | None = None,
    killed: bool = False,
    orphan_codes: tuple[int, ...] = (),
    out_of_memory: bool = False,
) -> End:
    """Judge an end.

    Args:
        stopping: why we had asked it to stop: asked | sigterm | hung | out_of_time; None if we had not.
        killed: the grace had passed and we killed it.
        orphan_codes: of processes that outlived their shell after we had asked it to stop.
        out_of_memory: the kernel killed a process for lack of memory while this one ran.

    >>> verdict(0).kind, verdict(85).kind, verdict(1).kind, verdict(-9).kind, verdict(-11).kind
    ('done', 'saved', 'failed', 'killed', 'failed')
    >>> verdict(-15, stopping="asked", orphan_codes=(85,)).kind
    'saved'
    """
    if stopping is not None and EXIT_SAVED in orphan_codes:
        code = EXIT_SAVED  # bash died of the signal, the training it had started saved itself
    how = "killed after the grace" if killed else "it ended when asked to"
    if stopping in ("hung", "out_of_time"):
        return End(kind=stopping, code=code, detail="saved when asked to" if code == EXIT_SAVED else how)
    if code == EXIT_SAVED:
        return End(kind="saved", code=code, detail=stopping or "by its own decision")
    if code == 0:
        return End(kind="done", code=code)
    if stopping is not None:
        return End(kind="killed", code=code, detail=f"{stopping}: {how}, without saying that it had saved")
    number = _signal_of(code)
    if number == signal.SIGKILL and out_of_memory:
        return End(kind="failed", code=code, detail="the kernel killed it: out of memory")
    if number in FROM_OUTSIDE:
        return End(kind="killed", code=code, detail=f"killed from outside by signal {number}")
    return End(kind="failed", code=code, detail="" if number is None else f"killed by signal {number}")


def _signal_of(code: int) -> int | None:
    """The signal that ended a process, told by itself or by its shell (128 + number)."""
    return -code if code < 0 else code - 128 if 128 < code < 128 + signal.NSIG else None
