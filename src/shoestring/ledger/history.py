"""One run's history: what the facts of a journal say about it, folded for the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from shoestring.domain.errors import NotFound
from shoestring.domain.facts import (
    Asked,
    Completed,
    Fact,
    Intended,
    Observed,
    RunSubmitted,
    StateChanged,
    SweptOrphan,
)
from shoestring.domain.fleet import Launch, Reason, Release
from shoestring.domain.run import Attempt, Heartbeat, Observation, Outcome, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An attempt that went on in another place than the one before, and why."""

    at: datetime
    from_place: str
    to_place: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """A run as its facts tell it.

    Attributes:
        attempts: those whose launch was not refused, by number.
        reasons: for each attempt's id, why it was launched.
        until: end of a run that is over, else the time of asking.
        refused_launches: launches that met no capacity or a refusal; they cost nothing.
        deadline: the newest one asked for; None if there was none.
        trail: every heartbeat that was seen, in the order of their moments.
    """

    submitted: RunSubmitted
    state: RunState
    cause: str
    until: datetime
    attempts: tuple[Attempt, ...] = ()
    reasons: dict[str, Reason] = field(default_factory=dict)
    moves: tuple[Move, ...] = ()
    refused_launches: int = 0
    orphans_ended: int = 0
    deadline: datetime | None = None
    trail: tuple[Heartbeat, ...] = ()


def history_of(facts: Iterable[Fact], run_id: str, now: datetime) -> RunHistory:
    """Fold the facts of one run; facts of other runs are passed over.

    Raises:
        NotFound: no such run was submitted.
    """
    fold = _Fold()
    for fact in facts:
        if fact.run_id == run_id:
            fold.take(fact)
    if fold.submitted is None:
        raise NotFound(f"no run {run_id!r} in this journal", next_step="shoestring status")
    attempts = tuple(
        _attempt(fold, launch) for launch in fold.launches.values() if not fold.was_refused(launch)
    )
    attempts = tuple(sorted(attempts, key=lambda a: (a.number, a.id)))
    return RunHistory(
        submitted=fold.submitted,
        state=fold.state,
        cause=fold.cause,
        until=fold.state_at if fold.state.terminal and fold.state_at is not None else now,
        attempts=attempts,
        reasons={i: launch.action.reason for i, launch in fold.launches.items()},
        moves=_moves(fold, attempts),
        refused_launches=sum(fold.was_refused(launch) for launch in fold.launches.values()),
        orphans_ended=fold.orphans,
        deadline=fold.deadline or _deadline_of(fold.submitted),
        trail=tuple(fold.beats[at] for at in sorted(fold.beats)),
    )


@dataclass(slots=True)
class _Fold:
    submitted: RunSubmitted | None = None
    state: RunState = RunState.WAITING
    state_at: datetime | None = None
    cause: str = ""
    launches: dict[str, Intended] = field(default_factory=dict)
    observations: dict[str, Observation] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    releases: list[Intended] = field(default_factory=list)
    orphans: int = 0
    deadline: datetime | None = None
    beats: dict[datetime, Heartbeat] = field(default_factory=dict)

    def take(self, fact: Fact) -> None:
        match fact:
            case RunSubmitted():
                self.submitted = self.submitted or fact
            case Intended(action=Launch(), attempt_id=str(attempt_id)):
                self.launches.setdefault(attempt_id, fact)
            case Intended(action=Release()):
                self.releases.append(fact)
            case Completed():
                self.results[fact.action_id] = fact.result
            case Observed(observation=seen):
                self.observations[seen.attempt_id] = _newest(self.observations.get(seen.attempt_id), seen)
                if seen.heartbeat is not None:
                    self.beats[seen.heartbeat.at] = seen.heartbeat
            case StateChanged():
                self.state, self.state_at, self.cause = fact.state, fact.at, fact.cause
            case Asked(deadline=datetime() as deadline):
                self.deadline = deadline
            case SweptOrphan():
                self.orphans += 1

    def was_refused(self, launch: Intended) -> bool:
        """Whether nothing was ever billed under this launch."""
        seen = self.observations.get(launch.attempt_id or "")
        billed = seen is not None and seen.launched_at is not None
        return not billed and self.results.get(launch.action_id) in ("refused", "no_capacity")


def _deadline_of(submitted: RunSubmitted) -> datetime | None:
    workload = submitted.workload
    if workload.deadline_at is not None or workload.deadline_s is None:
        return workload.deadline_at
    return submitted.at + timedelta(seconds=workload.deadline_s)


def _newest(before: Observation | None, seen: Observation) -> Observation:
    """An engine that is away tells nothing new: what was last known of the use stays."""
    if before is not None and seen.outcome is Outcome.UNKNOWN and seen.launched_at is None:
        return before
    return seen


def _attempt(fold: _Fold, launch: Intended) -> Attempt:
    assert launch.attempt_id and launch.offer, "a launch names its attempt and its offer"
    assert fold.submitted is not None
    nothing_seen = Observation(attempt_id=launch.attempt_id, outcome=Outcome.UNKNOWN)
    return Attempt(
        id=launch.attempt_id,
        run_id=launch.run_id,
        number=launch.attempt_number,
        token=launch.token or "",
        offer=launch.offer,
        observation=fold.observations.get(launch.attempt_id, nothing_seen),
    )


def _moves(fold: _Fold, attempts: tuple[Attempt, ...]) -> tuple[Move, ...]:
    """Changes of place between attempts that were billed; the reason is the release's, else the launch's."""
    billed = [a for a in attempts if a.observation.launched_at is not None]
    moves = []
    for before, after in pairwise(billed):
        if before.offer.place == after.offer.place and before.offer.market is after.offer.market:
            continue
        launch = fold.launches[after.id]
        asked = [r for r in fold.releases if fold.launches[before.id].at <= r.at <= launch.at]
        reason = (asked[-1] if asked else launch).action.reason
        moves.append(
            Move(
                at=launch.at,
                from_place=_where(before),
                to_place=_where(after),
                reason=reason,
            )
        )
    return tuple(moves)


def _where(attempt: Attempt) -> str:
    return f"{attempt.offer.place} {attempt.offer.market.value.replace('_', '-')}"
