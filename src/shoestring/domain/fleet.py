"""FleetView -> Actions: all that a policy may know, and all that it may want.

One run is a fleet of one. A policy gets values and gives values; the supervisor re-checks, journals and acts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shoestring.domain.offer import Offer
from shoestring.domain.run import RunState
from shoestring.domain.units import seconds_between
from shoestring.domain.workload import Goal


class Phase(StrEnum):
    """What the running attempt is doing."""

    LAUNCHING = "launching"  # asked for, not yet billed
    BOOTING = "booting"  # billed, the job's command has not begun or has not made its first new step
    TRAINING = "training"
    SHORT = "short"  # nodes of the gang are gone; the rest is billed and does nothing
    NOTICED = "noticed"  # the provider has announced to take it back
    STOPPING = "stopping"  # we asked it to save and end
    UNKNOWN = "unknown"  # the engine did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the deadline guarantee rests on: stated worst cases, in seconds.

    Attributes:
        boot_s: from the launch call to the first new step (boot, restore).
        launch_retries: failed launches of guaranteed capacity in a row.
        retry_s: time one failed launch costs.
        poll_gap_s: longest time between two decisions.
        save_s: longest save before a stop.
    """

    boot_s: float = 900.0
    launch_retries: int = 1
    retry_s: float = 60.0
    poll_gap_s: float = 60.0
    save_s: float = 120.0

    @property
    def switch_s(self) -> float:
        """Time that a last-moment switch to guaranteed capacity may cost before work goes on."""
        return self.save_s + self.launch_retries * self.retry_s + self.boot_s


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """The attempt that holds an instance now. ``age_s``: since launch. ``place``: zone or region.

    Attributes:
        nodes_missing, short_s: of a gang that lost nodes: how many, and for how long; 0 while it is whole.
    """

    attempt_id: str
    offer_id: str
    place: str
    phase: Phase
    age_s: float
    restart_left_s: float = 0.0
    notice_at: datetime | None = None
    nodes_missing: int = 0
    short_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of a budget for a scope, and what its owner wants done when nothing is."""

    scope: str
    remaining_usd: float
    on_breach: str = "suspend"  # warn | hold | suspend


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What a policy may know of one run.

    Attributes:
        work_total_s, work_left_s: by accelerator name (``cpu`` for none), seconds of useful work; an
            accelerator that is missing has unknown speed and must not be chosen to meet a deadline.
        deadline: None means the user gave none.
        spent_usd, budget_usd: rated so far, and the limit (None: no limit).
        eligible: ids of the offers this run may use at all (residency, backend, memory, proven resume);
            everything else is refused by the supervisor, with the reason in the journal.
        restart_s: expected seconds from launch to the first new step; measured where possible.
        save_s, restore_s, checkpoint_bytes: None until measured.
        checkpoint_age_s: seconds of work that would be lost now; 0 when everything is saved.
        checkpoint_place: where the newest durable checkpoint lies; None before the first.
        move_usd: dollars to bring the checkpoint (and staged data) to a place; a place that is missing: 0.
        opportunity_usd_per_hour: by offer id, what others would pay for owned or reserved hours.
        p_capacity: by offer id, probability that a launch is granted; a missing id: unknown.
        allowances: what the budgets that cover this run leave it, its own ``budget_usd`` aside.
        fresh: nothing of it has run yet; a budget that holds new runs holds these.
        unwatched_s: since it was last looked at, because nobody led or its engine did not answer.
    """

    run_id: str
    state: RunState
    submitted_at: datetime
    work_total_s: Mapping[str, float]
    work_left_s: Mapping[str, float]
    deadline: datetime | None = None
    spent_usd: float = 0.0
    budget_usd: float | None = None
    goal: Goal = Goal.CHEAPEST
    num_nodes: int = 1
    eligible: tuple[str, ...] = ()
    attempt: AttemptView | None = None
    restart_s: float = 300.0
    save_s: float | None = None
    restore_s: float | None = None
    checkpoint_bytes: int | None = None
    checkpoint_age_s: float = 0.0
    checkpoint_place: str | None = None
    move_usd: Mapping[str, float] = field(default_factory=dict)
    opportunity_usd_per_hour: Mapping[str, float] = field(default_factory=dict)
    p_capacity: Mapping[str, float] = field(default_factory=dict)
    bounds: Bounds = Bounds()
    allowances: tuple[Allowance, ...] = ()
    fresh: bool = False
    unwatched_s: float = 0.0

    def work_left_on(self, offer: Offer) -> float | None:
        """Seconds of work left on this offer's accelerator; None if its speed is unknown."""
        return self.work_left_s.get(offer.accelerator or "cpu")

    def time_left_s(self, now: datetime) -> float | None:
        """Seconds until the deadline, negative once past; None without a deadline."""
        return None if self.deadline is None else seconds_between(now, self.deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """Owned or reserved capacity that runs share. ``hours_left``: None if it never ends."""

    pool_id: str
    offer_id: str
    slots_free: int
    slots_total: int
    hours_left: float | None = None
    queued_runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """Everything a policy may know, at one moment. Order of runs and offers carries no meaning."""

    now: datetime
    runs: tuple[RunView, ...]
    offers: Mapping[str, Offer]
    pools: tuple[PoolView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: a stable code, one sentence, the numbers used, and what came second.

    Attributes:
        code: e.g. ``behind_line``, ``spot_up``, ``deadline_guard``; stable over releases.
        saving_usd: expected saving against the runner-up; None if it was not estimated.
    """

    code: str
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    runner_up: str | None = None
    saving_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Go on as it is: the running attempt runs on, or the run keeps waiting."""

    run_id: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Start an attempt on an offer. Only for a run that holds no instance."""

    run_id: str
    offer_id: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Save, stop and give the instance back; ``to_offer_id`` names where a move is headed (else: wait)."""

    run_id: str
    reason: Reason
    to_offer_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """Ask the job to write a checkpoint now and train on."""

    run_id: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Ask for the missing nodes of a gang again, the rest held; the job then goes on from its checkpoint."""

    run_id: str
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspend:
    """Save, stop, and stay stopped until a person or a higher budget lets the run go on."""

    run_id: str
    cause: str  # budget | user | unproven
    reason: Reason


Action = Hold | Launch | Release | Save | Replace | Suspend
