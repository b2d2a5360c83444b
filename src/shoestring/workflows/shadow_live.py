"""``shoestring shadow --live``: the production supervisor and policy on prices as they come, with a job in numbers.

Each look at the market is a line of the log before anything is decided on it. What was decided follows from the
looks, so a shadow that was stopped goes on by playing its log again; nothing else is kept, nothing is launched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoestring.domain.facts import Intended, RunSubmitted
from shoestring.domain.fleet import Bounds, Hold
from shoestring.domain.offer import Offer
from shoestring.domain.workload import Workload
from shoestring.policies.base import Policy
from shoestring.sim.clock import SimClock
from shoestring.sim.ghost import GhostEngine
from shoestring.sim.instance import SimJob
from shoestring.store.memory import MemoryJournal
from shoestring.supervisor import Options, RunBook, Supervisor
from shoestring.supervisor.view import Assumptions, progress_of
from shoestring.workflows.receipt import receipt_of

RUN = "shadow"
AGAIN_S = 30.0  # after a look the supervisor goes on at its own pace: a move is a stop and then a launch
TURNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """The job in numbers, and the market's offers that it may use as they were first seen."""

    workload: Workload
    job: SimJob
    offers: tuple[Offer, ...]
    started_at: datetime
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that the policy would have done. ``usd``: spent by then."""

    at: datetime
    action: str
    offer: str | None
    code: str
    text: str
    runner_up: str | None
    saving_usd: float | None
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the shadow stands. ``usd``: rated until now; ``done``: the job would have ended."""

    at: datetime
    started_at: datetime
    looks: int
    usd: float
    done: bool
    in_time: bool | None
    losses: int
    work_left_s: float | None


class LiveShadow:
    """The supervisor over a ghost. Feed it looks, in order; it says what it would have done."""

    def __init__(self, ghost: Ghost, policy: Policy) -> None:
        self.ghost, self.policy = ghost, policy
        self.clock = SimClock(ghost.started_at)
        self.engine = GhostEngine(self.clock, ghost.offers, ghost.job)
        self.journal = MemoryJournal()
        self.looks, self._read = 0, 0
        self.engine.see(ghost.started_at, ghost.offers)
        self.journal.ask(
            RunSubmitted(
                run_id=RUN, at=ghost.started_at, workload=ghost.workload, executor=self.engine.name,
                policy=policy.name, code_sha256="", allow_unproven_resume=True,
            )
        )  # fmt: skip
        lease = self.journal.acquire(RUN, 86_400.0)  # nobody contends for a journal in memory
        assert lease is not None
        self.supervisor = Supervisor(
            journal=self.journal,
            executors={self.engine.name: self.engine},
            policy=policy,
            clock=self.clock,
            lease=lease,
            spent_usd=self._spent_usd,
            options=Options(
                tick_s=ghost.every_s,
                hang_s=None,
                assumptions=Assumptions(bounds=Bounds(poll_gap_s=ghost.every_s)),
            ),
        )

    def look(self, at: datetime, offers: Sequence[Offer] | None, away: str = "") -> list[Turn]:
        """The market at a moment (None: the source did not answer, and said why); what is decided on it."""
        elapsed_s = (at - self.ghost.started_at).total_seconds()
        if elapsed_s < self.clock.elapsed_s and self.looks:
            return []  # a clock that was set back: nothing is seen until it has caught up
        self.looks += 1
        self.clock.elapsed_s = elapsed_s
        if offers is None:
            self.engine.away = away
        else:
            self.engine.see(at, offers)
        for _ in range(TURNS if self.ghost.every_s > TURNS * AGAIN_S else 1):
            if self.done:
                break
            self.supervisor.tick()
            self.clock.sleep(AGAIN_S)
        return self._turns()

    @property
    def run(self) -> RunBook:
        """The run as the supervisor knows it."""
        return self.supervisor.book.runs[RUN]

    @property
    def done(self) -> bool:
        """Whether the job would have ended."""
        return RUN in self.supervisor.book.runs and self.run.done

    def standing(self, at: datetime) -> Standing:
        """What it would have cost until now."""
        paid = receipt_of(self.journal, RUN, now=max(at, self.ghost.started_at))
        left = None
        if not self.done:
            step = progress_of(self.run).step or 0
            left = (self.ghost.job.steps - step) / max(self.ghost.job.steps_per_s.values())
        return Standing(
            at=at,
            started_at=self.ghost.started_at,
            looks=self.looks,
            usd=float(paid.cost.rated_usd),
            done=self.done,
            in_time=paid.in_time,
            losses=paid.preemptions,
            work_left_s=left,
        )

    def _spent_usd(self, run: RunBook, now: datetime) -> float:
        return float(sum((line.amount_usd for line in self.engine.bill()), Decimal(0)))

    def _turns(self) -> list[Turn]:
        found = []
        for entry in self.journal.read(self._read):
            self._read = entry.seq
            fact = entry.fact
            if isinstance(fact, Intended):
                action = fact.action
                offer = getattr(action, "offer_id", None) or getattr(action, "to_offer_id", None)
                verb = (
                    "wait" if isinstance(action, Hold) and fact.view and fact.view.attempt is None else None
                )
                found.append(
                    Turn(
                        at=fact.at,
                        action=verb or type(action).__name__.lower(),
                        offer=offer,
                        code=action.reason.code,
                        text=action.reason.text,
                        runner_up=action.reason.runner_up,
                        saving_usd=action.reason.saving_usd,
                        usd=0.0 if fact.view is None else fact.view.spent_usd,
                    )
                )
        return found
