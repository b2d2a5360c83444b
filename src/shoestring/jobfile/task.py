"""Task: one YAML document becomes one Workload and what travels beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from shoestring.domain.workload import CheckpointSpec, DataSpec, Goal, Workload
from shoestring.jobfile import read
from shoestring.jobfile.block import Block, read_block
from shoestring.jobfile.environment import Environment, read_environment
from shoestring.jobfile.mounts import Mount, provider_of, read_mounts
from shoestring.jobfile.node import Node
from shoestring.jobfile.report import Report
from shoestring.jobfile.resources import Resources, read_resources
from shoestring.jobfile.sanity import check_deadline, choose_backend
from shoestring.jobfile.skypilot import check_passed_on
from shoestring.jobfile.url import carries_credentials
from shoestring.jobfile.workdir import GitSource, read_workdir

# SkyPilot's rule for names; no path, option or shell text fits in it.
NAME = re.compile(r"[A-Za-z0-9]+(?:[._-]{1,2}[A-Za-z0-9]+)*")
MAX_NAME = 63
MAX_NODES = 10_000
_NAMES = f"letters and digits, with . _ - between them, at most {MAX_NAME}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One job of a job file.

    Attributes:
        workload: what the house works with; it holds names of variables, never values.
        plain: the document as SkyPilot reads it, without the block, untouched. It may hold secrets.
        environment: values of variables, as Secrets.
        mounts: `file_mounts`. git: where the code is, if `workdir` is a repository.
    """

    workload: Workload
    plain: Mapping[str, Any] = field(repr=False)
    environment: Environment
    mounts: tuple[Mount, ...] = ()
    git: GitSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a file's meaning depends on besides its text."""

    now: datetime
    cwd: Path
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    outside: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_task(
    root: Node,
    block_node: Node | None,
    report: Report,
    around: Surroundings,
    *,
    name: str,
    plain: Mapping[str, Any],
    argv: tuple[str, ...] = (),
) -> Task | None:
    """A document as a task; None if the report has errors.

    Args:
        name: for a task that has none. argv: the command, if there is no file.
    """
    check_passed_on(root, report)
    block = read_block(block_node, report, now=around.now) if block_node else Block()
    environment = read_environment(root, report, given=around.given, outside=around.outside)
    resources = read_resources(root.get("resources"), report, backend=block.backend)
    mounts = read_mounts(root.get("file_mounts"), report, environment)
    workdir = read_workdir(root.get("workdir"), report, environment, cwd=around.cwd)
    setup, run = (read.script(node, report) if (node := root.get(key)) else None for key in ("setup", "run"))
    if not (argv or root.get("run")):
        read.error(root, report, "no `run`: nothing to run", allowed="run: the command that trains")
    check_deadline(block_node, block, resources.requests, report, now=around.now)
    written_name, nodes = root.get("name"), root.get("num_nodes")
    num_nodes = read.integer(nodes, report, minimum=1, maximum=MAX_NODES) if nodes else 1
    fields: dict[str, Any] = {
        "name": (_name(written_name, report) if written_name else None) or name,
        "setup": setup,
        "run": run,
        "argv": argv,
        "workdir": workdir.folder,
        "env_names": environment.names,
        "num_nodes": num_nodes or 1,
        "checkpoint": _checkpoint(block, mounts),
        "data": block.data or _data(root, mounts, report),
        "backend": choose_backend(block_node, block, resources.requests, report),
    }
    if report.has_errors:
        return None
    workload = Workload(**fields, **_asked(block, resources))
    return Task(workload=workload, plain=plain, environment=environment, mounts=mounts, git=workdir.git)


def _asked(block: Block, resources: Resources) -> dict[str, Any]:
    """What the block and the resources say as they are."""
    return {
        "resources": resources.requests,
        "work": block.work,
        "model": block.model,
        "deadline_s": block.deadline.seconds if block.deadline else None,
        "deadline_at": block.deadline.at if block.deadline else None,
        "budget_usd": block.budget,
        "labels": {**resources.labels, **block.labels},
        "goal": block.goal or Goal.CHEAPEST,
        "gate": block.gate,
        "max_restarts_on_errors": resources.recovery.max_restarts_on_errors,
        "recover_on_exit_codes": resources.recovery.recover_on_exit_codes,
    }


def _name(node: Node, report: Report) -> str | None:
    written = read.text(node, report, allowed=_NAMES)
    if written is not None and (len(written) > MAX_NAME or not NAME.fullmatch(written)):
        read.error(node, report, f"{node.shown} is no job name", allowed=_NAMES)
        return None
    return written


def _checkpoint(block: Block, mounts: tuple[Mount, ...]) -> CheckpointSpec:
    """The block's word; where it is silent, the mount that the file itself calls checkpoints."""
    declared = block.checkpoint or CheckpointSpec()
    mount = next((m for m in mounts if m.type == "MODEL_CHECKPOINT_RW"), None)
    return replace(declared, where=mount.location) if mount and declared.where is None else declared


def _data(root: Node, mounts: tuple[Mount, ...], report: Report) -> tuple[DataSpec, ...]:
    """Data that the SkyPilot part declares: typed mounts, and `inputs` with their GB."""
    found = {
        mount.location: DataSpec(
            uri=mount.location, provider=provider_of(mount.location), streamed=mount.mode in (None, "MOUNT")
        )
        for mount in mounts
        if mount.type in ("DATASET_RO", "DATASET_RW")
    }
    inputs = root.get("inputs")
    for uri, size in read.entries(inputs, report, "uri: GB") if inputs else ():
        gigabytes = read.number(size, report, minimum=0, maximum=1e9)
        if carries_credentials(uri):
            read.error(size, report, "a user or password inside a URL", allowed="the URL without it")
        elif gigabytes is not None:
            found[uri] = DataSpec(uri=uri, size_bytes=int(gigabytes * 10**9), provider=provider_of(uri))
    return tuple(found.values())
