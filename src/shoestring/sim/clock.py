"""A clock that only moves when it is told to."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday, so that weekly patterns start where people expect


class SimClock:
    """ports.Clock in numbers: sleeping is what moves it.

    >>> clock = SimClock()
    >>> clock.sleep(3600)
    >>> clock.elapsed_s
    3600.0
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        self.start, self.elapsed_s = start, 0.0

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.elapsed_s)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0, "time does not run backwards here"
        self.elapsed_s += seconds

    def at(self, elapsed_s: float) -> datetime:
        """The moment so many seconds after the start."""
        return self.start + timedelta(seconds=elapsed_s)
