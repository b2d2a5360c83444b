"""When is enough enough? A job that has fallen silent, and a job whose time is up."""

from dataclasses import dataclass
from pathlib import Path

from shoestring.training import spool as names

PAUSE_S = 5.0  # the runner itself did not look for so long: the node stood still, and the job with it


@dataclass
class Limits:
    """Looks at the job's signs of life. All durations are of the monotonic clock: no clock jump is a hang.

    A sign of life is any change of the heartbeat or the events. Until the first heartbeat no job counts as
    hung: one that never attaches can't be heard.

    Args:
        hang_s, max_duration_s: seconds; None for none. began: monotonic time of the attempt's start.
    """

    folder: Path
    hang_s: float | None
    max_duration_s: float | None
    began: float

    def __post_init__(self) -> None:
        self._sign: object = None
        self._last_sign = self._last_look = self.began

    def passed(self, now: float) -> str | None:
        """``hung`` | ``out_of_time``; None while all is well."""
        if self.max_duration_s is not None and now - self.began > self.max_duration_s:
            return "out_of_time"
        if now - self._last_look > PAUSE_S:
            self._last_sign += now - self._last_look
        self._last_look = now
        beat = _changed(self.folder / names.HEARTBEAT)
        if self.hang_s is None or beat is None:
            return None
        sign = (beat, _changed(self.folder / names.EVENTS))
        if sign != self._sign:
            self._sign, self._last_sign = sign, now
        return "hung" if now - self._last_sign > self.hang_s else None


def _changed(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
