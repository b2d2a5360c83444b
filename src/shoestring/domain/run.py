"""Run and Attempt: one submission of a workload, and each continuous life of it on one offer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shoestring.domain.offer import Offer, Price


class RunState(StrEnum):
    """Life of a run. SUCCEEDED, FAILED and CANCELLED are terminal and never change."""

    WAITING = "waiting"  # nothing runs; the policy will launch when it pays
    RUNNING = "running"  # an attempt is launching, booting or training
    SUSPENDED = "suspended"  # saved and stopped; continues with a higher budget or on `resume`
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class Outcome(StrEnum):
    """What is known of an attempt. UNKNOWN (the engine did not answer) is never read as ended."""

    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"


class ExitKind(StrEnum):
    """Why an attempt ended."""

    DONE = "done"  # exit code 0
    FAILED = "failed"  # the user's code failed by itself
    PREEMPTED = "preempted"  # the provider took the instance back
    OUT_OF_TIME = "out_of_time"  # a time limit of the engine
    STOPPED = "stopped"  # we asked for it (move, suspend, cancel)
    HUNG = "hung"  # stopped by us for lack of heartbeats
    NO_START = "no_start"  # never came up: launch refused, capacity error, boot failed
    LOST = "lost"  # the instance is gone and nobody can say why


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The newest sign of life of the training script. ``at`` is in the executor's (market) time.

    Attributes:
        step: optimizer steps done in total over all attempts. total_steps: None if unknown.
        samples: examples seen in total; None if unknown.
        resumed_step: the step this attempt started from; None before it is known.
        cpu_s: processor time of the process that beats, since it started; None if it did not say.
    """

    at: datetime
    step: int
    total_steps: int | None = None
    samples: int | None = None
    loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    resumed_step: int | None = None
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFact:
    """A durable checkpoint: its manifest is committed and its hash is pinned here, in the journal.

    Attributes:
        uri: folder of the checkpoint. manifest_sha256: hex digest over the manifest's bytes.
        at: when it became durable. step: the step it holds. size_bytes: all its files.
        save_s: from the start of the save until durable. blocked_s: of that, how long training stood still.
    """

    id: str
    uri: str
    manifest_sha256: str
    at: datetime
    step: int
    size_bytes: int
    save_s: float
    blocked_s: float
    trigger: str = "due"  # due | notice | sigterm | asked | end


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """A checkpoint loaded at the start of an attempt."""

    at: datetime
    checkpoint_id: str
    step: int
    size_bytes: int
    restore_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSpan:
    """Steps done without a pause: from ``step_from`` at ``start`` to ``step_to`` at ``end``.

    The runner merges heartbeats into spans, so the ledger can tell useful from lost time.
    """

    start: datetime
    end: datetime
    step_from: int
    step_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTotals:
    """What an attempt used so far, summed by the node's sampler. A missing sensor is None, never 0.

    Attributes:
        energy_kind: ``measured`` (RAPL, NVML), ``estimate`` (utilization x typical power) or None.
        devices: names (UUIDs) of the accelerators that the job can use; empty where there are none.
        busy_s, idle_s: seconds in which the job's processes did, did not, use CPU or accelerator.
    """

    sampled_s: float = 0.0
    cpu_s: float | None = None
    memory_peak_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_written_bytes: int | None = None
    net_received_bytes: int | None = None
    net_sent_bytes: int | None = None
    gpu_busy_s: float | None = None
    gpu_memory_peak_bytes: int | None = None
    energy_j: float | None = None
    energy_kind: str | None = None
    busy_s: float | None = None
    idle_s: float | None = None
    devices: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an attempt ended. ``code`` is the process's exit code, negative for a signal, None if unknown."""

    kind: ExitKind
    at: datetime
    code: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSpan:
    """A price that held for an instance from ``start`` until ``end`` (None: still holds)."""

    start: datetime
    end: datetime | None
    price: Price


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesLost:
    """Nodes of a gang that were taken back while the rest was held: from ``start`` until ``end`` (None: still gone).

    They are not billed in that time; the rest is, and trains nothing.
    """

    count: int
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that an executor can say about one attempt at one moment; it replaces the one before.

    Attributes:
        outcome: RUNNING, ENDED (then ``exit`` is set) or UNKNOWN (then all else is as last known, or empty).
        launched_at: when billing began; None while it has not. booted_at: when the job's command began.
        terminated_at: when billing ended; None while it goes on.
        notice_at: when the provider announced to take the instance back; None if it has not.
        price_spans: prices in force over the instance's life so far, gap-free from launched_at.
        checkpoints, restores, spans: everything this attempt has done, oldest first.
        nodes_lost: parts of a gang that went while the rest stayed, oldest first; engines that take a gang
            back whole never say so.
        machine: which machine it is, where instances may share one and the engine knows; None otherwise.
        interrupted: True when the provider ended the instance (matters for first-hour-free rules).
    """

    attempt_id: str
    outcome: Outcome
    launched_at: datetime | None = None
    booted_at: datetime | None = None
    terminated_at: datetime | None = None
    notice_at: datetime | None = None
    heartbeat: Heartbeat | None = None
    checkpoints: tuple[CheckpointFact, ...] = ()
    restores: tuple[Restore, ...] = ()
    spans: tuple[ProgressSpan, ...] = ()
    meter: MeterTotals | None = None
    price_spans: tuple[PriceSpan, ...] = ()
    nodes_lost: tuple[NodesLost, ...] = ()
    interrupted: bool = False
    exit: Exit | None = None
    detail: str = ""
    machine: str | None = None

    @property
    def nodes_missing(self) -> int:
        """Nodes of the gang that are gone now."""
        return sum(lost.count for lost in self.nodes_lost if lost.end is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One life of a run on one offer. ``token`` makes its launch idempotent; it is never used again."""

    id: str
    run_id: str
    number: int
    token: str
    offer: Offer
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a rehearsal or a run measured about a job, keyed to its code and world size.

    Attributes:
        code_sha256: digest over the command and the files of its workdir.
        resume: ``bit_identical`` | ``within_tolerance`` | ``not_resumed`` | ``unproven``.
        steps_per_s, save_s, restore_s, boot_s, checkpoint_bytes, memory_peak_bytes: None until measured.
        source: ``rehearsal`` | ``probe`` | ``run``.
    """

    code_sha256: str
    world_size: int
    measured_at: datetime
    source: str
    resume: str = "unproven"
    accelerator: str | None = None
    steps_per_s: float | None = None
    save_s: float | None = None
    restore_s: float | None = None
    boot_s: float | None = None
    checkpoint_bytes: int | None = None
    memory_peak_bytes: int | None = None
    detail: Mapping[str, str] = field(default_factory=dict)

    @property
    def resume_proven(self) -> bool:
        return self.resume in ("bit_identical", "within_tolerance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What a run has cost so far and what holding its checkpoints goes on costing, in $ and $/day."""

    total_usd: Decimal
    storage_usd_per_day: Decimal | None = None
