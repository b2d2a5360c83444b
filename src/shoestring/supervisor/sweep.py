"""The orphan sweep: what the engines run under our tag must be what the journal accounts for.

Engine first, journal second, and a grace for instances that were only just asked for: the order in which
nothing that is being launched can be mistaken for an orphan.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from shoestring.domain.errors import ExecutorUnavailable
from shoestring.domain.facts import SweptOrphan
from shoestring.domain.units import seconds_between
from shoestring.ports import Executor, LiveInstance
from shoestring.supervisor.book import Book


class SweepTimes(Protocol):
    """How often to sweep, and from which age an unaccounted instance is ended, in seconds."""

    @property
    def sweep_s(self) -> float: ...

    @property
    def orphan_grace_s(self) -> float: ...


class Sweeper:
    """Ends instances that carry our tag and that no live attempt of the journal accounts for."""

    def __init__(self, times: SweepTimes) -> None:
        self._times = times
        self._last: datetime | None = None

    def sweep(
        self, book: Book, executors: Mapping[str, Executor], epoch: int, now: datetime
    ) -> list[SweptOrphan]:
        """Sweep if it is time; the facts of what was ended. An engine that is away is swept next time."""
        if self._last is not None and seconds_between(self._last, now) < self._times.sweep_s:
            return []
        self._last = now
        swept = []
        for executor in executors.values():
            try:
                for instance in executor.alive():
                    if self._orphaned(instance, book, now):
                        executor.cancel(instance.token, epoch, grace_s=0.0)
                        swept.append(
                            SweptOrphan(
                                run_id=instance.run_id,
                                at=now,
                                token=instance.token,
                                detail=f"alive on {executor.name} since {instance.launched_at.isoformat()}",
                            )
                        )
            except ExecutorUnavailable:
                continue
        return swept

    def _orphaned(self, instance: LiveInstance, book: Book, now: datetime) -> bool:
        if seconds_between(instance.launched_at, now) < self._times.orphan_grace_s:
            return False
        known = book.tokens.get(instance.token)
        return known is None or known[1].ended
