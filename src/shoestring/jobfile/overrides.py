"""Overrides: what the command line sets replaces what the file says, and passes the same parsers."""

from collections.abc import Mapping
from dataclasses import replace

from shoestring.jobfile.node import Document, Kind, Node, empty_mapping, scalar

RESOURCES = {"infra": "infra", "gpus": "accelerators"}  # option -> key of `resources:`
BLOCK = ("deadline", "budget", "goal", "backend")


def apply_overrides(overrides: Mapping[str, str], tasks: list[Document], blocks: list[Node | None]) -> None:
    """Put the command line's values in the place of the file's, in every task."""
    unknown = set(overrides) - set(RESOURCES) - set(BLOCK)
    assert not unknown, f"no override {unknown}"
    block = {k: scalar(f"--{k}", v) for k, v in overrides.items() if k in BLOCK}
    resources = {RESOURCES[k]: scalar(f"--{k}", v) for k, v in overrides.items() if k in RESOURCES}
    for i, task in enumerate(tasks):
        if block:
            blocks[i] = (blocks[i] or empty_mapping("shoestring")).with_entries(block)
        if resources:
            before = task.root.get("resources") or empty_mapping("resources")
            root = task.root.with_entries({"resources": _override_resources(before, resources)})
            tasks[i] = replace(task, root=root)


def _override_resources(node: Node, changes: Mapping[str, Node]) -> Node:
    """The changes win in the base and in every candidate of `any_of` and `ordered`."""
    if node.kind is not Kind.MAPPING:
        return node
    older = ("cloud", "region", "zone") if "infra" in changes else ()
    candidates = {
        key: replace(child, items=tuple(_override_resources(item, changes) for item in child.items))
        for key in ("any_of", "ordered")
        if (child := node.get(key))
    }
    return node.with_entries({**changes, **candidates}, without=older)
