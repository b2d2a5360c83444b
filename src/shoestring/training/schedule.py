"""When a save is due: pure arithmetic on times that are handed in (seconds of a monotonic clock)."""

import math
from dataclasses import dataclass

FIRST_SAVE_S = 60.0  # without a policy: the first save, which then measures what a save costs
ASSUMED_LIFE_S = 3600.0  # without a policy: mean time between failures of a young spot instance
SLACK = 1.25  # a save before a deadline may take this much longer than measured ...
SLACK_S = 0.25  # ... and this much more


@dataclass(slots=True, kw_only=True)
class Schedule:
    """Decides whether to save now.

    Attributes:
        interval_s: from the policy; None: Young's interval for the measured save time.
        started: when training began. last: when the last save began; None if none has.
        save_s: how long a save takes until durable, as measured; None until measured.
    """

    interval_s: float | None
    started: float
    last: float | None = None
    save_s: float | None = None

    def saved(self, began: float, took_s: float) -> None:
        """A save begun at ``began`` took ``took_s``. The estimate rises at once and falls slowly."""
        self.last = began
        self.save_s = took_s if self.save_s is None else max(took_s, (self.save_s + took_s) / 2)

    @property
    def every_s(self) -> float:
        """Seconds from the beginning of a save to that of the next.

        Young 1974: ``sqrt(2 * save time * mean time between failures)``. Never shorter than a save takes, so
        that saves don't queue up.
        """
        if self.interval_s is not None:
            return max(self.interval_s, self.save_s or 0.0)
        if self.save_s is None:
            return FIRST_SAVE_S
        return max(math.sqrt(2 * self.save_s * ASSUMED_LIFE_S), self.save_s)

    def due(self, now: float) -> bool:
        """Whether the interval has passed."""
        return now - (self.started if self.last is None else self.last) >= self.every_s

    def fits(self, now: float, until: float | None) -> bool:
        """Whether a save begun now would be durable by ``until``. Unknown times count as fitting:

        a save that is cut off has no manifest and does no harm.
        """
        return until is None or now + self._needed_s <= until

    def last_call(self, now: float, until: float | None) -> bool:
        """Whether this is about the last moment at which a save still fits before ``until``."""
        if until is None or self.save_s is None or not self.fits(now, until):
            return False
        late_enough = now >= until - self._needed_s - max(self.save_s, 1.0)
        return late_enough and (self.last is None or now - self.last > max(self.save_s, 1.0) + SLACK_S)

    @property
    def _needed_s(self) -> float:
        return SLACK * (self.save_s or 0.0) + SLACK_S
