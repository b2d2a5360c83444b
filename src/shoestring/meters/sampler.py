"""The thread that looks: often enough to see peaks, seldom enough to cost nothing."""

import threading
import time
from typing import TYPE_CHECKING

from shoestring.domain.run import MeterTotals

if TYPE_CHECKING:  # the runner must be up at once, and all doors together take their time
    from shoestring.ports import Meter

SHORTEST_S, LONGEST_S = 1.0, 5.0
EARLY_S = (0.1, 0.2, 0.4)  # the first looks come sooner, so that short jobs are seen at all
DUTY = 0.001  # of one core is what looking may cost; nodes with very many processes are looked at less often


class Sampler:
    """ports.Meter that answers at once with the newest look, however slow a sensor may be.

    Args:
        meter: looked at by one thread of our own only.
        every_s: shortest time between two looks.
    """

    def __init__(self, meter: "Meter", *, every_s: float = SHORTEST_S) -> None:
        self._meter, self._every_s = meter, every_s
        self._newest = MeterTotals()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)
        self.sampler_cpu_s = 0.0

    def start(self) -> "Sampler":
        self._thread.start()
        return self

    def totals(self) -> MeterTotals:
        """The newest totals; all None before the first look is over."""
        return self._newest

    def stop(self, timeout_s: float = 2.0) -> bool:
        """A last look, then no more; False if a sensor hangs, and the totals are the newest there were."""
        self._end.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        last, early = False, iter(EARLY_S)
        while not last:
            last = self._end.is_set()
            self._newest = self._meter.totals()
            before, self.sampler_cpu_s = self.sampler_cpu_s, time.thread_time()
            cost_s = self.sampler_cpu_s - before
            usual_s = min(max(self._every_s, cost_s / DUTY), max(self._every_s, LONGEST_S))
            if not last:
                self._end.wait(min(next(early, usual_s), usual_s))
