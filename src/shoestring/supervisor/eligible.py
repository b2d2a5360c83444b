"""Which offers a run may use now, and the re-check right before a launch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from shoestring.domain.offer import Offer
from shoestring.domain.units import seconds_between
from shoestring.planner.feasible import feasible
from shoestring.supervisor.book import RunBook


class BackOff(Protocol):
    """Exponential back-off, in seconds; guaranteed capacity never rests longer than ``retry_s``."""

    @property
    def backoff_s(self) -> float: ...

    @property
    def backoff_max_s(self) -> float: ...

    @property
    def retry_s(self) -> float: ...


class Eligibility:
    """Feasibility by run and offer, remembered while neither the market nor the proof changes."""

    def __init__(self, back_off: BackOff) -> None:
        self._back_off = back_off
        self._market = 0
        self._known: dict[str, tuple[int, bool, tuple[str, ...]]] = {}
        self._refusals: dict[tuple[str, str, object, bool], str] = {}

    def market_changed(self) -> None:
        """Prices or offers are not what they were."""
        self._market += 1

    def offers_for(self, run: RunBook, offers: Mapping[str, Offer], now: datetime) -> tuple[str, ...]:
        """Sorted ids of the offers that this run may launch on now; refused ones pause with back-off."""
        proven = _proven(run)
        known = self._known.get(run.run_id)
        if known is None or known[:2] != (self._market, proven):
            executor = run.submitted.executor
            ids = tuple(
                offer_id
                for offer_id in sorted(offers)
                if offers[offer_id].executor == executor and not self.recheck(run, offer_id, offers)
            )
            known = self._known[run.run_id] = (self._market, proven, ids)
        if not run.refused:
            return known[2]
        return tuple(i for i in known[2] if not self._resting(run, offers[i], now))

    def recheck(self, run: RunBook, offer_id: str, offers: Mapping[str, Offer]) -> str:
        """Why this run must not use this offer, in one line; empty if it may."""
        offer = offers.get(offer_id)
        if offer is None:
            return f"{offer_id}: there is no such offer"
        submitted = run.submitted
        proven = _proven(run)
        key = (run.run_id, offer.id, offer.price.usd_per_hour, proven)
        if key not in self._refusals:
            refusals = feasible(submitted.workload, offer, resume_proven=proven)
            self._refusals[key] = "; ".join(f"{r.text} ({r.fix})" if r.fix else r.text for r in refusals)
        return self._refusals[key]

    def paused(self, run: RunBook, now: datetime) -> bool:
        """Whether the run rests after a failure of its own code."""
        if not run.failures or run.last_failure_at is None:
            return False
        return seconds_between(run.last_failure_at, now) < self._pause_s(run.failures)

    def _resting(self, run: RunBook, offer: Offer, now: datetime) -> bool:
        count, last = run.refused.get(offer.id, (0, now))
        pause_s = self._pause_s(count)
        if run.deadline is not None and not offer.market.preemptible:
            pause_s = min(pause_s, self._back_off.retry_s)  # what the guard counts with for each refusal
        return count > 0 and seconds_between(last, now) < pause_s

    def _pause_s(self, count: int) -> float:
        return min(self._back_off.backoff_max_s, self._back_off.backoff_s * 2.0 ** min(count - 1, 20))


def _proven(run: RunBook) -> bool:
    """Whether the job has shown that it resumes: in a rehearsal, in an earlier run, or in this one."""
    submitted = run.submitted
    profile = submitted.profile
    return (
        submitted.allow_unproven_resume
        or (profile is not None and profile.resume_proven)
        or run.resume_shown()
    )
