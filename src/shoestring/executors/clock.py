"""Clocks: real time, and a rehearsal market's, which runs faster and survives every crash."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketClock:
    """ports.Clock in which one real second is ``scale`` seconds of the market.

    Attributes:
        real_start: real time, in seconds since the epoch, at which the market's clock stood at ``start``.
    """

    real_start: float
    start: datetime
    scale: float

    def now(self) -> datetime:
        return self.at(time.time())

    def at(self, real: float) -> datetime:
        """The market's moment at a real one (seconds since the epoch)."""
        return self.start + timedelta(seconds=(real - self.real_start) * self.scale)

    def elapsed_s(self, real: float) -> float:
        """Seconds of the market since its start."""
        return (real - self.real_start) * self.scale

    def real(self, elapsed_s: float) -> float:
        """Real time, in seconds since the epoch, so many market seconds after the start."""
        return self.real_start + elapsed_s / self.scale

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.scale)


REAL_TIME = MarketClock(real_start=0.0, start=datetime(1970, 1, 1, tzinfo=UTC), scale=1.0)
