"""Checkpoint: where a job saves itself, what that costs, and how a finished one is told from a torn one."""

from pathlib import PurePosixPath

from shoestring.domain.units import parse_bytes, parse_duration_s
from shoestring.domain.workload import CheckpointSpec
from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

KEYS = ("where", "size", "save", "restore", "glob", "complete_marker", "interval", "keep_last")
_DURATION = "a duration, e.g. 40s, 5 min"


def read_checkpoint(node: Node, report: Report) -> CheckpointSpec | None:
    """``checkpoint:``, a mapping or just where."""
    if node.kind is Kind.SCALAR:
        return CheckpointSpec(where=read.location(node, report))
    if node.kind is Kind.LIST:
        read.error(node, report, "expected a mapping, found a list", allowed=", ".join(KEYS))
        return None
    read.check_keys(node, report, KEYS, unknown_is_error=True)
    where, size, keep = node.get("where"), node.get("size"), node.get("keep_last")
    if where is None and (node.get("glob") or node.get("complete_marker")):
        read.error(
            node, report, "`glob` and `complete_marker` need `where`", allowed="where: a folder or URI"
        )
    return CheckpointSpec(
        where=read.location(where, report) if where else None,
        size_bytes=read.convert(size, report, parse_bytes, allowed="a size, e.g. 14 GB") if size else None,
        save_s=_duration(node.get("save"), report),
        restore_s=_duration(node.get("restore"), report),
        glob=_inside(node.get("glob"), report, "a pattern under `where`, e.g. checkpoint-*"),
        complete_marker=_inside(
            node.get("complete_marker"), report, "a file inside, e.g. trainer_state.json"
        ),
        interval_s=_duration(node.get("interval"), report),
        keep_last=(read.integer(keep, report, minimum=1, maximum=10_000) or 2) if keep else 2,
    )


def _duration(node: Node | None, report: Report) -> float | None:
    return read.convert(node, report, parse_duration_s, allowed=_DURATION) if node else None


def _inside(node: Node | None, report: Report, allowed: str) -> str | None:
    """A relative path that can't climb out of the checkpoint folder."""
    written = read.text(node, report, allowed=allowed) if node else None
    if node is None or written is None:
        return None
    path = PurePosixPath(written)
    if not written or path.is_absolute() or ".." in path.parts or written.startswith(("-", "~")):
        read.error(node, report, f"{node.shown} leaves the checkpoint folder", allowed=allowed)
        return None
    return written
