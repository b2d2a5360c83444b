"""Attendance: when each run was last looked after, so that a decision can say for how long nobody did."""

from datetime import datetime

from shoestring.domain.run import Outcome
from shoestring.domain.units import seconds_between
from shoestring.supervisor.book import RunBook


class Attendance:
    """Moments of the last look at each run. A run whose engine does not answer was not looked at."""

    def __init__(self) -> None:
        self._last: dict[str, datetime] = {}
        self._before: datetime | None = None

    def journaled(self, at: datetime) -> None:
        """Somebody led at this moment: an earlier leader wrote a line. It may have lived on for a while."""
        self._before = at

    def unwatched_s(self, run: RunBook, now: datetime) -> float:
        """Seconds since anybody looked at this run."""
        last = self._last.get(run.run_id)
        if last is None:
            last = run.submitted.at if self._before is None else max(run.submitted.at, self._before)
        return max(seconds_between(last, now), 0.0)

    def looked(self, run: RunBook, now: datetime) -> None:
        """It is looked at now, as far as its engine answers."""
        live = run.live
        if live is None or live.observation.outcome is not Outcome.UNKNOWN:
            self._last[run.run_id] = now
