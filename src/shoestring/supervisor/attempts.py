"""What the live attempt of a run is doing, as the policy may see it: its phase, its age, what is not saved."""

from datetime import datetime

from shoestring.domain.fleet import AttemptView, Phase
from shoestring.domain.run import Observation, Outcome
from shoestring.domain.units import seconds_between
from shoestring.supervisor.book import AttemptBook


def attempt_view(attempt: AttemptBook, now: datetime, restart_s: float) -> AttemptView:
    """The live attempt as the policy may see it."""
    seen = attempt.observation
    since = seen.launched_at or attempt.intended_at
    age_s = max(0.0, seconds_between(since, now))
    phase = phase_of(attempt)
    waiting = phase in (Phase.LAUNCHING, Phase.BOOTING)
    booted_s = age_s if (again := mended_at(seen)) is None else max(0.0, seconds_between(again, now))
    gone = [lost.start for lost in seen.nodes_lost if lost.end is None]
    return AttemptView(
        attempt_id=attempt.id,
        offer_id=attempt.offer.id,
        place=attempt.offer.place,
        phase=phase,
        age_s=age_s,
        restart_left_s=max(0.0, restart_s - booted_s) if waiting else 0.0,
        notice_at=seen.notice_at,
        nodes_missing=seen.nodes_missing,
        short_s=max(0.0, seconds_between(min(gone), now)) if gone else 0.0,
    )


def phase_of(attempt: AttemptBook) -> Phase:
    """What the attempt is doing, from the newest observation."""
    seen = attempt.observation
    if attempt.stopping is not None:
        return Phase.STOPPING
    if seen.outcome is Outcome.UNKNOWN:
        return Phase.UNKNOWN
    if seen.notice_at is not None:
        return Phase.NOTICED
    if seen.launched_at is None:
        return Phase.LAUNCHING
    if seen.nodes_missing:
        return Phase.SHORT
    return Phase.TRAINING if _trains(seen) else Phase.BOOTING


def unsaved_s(attempt: AttemptBook, now: datetime) -> float:
    """Seconds of work that would be lost if the instance went now."""
    seen = attempt.observation
    if not _trains(seen) or seen.nodes_missing:
        return 0.0
    saved = [c.at for c in seen.checkpoints]
    began = saved[-1] if saved else (seen.spans[0].start if seen.spans else seen.booted_at)
    again = mended_at(seen)
    if began is not None and again is not None:
        began = max(began, again)
    return 0.0 if began is None else max(0.0, seconds_between(began, now))


def mended_at(seen: Observation) -> datetime | None:
    """When the gang's missing nodes were last replaced; None if they never were."""
    return max((lost.end for lost in seen.nodes_lost if lost.end is not None), default=None)


def _trains(seen: Observation) -> bool:
    beat, again = seen.heartbeat, mended_at(seen)
    if again is not None:
        return any(span.end > again for span in seen.spans)
    if seen.spans or seen.checkpoints:
        return True
    return beat is not None and beat.step > (beat.resumed_step or 0)
