"""Export: a job file as SkyPilot takes it, without our block, everything else as it was written.

The block's lines are cut out of the text, so comments and layout stay. Where cutting does not give exactly
what SkyPilot must read (flow style, anchors in the block), the documents are written anew instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from shoestring.jobfile.file import JobFile
from shoestring.jobfile.node import LOADER

_SECRETS = ("secrets", "managed_secrets")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The file's text. ``withheld``: secrets whose value was left out (null); SkyPilot asks for them."""

    text: str = field(repr=False)
    withheld: tuple[str, ...] = ()


def plain_yaml(job: JobFile, *, with_secrets: bool = False) -> Exported:
    """The SkyPilot file of ``job``.

    Args:
        with_secrets: keep the values under `secrets:` that the file spells out.
    """
    wanted: list[Mapping[str, Any]] = [dict(job.header)] if job.header else []
    wanted += [task.plain if with_secrets else _without_values(task.plain) for task in job.tasks]
    spelled_out = [name for task in job.tasks for name in _spelled_out(task.plain)]
    cut = _cut(job.text, with_secrets=with_secrets)
    text = cut if _reads_as(cut, wanted) else _written_anew(wanted)
    return Exported(text=text, withheld=() if with_secrets else tuple(dict.fromkeys(spelled_out)))


def _spelled_out(plain: Mapping[str, Any]) -> list[str]:
    sections = [plain[key] for key in _SECRETS if isinstance(plain.get(key), dict)]
    return [str(name) for section in sections for name, value in section.items() if value is not None]


def _without_values(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        key: dict.fromkeys(value) if key in _SECRETS and isinstance(value, dict) else value
        for key, value in plain.items()
    }


def _reads_as(text: str, wanted: list[Mapping[str, Any]]) -> bool:
    """Whether YAML reads ``text`` as ``wanted``, the order of keys included."""
    try:
        found = [d for d in yaml.load_all(text, Loader=LOADER) if d is not None]
    except yaml.YAMLError:
        return False
    return found == wanted and [list(d) for d in found] == [list(d) for d in wanted]


def _written_anew(documents: list[Mapping[str, Any]]) -> str:
    text: str = yaml.safe_dump_all(
        [dict(d) for d in documents], sort_keys=False, allow_unicode=True, explicit_start=len(documents) > 1
    )
    return text


def _cut(text: str, *, with_secrets: bool) -> str:
    """``text`` without the lines of each block and, unless wanted, without secret values on one line."""
    lines = text.split("\n")
    for root in yaml.compose_all(text, Loader=LOADER):
        if not isinstance(root, yaml.MappingNode):
            continue
        for key, value in root.value:
            if key.value in _SECRETS and not with_secrets and isinstance(value, yaml.MappingNode):
                for _, secret in value.value:
                    _null(lines, secret)
            elif key.value == "shoestring":
                _drop(lines, key.start_mark.line)
    return "\n".join(line for line in lines if line != _DROPPED)


_DROPPED = "\0"  # no line of a job file holds a NUL


def _null(lines: list[str], node: yaml.Node) -> None:
    start, end = node.start_mark, node.end_mark
    if isinstance(node, yaml.ScalarNode) and node.value and start and end and start.line == end.line:
        line = lines[start.line]
        lines[start.line] = f"{line[: start.column]}null{line[end.column :]}"


def _drop(lines: list[str], first: int) -> None:
    """Mark a top-level key and the indented lines under it; blank lines and comments after it stay."""
    last = first
    for number in range(first + 1, len(lines)):
        if lines[number][:1] in (" ", "\t") and lines[number].strip():
            last = number
        elif lines[number].strip():
            break
    lines[first : last + 1] = [_DROPPED] * (last + 1 - first)
