"""Sleep until something happens: output, the end of a child, a signal, or the next look is due."""

import os
import select
import signal
from collections.abc import Callable, Mapping
from types import FrameType


class Wake:
    """Signals wake the loop and are kept for it; nothing is done inside a handler.

    Args:
        heard: called by the loop's own hand, in :meth:`wait`, for each signal that came.
    """

    def __init__(self, heard: Mapping[int, Callable[[], None]]) -> None:
        self._heard = heard
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in (*heard, signal.SIGCHLD):
            signal.signal(number, _nothing)

    def nudge(self) -> None:
        """End the sleep, from any thread. Raises BlockingIOError if the loop has not looked for very long."""
        os.write(self._writing, b"\0")

    def wait(self, output: int | None, timeout_s: float) -> bool:
        """Wait at most ``timeout_s``; whether there is something to read from ``output``."""
        wanted = [self._reading] if output is None else [self._reading, output]
        ready, _, _ = select.select(wanted, [], [], max(0.0, timeout_s))
        if self._reading in ready:
            for number in set(os.read(self._reading, 4096)):
                if number in self._heard:
                    self._heard[number]()
        return output in ready


def _nothing(number: int, frame: FrameType | None) -> None:
    """The wake-up descriptor has told the loop already."""
