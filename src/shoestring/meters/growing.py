"""A counter of the system that should only grow, but wraps, restarts or comes and goes."""

from dataclasses import dataclass


@dataclass(slots=True)
class Growing:
    """What a counter has grown since it was first seen.

    Args:
        wraps_at: value after which it starts at 0 again; None: a fall means it was reset to 0.

    >>> energy = Growing(wraps_at=1000)
    >>> for reading in (900, 950, 30):
    ...     energy.see(reading)
    >>> energy.total
    130.0
    """

    wraps_at: float | None = None
    total: float = 0.0
    _last: float | None = None

    def see(self, reading: float) -> None:
        """Take a reading in."""
        step = reading - (reading if self._last is None else self._last)
        if step < 0:
            step = reading if self.wraps_at is None else step + self.wraps_at
        self.total += max(0.0, step)
        self._last = reading
