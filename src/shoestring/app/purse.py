"""The ledger's budgets, as a supervisor obeys them: looked up now and then, kept up with in between."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from shoestring.app.place import home
from shoestring.domain.errors import ShoestringError
from shoestring.domain.fleet import Allowance
from shoestring.supervisor import RunBook

log = logging.getLogger("shoestring.budgets")
LOOK_REAL_S = 30.0  # what others have spent is looked up so often


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the budgets left a run, and what the run itself had spent by then, in dollars."""

    real: float
    changed_ns: int
    allowances: tuple[Allowance, ...]
    spent_usd: float


class Purse:
    """What the budgets of this machine's ledger leave each run.

    Reading the ledger takes part of a second, so it is read every ``LOOK_REAL_S`` and when a budget changes;
    in between the run's own spending is taken off what was left.

    Args:
        spent_usd: rates a run's use so far.
    """

    def __init__(
        self, spent_usd: Callable[[RunBook, datetime], float], *, ledger: Path | None = None
    ) -> None:
        self._spent_usd = spent_usd
        self._ledger = ledger if ledger is not None else home() / "ledger"
        self._looked: dict[str, _Looked] = {}

    def allowances(self, run: RunBook, now: datetime) -> tuple[Allowance, ...]:
        """What is left for ``run`` at ``now`` (the fleet's time); empty where no budget covers it."""
        changed_ns = self._changed_ns()
        if changed_ns is None:
            return ()
        known = self._looked.get(run.run_id)
        stale = known is None or time.monotonic() - known.real > LOOK_REAL_S
        if known is None or stale or known.changed_ns != changed_ns:
            known = self._looked[run.run_id] = self._look(run, now, changed_ns, known)
        if not known.allowances:
            return ()
        since_usd = self._spent_usd(run, now) - known.spent_usd
        return tuple(replace(a, remaining_usd=a.remaining_usd - since_usd) for a in known.allowances)

    def _changed_ns(self) -> int | None:
        """When the budgets last changed; None while there are none, which is told without a database."""
        from shoestring.store.budget_book import NAME

        try:
            return (self._ledger / NAME).stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def _look(self, run: RunBook, now: datetime, changed_ns: int, known: _Looked | None) -> _Looked:
        from shoestring.app.book_runs import (
            book_all_runs,
        )  # late: only those who keep budgets pay for a database
        from shoestring.store.charges import ChargeStore
        from shoestring.workflows.budgets import allowances

        spent_usd = self._spent_usd(run, now)
        store = ChargeStore(self._ledger)
        try:
            for failure in book_all_runs(store, share=False).failed:
                log.warning("not booked: %s", failure)
            labels = {**run.submitted.workload.labels, "run": run.run_id}
            left = allowances(store, run.run_id, labels, today=now.date())
        except ShoestringError as error:
            log.warning("budgets can't be looked up: %s", error)
            left = () if known is None else self._still_left(known, spent_usd)
        return _Looked(time.monotonic(), changed_ns, left, spent_usd)

    @staticmethod
    def _still_left(known: _Looked, spent_usd: float) -> tuple[Allowance, ...]:
        since_usd = spent_usd - known.spent_usd
        return tuple(replace(a, remaining_usd=a.remaining_usd - since_usd) for a in known.allowances)
