"""Validate: read a job file and say everything that is wrong with it, or what shoestring understood."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shoestring import jobfile
from shoestring.domain.codec import to_json
from shoestring.domain.errors import JobFileInvalid, Problem
from shoestring.domain.model import ModelSpec, Sharding
from shoestring.domain.text import printable
from shoestring.domain.units import describe_duration
from shoestring.domain.workload import (
    AcceleratorRequest,
    CheckpointSpec,
    DataSpec,
    Flops,
    HoursOf,
    Probe,
    ResourceRequest,
    Steps,
    Tokens,
    Work,
    Workload,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What came of it. ``job`` is None if there are errors; ``problems`` holds errors and warnings."""

    path: str
    job: jobfile.JobFile | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(p for p in self.problems if p.severity == "error")

    def to_json(self) -> dict[str, Any]:
        """For ``--json``: problems as they are, jobs as the house sees them; never a variable's value."""
        return {
            "path": self.path,
            "valid": not self.errors,
            "problems": [
                {k: v for k, v in to_json(problem).items() if k != "_"} for problem in self.problems
            ],
            "jobs": [to_json(w) for w in self.job.workloads] if self.job else [],
        }


def validate(path: Path, *, env: Mapping[str, str] | None = None, now: datetime | None = None) -> Validation:
    """Read ``path`` and its side file.

    Raises:
        NotFound: there is no such file. BadInput: ``env`` holds no variables.
    """
    try:
        job = jobfile.load(path, env=env, now=now)
    except JobFileInvalid as invalid:
        return Validation(path=invalid.path, job=None, problems=invalid.problems)
    return Validation(path=printable(str(path)), job=job, problems=job.warnings)


def summary(workload: Workload) -> dict[str, str]:
    """What shoestring understood of a job, in words; what the file does not say is left out or said so."""
    rows = {
        "resources": " | ".join(_shape(r) for r in workload.resources),
        "nodes": str(workload.num_nodes) if workload.num_nodes > 1 else "",
        "backend": workload.backend.value,
        "work": _work(workload.work),
        "model": _model(workload.model),
        "deadline": _deadline(workload),
        "budget": f"${workload.budget_usd:,.2f}" if workload.budget_usd is not None else "no limit",
        "goal": workload.goal.value,
        "checkpoint": _checkpoint(workload.checkpoint),
        "data": "; ".join(_data(d) for d in workload.data),
        "labels": ", ".join(f"{k}={v}" for k, v in workload.labels.items()),
        "variables": ", ".join(workload.env_names),
        "restarts": str(workload.max_restarts_on_errors) if workload.max_restarts_on_errors else "",
    }
    return {key: printable(value) for key, value in rows.items() if value}


def _shape(request: ResourceRequest) -> str:
    names = [_accelerator(a) for a in request.accelerators]
    shown = names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]
    place = "/".join(p or "*" for p in (request.provider, request.region, request.zone)).rstrip("*/")
    market = {True: "spot", False: "on-demand", None: ""}[request.use_spot]
    limits = [
        f"{request.cpus_min:g}+ vCPU" if request.cpus_min else "",
        f"{request.memory_gib_min:g}+ GiB" if request.memory_gib_min else "",
        f"at most ${request.max_hourly_usd}/h" if request.max_hourly_usd is not None else "",
    ]
    parts = [" or ".join(shown) or "CPU only", request.instance_type or "", *limits, market]
    where = f"on {place}" if place else "anywhere"
    return " ".join(p for p in [*parts, where] if p)


def _accelerator(request: AcceleratorRequest) -> str:
    low, high = request.count_min, request.count_max
    count = f"{low:g}" if low == high else f"{low:g}.." if high is None else f"{low:g}..{high:g}"
    return f"{request.name}:{count}"


def _work(work: Work | None) -> str:
    match work:
        case HoursOf(hours=hours, accelerator=name):
            return f"{hours:g} h on {name}"
        case Steps(steps=steps, steps_per_s=speeds):
            measured = ", ".join(f"{speed:g} steps/s on {name}" for name, speed in speeds.items())
            return f"{steps:,} steps" + (f" ({measured})" if measured else "")
        case Flops(flops=flops, mfu=mfu, dtype=dtype):
            return f"{flops:.3g} FLOP in {dtype}" + (f" at {mfu:.0%} of peak" if mfu else "")
        case Tokens(tokens=tokens, mfu=mfu):
            return f"{tokens:.3g} tokens" + (f" at {mfu:.0%} of peak" if mfu else "")
        case Probe():
            return "to be measured (probe)"
        case None:
            return "not declared; it is measured while the job runs"


def _model(model: ModelSpec | None) -> str:
    if model is None:
        return ""
    size = f"{model.params / 1e9:g}B" if model.params >= 1e9 else f"{model.params / 1e6:g}M"
    words = (size + " parameters", model.kind, model.precision, model.optimizer, model.method,
             "" if model.sharding is Sharding.NONE else model.sharding,
             f"tensor parallel {model.tensor_parallel}" if model.tensor_parallel > 1 else "")  # fmt: skip
    return ", ".join(str(word) for word in words if word)


def _deadline(workload: Workload) -> str:
    if workload.deadline_at is not None:
        return f"{workload.deadline_at:%Y-%m-%d %H:%M UTC}"
    if workload.deadline_s is not None:
        return f"{describe_duration(workload.deadline_s)} from submission"
    return "none"


def _checkpoint(spec: CheckpointSpec) -> str:
    if spec.where is None:
        return "not declared; spot needs a job that resumes (shoestring rehearse)"
    size = f", {spec.size_bytes / 1e9:,.1f} GB" if spec.size_bytes is not None else ""
    every = f", every {describe_duration(spec.interval_s)}" if spec.interval_s is not None else ""
    return f"{spec.where}{'/' + spec.glob if spec.glob else ''}{size}{every}, last {spec.keep_last} kept"


def _data(spec: DataSpec) -> str:
    size = f"{spec.size_bytes / 1e9:,.1f} GB" if spec.size_bytes is not None else ""
    where = "/".join(p for p in (spec.provider, spec.region) if p)
    bound = spec.residency
    only = [*bound.regions, *bound.providers, *(["owned machines"] if bound.owned_only else [])]
    parts = [size, where, "streamed" if spec.streamed else "staged", spec.classification or ""]
    parts.append(f"only in {', '.join(only)}" if only else "")
    return f"{spec.uri} ({', '.join(p for p in parts if p)})"
