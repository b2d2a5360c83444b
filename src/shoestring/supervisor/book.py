"""The book: all that the facts of a journal add up to. Folding the same facts gives the same book."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

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
from shoestring.domain.fleet import Launch, Release, Replace, Suspend
from shoestring.domain.offer import Offer
from shoestring.domain.run import Attempt, CheckpointFact, ExitKind, Observation, Outcome, RunState

NEVER_LISTED = "the engine never listed this launch"


@dataclass(slots=True)
class AttemptBook:
    """One attempt as far as it is known. ``completed``: what came of the launch call; None while open."""

    id: str
    number: int
    token: str
    offer: Offer
    intended_at: datetime
    observation: Observation
    completed: str | None = None
    stopping: str | None = None  # why we asked it to end: move | suspend:<cause> | cancel | hang | too_late
    stopping_since: datetime | None = None
    move_to: str | None = None
    stop_sent: bool = False  # not a fact: after a crash the stop is simply said again
    looks: int = 0  # since it was given up; not a fact: the next leader looks as often again

    @property
    def ended(self) -> bool:
        return self.observation.outcome is Outcome.ENDED

    @property
    def given_up(self) -> bool:
        """Taken as never started because no engine listed it, and nothing seen of it since."""
        end = self.observation.exit
        return end is not None and end.kind is ExitKind.NO_START and end.detail == NEVER_LISTED

    def value(self, run_id: str) -> Attempt:
        """The attempt as an immutable value, for the ledger."""
        return Attempt(
            id=self.id,
            run_id=run_id,
            number=self.number,
            token=self.token,
            offer=self.offer,
            observation=self.observation,
        )


@dataclass(slots=True)
class RunBook:
    """One run as far as it is known."""

    submitted: RunSubmitted
    state: RunState = RunState.WAITING
    cause: str = ""
    attempts: list[AttemptBook] = field(default_factory=list)
    budget_usd: Decimal | None = None
    deadline: datetime | None = None
    failures: int = 0
    last_failure_at: datetime | None = None
    refused: dict[str, tuple[int, datetime]] = field(default_factory=dict)  # offer -> failed launches, last
    last_intent: Intended | None = None
    cancelling: bool = False
    suspending: str | None = None

    @property
    def run_id(self) -> str:
        return self.submitted.run_id

    @property
    def live(self) -> AttemptBook | None:
        """The attempt that may hold an instance now."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and not last.ended else None

    @property
    def done(self) -> bool:
        """Terminal, and no attempt that may still hold an instance."""
        return self.state.terminal and self.live is None

    def checkpoints(self) -> tuple[CheckpointFact, ...]:
        """Durable checkpoints of all attempts, newest first: the journal says which are ours."""
        found = [c for attempt in self.attempts for c in attempt.observation.checkpoints]
        if len(found) < 2:
            return tuple(found)
        return tuple(sorted(found, key=lambda c: (c.step, c.at), reverse=True))

    def resume_shown(self) -> bool:
        """Whether this run has itself gone on from a checkpoint: proof enough to use spot."""
        return any(r.step > 0 for attempt in self.attempts for r in attempt.observation.restores)


class Book:
    """The fold. ``apply`` is the only way in."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.runs: dict[str, RunBook] = {}
        self.tokens: dict[str, tuple[RunBook, AttemptBook]] = {}
        self.given_up: dict[str, tuple[RunBook, AttemptBook]] = {}  # may yet show up, or run since they did
        self.actions = 0
        for fact in facts:
            self.apply(fact)

    def apply(self, fact: Fact) -> None:
        """Take one fact in. A fact about a run that was never submitted is our own mistake."""
        if isinstance(fact, RunSubmitted):
            self._submit(fact)
            return
        run = self.runs.get(fact.run_id)
        if run is None:
            assert isinstance(fact, SweptOrphan), f"{type(fact).__name__} about unknown run {fact.run_id}"
            return
        match fact:
            case Intended():
                self._intend(run, fact)
            case Completed():
                self._complete(run, fact)
            case Observed():
                self._observe(run, self._attempt(run, fact.observation.attempt_id), fact)
            case StateChanged():
                assert not run.state.terminal, f"{run.run_id}: {run.state} is terminal and never changes"
                run.state, run.cause = fact.state, fact.cause
                if fact.state is not RunState.RUNNING:
                    run.suspending = None
            case Asked():
                self._ask(run, fact)

    def _submit(self, fact: RunSubmitted) -> None:
        workload = fact.workload
        deadline = workload.deadline_at
        if deadline is None and workload.deadline_s is not None:
            deadline = fact.at + timedelta(seconds=workload.deadline_s)
        if fact.run_id not in self.runs:
            self.runs[fact.run_id] = RunBook(
                submitted=fact, budget_usd=workload.budget_usd, deadline=deadline
            )

    def _intend(self, run: RunBook, fact: Intended) -> None:
        self.actions += 1
        run.last_intent = fact
        if isinstance(fact.action, Launch):
            assert fact.token and fact.attempt_id and fact.offer, "a launch names its attempt"
            assert run.live is None, f"{run.run_id}: a second launch while {run.live and run.live.id} lives"
            attempt = AttemptBook(
                id=fact.attempt_id,
                number=fact.attempt_number,
                token=fact.token,
                offer=fact.offer,
                intended_at=fact.at,
                observation=Observation(attempt_id=fact.attempt_id, outcome=Outcome.RUNNING),
            )
            run.attempts.append(attempt)
            self.tokens[fact.token] = (run, attempt)
            return
        live = run.live
        if isinstance(fact.action, Suspend):
            run.suspending = fact.action.cause
        if live is not None and isinstance(fact.action, Suspend | Release):
            moving = isinstance(fact.action, Release)
            live.stopping = "move" if moving else f"suspend:{run.suspending}"
            live.stopping_since = fact.at
            live.move_to = fact.action.to_offer_id if isinstance(fact.action, Release) else None

    def _observe(self, run: RunBook, attempt: AttemptBook, fact: Observed) -> None:
        attempt.observation = fact.observation
        if attempt.ended:
            self._count_failure(run, attempt, fact.at)
        elif attempt.token in self.given_up:
            attempt.stopping, attempt.stopping_since = "too_late", fact.at
        if attempt.given_up:
            self.given_up[attempt.token] = (run, attempt)
        elif attempt.ended:
            self.given_up.pop(attempt.token, None)

    def _complete(self, run: RunBook, fact: Completed) -> None:
        for attempt in reversed(run.attempts):
            if attempt.id == fact.action_id:  # a launch's action id is its attempt's id
                attempt.completed = fact.result
                if fact.result == "no_capacity":
                    self._count_refusal(run, attempt, fact.at)
                return
        live, last = run.live, run.last_intent
        replacing = last is not None and isinstance(last.action, Replace) and last.action_id == fact.action_id
        if live is not None and replacing and fact.result == "no_capacity":
            self._count_refusal(run, live, fact.at)

    def _count_failure(self, run: RunBook, attempt: AttemptBook, at: datetime) -> None:
        end = attempt.observation.exit
        if end is None:
            return
        if end.kind is not ExitKind.NO_START:
            run.refused.pop(attempt.offer.id, None)
        elif attempt.completed == "done":  # granted, and yet nothing came: as good as a refusal
            self._count_refusal(run, attempt, at)
        workload = run.submitted.workload
        recovers = end.code is not None and end.code in workload.recover_on_exit_codes
        killed = (
            end.kind is ExitKind.LOST and end.code is not None
        )  # by itself or from outside: who can tell?
        if (end.kind in (ExitKind.FAILED, ExitKind.HUNG) or killed) and not recovers:
            run.failures += 1
            run.last_failure_at = at

    @staticmethod
    def _count_refusal(run: RunBook, attempt: AttemptBook, at: datetime) -> None:
        count, _ = run.refused.get(attempt.offer.id, (0, at))
        run.refused[attempt.offer.id] = (count + 1, at)

    def _ask(self, run: RunBook, fact: Asked) -> None:
        if fact.budget_usd is not None:
            run.budget_usd = fact.budget_usd
        if fact.deadline is not None:
            run.deadline = fact.deadline
        live = run.live
        if fact.what == "cancel":
            run.cancelling = True
        elif fact.what == "suspend" and not run.state.terminal:
            run.suspending = "user"
        elif fact.what == "resume":
            run.failures = 0
        if live is not None and fact.what in ("cancel", "suspend"):
            live.stopping = "cancel" if fact.what == "cancel" else "suspend:user"
            live.stopping_since = fact.at

    @staticmethod
    def _attempt(run: RunBook, attempt_id: str) -> AttemptBook:
        for attempt in reversed(run.attempts):
            if attempt.id == attempt_id:
                return attempt
        raise AssertionError(f"{run.run_id}: no attempt {attempt_id}")
