"""Workload: what must be computed, where its data may be, and what the user asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shoestring.domain.model import ModelSpec
from shoestring.domain.units import SECONDS_PER_HOUR


class Goal(StrEnum):
    """What to favor among the ways to run a job that keep the deadline and the budget."""

    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    BALANCED = "balanced"


class Backend(StrEnum):
    """What the job's code is written for. An accelerator of another family is refused."""

    CUDA = "cuda"
    ROCM = "rocm"
    TPU = "tpu"
    NEURON = "neuron"
    GAUDI = "gaudi"
    CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursOf:
    """Work given as hours on a named accelerator (or ``cpu``), for the whole job at its asked count."""

    hours: float
    accelerator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Work given as optimizer steps, with the speed measured on each accelerator (steps per second)."""

    steps: int
    steps_per_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """Work given as floating-point operations, at a model FLOPs utilization (0 < mfu <= 1; None: a prior)."""

    flops: float
    mfu: float | None = None
    dtype: str = "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Work given as tokens to train on; with the size of the job's model that makes FLOPs."""

    tokens: float
    mfu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Work unknown: to be measured by ``shoestring probe``."""


Work = HoursOf | Steps | Flops | Tokens | Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceleratorRequest:
    """One way to be satisfied: ``H100:8`` is (H100, 8, 8); ``H100:1..`` has no maximum (None)."""

    name: str
    count_min: float = 1
    count_max: float | None = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """One admissible shape of node; a workload holds one or several, any of which will do.

    Attributes:
        accelerators: any of them; empty means CPU only.
        provider, region, zone: where; None means anywhere.
        use_spot: True spot only, False on-demand only, None whatever pays.
        cpus_min, memory_gib_min: per node; None means no demand.
        max_hourly_usd: price cap per node and hour; None means none.
        rank: position among ``ordered`` requests, 0 first; None for ``any_of``.
    """

    accelerators: tuple[AcceleratorRequest, ...] = ()
    provider: str | None = None
    region: str | None = None
    zone: str | None = None
    instance_type: str | None = None
    use_spot: bool | None = None
    cpus_min: float | None = None
    memory_gib_min: float | None = None
    disk_gib: float | None = None
    max_hourly_usd: Decimal | None = None
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSpec:
    """Where a job saves itself and what that costs.

    Attributes:
        where: fsspec URI or path of the folder; None if the job declares no checkpoint.
        size_bytes, save_s, restore_s: None until measured or declared.
        glob: pattern of foreign checkpoints under ``where`` (Hugging Face, Lightning ...); None: ours.
        complete_marker: file inside a foreign checkpoint that proves it whole.
        interval_s: asked for by the user; None leaves it to the policy.
        keep_last: how many to keep.
    """

    where: str | None = None
    size_bytes: int | None = None
    save_s: float | None = None
    restore_s: float | None = None
    glob: str | None = None
    complete_marker: str | None = None
    interval_s: float | None = None
    keep_last: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """Where data may be: regions or prefixes (``eu-``), providers and countries; empty means anywhere.

    >>> eu = Residency(regions=("eu-",))
    >>> eu.allows("aws", "eu-west-1"), eu.allows("aws", "us-east-1")
    (True, False)
    """

    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    owned_only: bool = False

    def allows(self, provider: str, region: str) -> bool:
        """Whether data may be at ``provider`` in ``region``. ``owned``: the user's own machines."""
        if self.owned_only and provider != "owned":
            return False
        if self.providers and provider not in self.providers:
            return False
        return not self.regions or any(
            region == r or (r.endswith(("-", "*")) and region.startswith(r.rstrip("*"))) for r in self.regions
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """One data set of the job: where it lies, how large it is, where it may go.

    Attributes:
        size_bytes: None if unknown.
        region, provider: where it lies; None if unknown.
        streamed: True if read again over the network each epoch, False if staged once per node.
        classification: the organization's own word, e.g. ``phi``; None if unclassified.
    """

    uri: str
    size_bytes: int | None = None
    provider: str | None = None
    region: str | None = None
    streamed: bool = False
    classification: str | None = None
    residency: Residency = Residency()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSpec:
    """The quality the result must keep, as the user wrote it; judged by the quality room."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    margin: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One job, parsed once from its file and then trusted.

    Attributes:
        setup, run: shell scripts as the user wrote them; ``argv`` instead, for a command without a file.
        workdir: folder the command runs in; None for a folder of its own.
        env_names: names of environment variables; values travel apart, never through the journal.
        num_nodes: size of the gang: all or none.
        deadline_s: seconds from submission within which the job must have ended; None if there is none.
        deadline_at: the same as a moment; at most one of the two is given in a file.
        budget_usd: the run may not cost more; None means no limit.
        model: what is trained; None if the file does not say.
        labels: team, project, experiment, model, dataset ... for the ledger.
    """

    name: str
    setup: str | None = None
    run: str | None = None
    argv: tuple[str, ...] = ()
    workdir: str | None = None
    env_names: tuple[str, ...] = ()
    num_nodes: int = 1
    resources: tuple[ResourceRequest, ...] = (ResourceRequest(),)
    work: Work | None = None
    model: ModelSpec | None = None
    deadline_s: float | None = None
    deadline_at: datetime | None = None
    budget_usd: Decimal | None = None
    checkpoint: CheckpointSpec = CheckpointSpec()
    data: tuple[DataSpec, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    goal: Goal = Goal.CHEAPEST
    backend: Backend = Backend.CUDA
    gate: GateSpec | None = None
    max_restarts_on_errors: int = 0
    recover_on_exit_codes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a workload needs a name")
        if self.num_nodes < 1:
            raise ValueError(f"num_nodes: {self.num_nodes}; a job needs at least one node")
        if not (self.run or self.argv):
            raise ValueError(f"{self.name}: nothing to run; give `run:` in the file or a command after --")

    def allows_place(self, provider: str, region: str) -> bool:
        """Whether every data set of the job may be at this place (checkpoints hold what the data taught)."""
        return all(d.residency.allows(provider, region) for d in self.data)


def work_hours(work: Work | None, accelerator: str) -> float | None:
    """Hours of useful work on ``accelerator``; None if ``work`` does not say (never a guess).

    >>> work_hours(Steps(steps=7200, steps_per_s={"A100": 1.0}), "A100")
    2.0
    """
    match work:
        case HoursOf(hours=hours, accelerator=name) if name.lower() == accelerator.lower():
            return hours
        case Steps(steps=steps, steps_per_s=speeds):
            for name, speed in speeds.items():
                if name.lower() == accelerator.lower():
                    return steps / speed / SECONDS_PER_HOUR
    return None
