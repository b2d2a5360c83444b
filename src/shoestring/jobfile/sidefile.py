"""Side file: `NAME.shoestring.yaml` beside `NAME.yaml`, for job files that SkyPilot must read as they are.

Its keys are those of the `shoestring:` block. Block and side file may both exist as long as no key is in
both: two answers to one question are an error that names both lines.
"""

from dataclasses import replace
from pathlib import Path

from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node, compose
from shoestring.jobfile.report import Fatal, Report
from shoestring.jobfile.source import read_source

SUFFIX = ".shoestring.yaml"


def side_path(path: Path) -> Path:
    """Where the side file of a job file would be.

    >>> str(side_path(Path("jobs/train.yaml")))
    'jobs/train.shoestring.yaml'
    """
    return path.with_name(path.stem + SUFFIX)


def read_side_file(path: Path, report: Report, *, tasks: int) -> tuple[Node, ...]:
    """The blocks of a job file's side file, one per task; empty if there is no side file."""
    side = side_path(path)
    if not side.is_file():
        return ()
    try:
        documents = compose(read_source(side), report)
    except Fatal as problem:
        raise Fatal(f"{side.name}: {problem}", line=problem.line) from None
    blocks = tuple(_block(document.root, side.name) for document in documents)
    if blocks and len(blocks) != tasks:
        message = f"{len(blocks)} documents for {tasks} tasks"
        read.error(blocks[0], report, message, allowed="one document per task, in the same order")
        return ()
    return blocks


def merge(block: Node | None, side: Node | None, report: Report) -> Node | None:
    """Both as one mapping; a key in both is an error."""
    if block is None or side is None or block.kind is not Kind.MAPPING or side.kind is not Kind.MAPPING:
        return block or side
    for key, node in side.entries.items():
        if key in block.entries:
            there = block.entries[key].line
            read.error(
                node, report, f"also in the job file's block, line {there}", allowed="each key in one of them"
            )
    return block.with_entries({k: n for k, n in side.entries.items() if k not in block.entries})


def _block(root: Node, name: str) -> Node:
    """The side file's keys; a copied `shoestring:` line above them is accepted."""
    inner = root.entries.get("shoestring")
    return _named(inner if inner is not None and len(root.entries) == 1 else root, name)


def _named(node: Node, name: str) -> Node:
    """The same tree with the side file's name before each place, since its lines are not the job file's."""
    where = f"{name}: {node.where.removeprefix('shoestring.')}" if node.where else name
    return replace(
        node,
        where=where,
        entries={k: _named(n, name) for k, n in node.entries.items()},
        items=tuple(_named(n, name) for n in node.items),
    )
