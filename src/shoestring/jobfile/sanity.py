"""Sanity: keys that are each well formed and together make no sense."""

from collections.abc import Iterable
from datetime import datetime

from shoestring.domain.units import SECONDS_PER_HOUR, describe_duration
from shoestring.domain.workload import Backend, ResourceRequest, work_hours
from shoestring.jobfile import read
from shoestring.jobfile.accelerators import backend_of
from shoestring.jobfile.block import Block
from shoestring.jobfile.node import Node
from shoestring.jobfile.report import Report


def check_deadline(
    block_node: Node | None,
    block: Block,
    requests: Iterable[ResourceRequest],
    report: Report,
    *,
    now: datetime,
) -> None:
    """Refuse a deadline that the declared work can't keep on any accelerator that was asked for.

    Says nothing where the work on one of them is not known.
    """
    node = block_node.get("deadline") if block_node else None
    if node is None or block.deadline is None or block.work is None:
        return
    names = {a.name for r in requests for a in r.accelerators} or {"cpu"}
    hours = {name: work_hours(block.work, name) for name in names}
    known = [h for h in hours.values() if h is not None]
    if not known or len(known) < len(hours):
        return
    left_s, needed_s = block.deadline.seconds_left(now), min(known) * SECONDS_PER_HOUR
    if left_s < needed_s:
        read.error(
            node,
            report,
            f"{describe_duration(left_s)} from now, and the work takes {describe_duration(needed_s)} "
            f"on {' or '.join(sorted(names))}",
            allowed=f"at least {describe_duration(needed_s)}, less work, or a faster accelerator",
        )


def choose_backend(
    block_node: Node | None, block: Block, requests: Iterable[ResourceRequest], report: Report
) -> Backend:
    """What the code is written for: as declared, else what the accelerators that were asked for all run.

    A file that names only TPUs has declared TPU code by that; a file that names several families without
    `backend` has not said what its code runs on, and gets the default.
    """
    names = sorted({a.name for r in requests for a in r.accelerators})
    families = {name: family for name in names if (family := backend_of(name))}
    if block.backend is None:
        found = set(families.values())
        return found.pop() if len(found) == 1 else Backend.CUDA
    if families and block.backend not in families.values() and len(families) == len(names):
        node = block_node.get("backend") if block_node else None
        others = ", ".join(f"{name} runs {family.value}" for name, family in list(families.items())[:5])
        if node:
            read.error(
                node, report, f"{block.backend.value}, but {others}", allowed="a backend of the accelerators"
            )
    return block.backend
