"""The `shoestring:` block: one parser per key. A new key is one new parser and one line in ``read_block``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from shoestring.domain.model import ModelSpec
from shoestring.domain.workload import Backend, CheckpointSpec, DataSpec, GateSpec, Goal, Tokens, Work
from shoestring.jobfile import read
from shoestring.jobfile.block.checkpoint import read_checkpoint
from shoestring.jobfile.block.data import read_data
from shoestring.jobfile.block.gate import read_gate
from shoestring.jobfile.block.limits import Deadline, read_budget, read_deadline
from shoestring.jobfile.block.model import ALLOWED as MODELS
from shoestring.jobfile.block.model import read_model
from shoestring.jobfile.block.work import read_work
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

T = TypeVar("T")

KEYS = ("work", "model", "deadline", "budget", "checkpoint", "data", "labels", "goal", "backend", "gate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What the user asks of shoestring; None or empty where the file does not say."""

    work: Work | None = None
    model: ModelSpec | None = None
    deadline: Deadline | None = None
    budget: Decimal | None = None
    checkpoint: CheckpointSpec | None = None
    data: tuple[DataSpec, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    goal: Goal | None = None
    backend: Backend | None = None
    gate: GateSpec | None = None


def read_block(node: Node, report: Report, *, now: datetime) -> Block:
    """The block's mapping; ``now`` tells whether a deadline has passed."""
    if node.kind is not Kind.MAPPING:
        read.error(node, report, f"expected a mapping, found {node.shown}", allowed=", ".join(KEYS))
        return Block()
    read.check_keys(node, report, KEYS, unknown_is_error=True)

    def at(key: str, parse: Callable[[Node, Report], T]) -> T | None:
        child = node.get(key)
        return parse(child, report) if child else None

    work, model = at("work", read_work), at("model", read_model)
    if isinstance(work, Tokens) and node.get("model") is None:
        text = "tokens say nothing without the model's size"
        read.error(node.entries["work"], report, text, allowed=f"model: {MODELS}")
    return Block(
        work=work,
        model=model,
        deadline=at("deadline", lambda n, r: read_deadline(n, r, now=now)),
        budget=at("budget", read_budget),
        checkpoint=at("checkpoint", read_checkpoint),
        data=at("data", read_data) or (),
        labels=at("labels", read.labels) or {},
        goal=at("goal", _goal),
        backend=at("backend", _backend),
        gate=at("gate", read_gate),
    )


def _goal(node: Node, report: Report) -> Goal | None:
    written = read.choice(node, report, Goal)
    return Goal(written) if written else None


def _backend(node: Node, report: Report) -> Backend | None:
    written = read.choice(node, report, Backend)
    return Backend(written) if written else None
