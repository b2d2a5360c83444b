"""Node: one value of a YAML file with the line it stands in; and the limits that keep hostile files small.

PyYAML composes; this module refuses what would blow up (size, depth, aliases, odd tags) before anything is
expanded, reports duplicate keys, and hands on a tree that remembers lines. Scalars keep their text as
written, because YAML 1.1 reads ``1:30:00`` as 5400 and ``2026-12-01`` as a date.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import yaml

from shoestring.domain.text import printable
from shoestring.jobfile.report import Fatal, Report
from shoestring.jobfile.url import carries_credentials

MAX_DEPTH = 40
MAX_NODES = 20_000  # after aliases are expanded
MAX_DOCUMENTS = 100
_MAX_NUMBER_TEXT = 64  # YAML 1.1 base-60 numbers take quadratic time; no honest number is longer

_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(
    _CORE + t for t in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map", "merge")
)
_TYPED = frozenset(_CORE + t for t in ("int", "float", "bool", "null", "timestamp"))
# In C where PyYAML has it: ten times faster, which is what keeps hostile files under a second.
LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Kind(StrEnum):
    """What a node is."""

    MAPPING = "a mapping"
    LIST = "a list"
    SCALAR = "a value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value and where it came from.

    Attributes:
        where: dotted path for messages, e.g. ``resources.any_of[1].infra``.
        line: from 1; None for a value that came from the command line.
        text: a scalar as written; empty for mappings and lists.
        value: a scalar as YAML reads it; None for mappings and lists.
        entries: children of a mapping, in the file's order. items: children of a list.
        hidden: its value must not be shown (envs, secrets).
    """

    where: str
    line: int | None
    kind: Kind
    text: str = ""
    value: Any = None
    entries: Mapping[str, "Node"] = field(default_factory=dict)
    items: tuple["Node", ...] = ()
    hidden: bool = False

    @property
    def is_null(self) -> bool:
        return self.kind is Kind.SCALAR and self.value is None

    @property
    def may_be_shown(self) -> bool:
        return not (self.hidden or carries_credentials(self.text))

    @property
    def shown(self) -> str:
        """The value for a message: short, safe for terminals, and never a secret."""
        if self.kind is not Kind.SCALAR:
            return self.kind.value
        if self.is_null:
            return "nothing"
        return repr(printable(self.text, limit=60)).replace("\\\\", "\\") if self.may_be_shown else "***"

    def get(self, key: str) -> "Node | None":
        """A child of a mapping; None if it is missing or null."""
        child = self.entries.get(key)
        return None if child is None or child.is_null else child

    def hide(self) -> "Node":
        """The same with every value in it unshowable."""
        return replace(
            self,
            hidden=True,
            entries={k: n.hide() for k, n in self.entries.items()},
            items=tuple(n.hide() for n in self.items),
        )

    def with_entries(self, changes: Mapping[str, "Node"], *, without: tuple[str, ...] = ()) -> "Node":
        """A mapping with some keys replaced or added, and some left out."""
        kept = {k: n for k, n in self.entries.items() if k not in without}
        return replace(self, entries={**kept, **changes})


def scalar(where: str, text: str) -> Node:
    """A value from the command line."""
    return Node(where=where, line=None, kind=Kind.SCALAR, text=text, value=text)


def empty_mapping(where: str = "", line: int | None = None) -> Node:
    """A mapping with nothing in it."""
    return Node(where=where, line=line, kind=Kind.MAPPING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document.

    Attributes:
        root: the tree with lines. plain: what PyYAML (so SkyPilot) reads, keys and values untouched.
    """

    root: Node
    plain: Any = field(repr=False)


def compose(text: str, report: Report) -> tuple[Document, ...]:
    """The documents in ``text``, empty ones left out.

    Raises:
        Fatal: no YAML, or beyond a limit; nothing more can be said about the file.
    """
    try:
        _check_limits(text)
        roots = [node for node in yaml.compose_all(text, Loader=LOADER) if not _is_empty(node)]
        return tuple(Document(root=_Builder(report).build(root, ""), plain=_plain(root)) for root in roots)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise Fatal(f"not valid YAML: {printable(str(error.problem), limit=120)}", line=line) from None
    except yaml.YAMLError as error:
        raise Fatal(f"not valid YAML: {printable(type(error).__name__)}") from None
    except RecursionError:
        raise Fatal(f"nested deeper than {MAX_DEPTH} levels") from None


def _line(at: yaml.Event | yaml.Node) -> int:
    assert at.start_mark is not None
    return int(at.start_mark.line) + 1


def _is_empty(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _CORE + "null")


def _plain(root: yaml.Node) -> Any:
    return yaml.constructor.SafeConstructor().construct_document(root)


def _check_limits(text: str) -> None:
    """Walk the events once: depth, number of nodes with aliases expanded, number of documents."""
    sizes: dict[str, int] = {}  # anchor -> nodes it stands for
    open_nodes: list[tuple[str | None, int]] = []  # anchor, total when it began
    total = documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        line = _line(event)
        if isinstance(event, yaml.DocumentStartEvent):
            sizes.clear()
            documents += 1
            if documents > MAX_DOCUMENTS:
                raise Fatal(f"more than {MAX_DOCUMENTS} documents", line=line)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise Fatal(
                    f"alias *{printable(str(event.anchor), limit=40)} stands for itself or nothing", line=line
                )
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            total += 1
            sizes.pop(event.anchor or "", None)
            if len(open_nodes) > MAX_DEPTH:
                raise Fatal(f"nested deeper than {MAX_DEPTH} levels", line=line)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = total - before
        if total > MAX_NODES:
            raise Fatal(f"more than {MAX_NODES:,} values once aliases are expanded", line=line)


class _Builder:
    """From PyYAML's nodes to ours."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.constructor = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, where: str, line: int | None = None) -> Node:
        line = line if line is not None else _line(node)
        if node.tag not in _TAGS:
            raise Fatal(
                f"tag {printable(node.tag, limit=60)!r} at {where or 'the top'} is not allowed", line=line
            )
        if isinstance(node, yaml.MappingNode):
            return Node(where=where, line=line, kind=Kind.MAPPING, entries=self._entries(node, where))
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.build(item, f"{where}[{i}]") for i, item in enumerate(node.value))
            return Node(where=where, line=line, kind=Kind.LIST, items=items)
        return Node(
            where=where, line=line, kind=Kind.SCALAR, text=node.value, value=self._value(node, where, line)
        )

    def _value(self, node: yaml.Node, where: str, line: int) -> Any:
        if node.tag not in _TYPED:
            return node.value
        if len(node.value) > _MAX_NUMBER_TEXT:
            raise Fatal(f"{where}: a number of {len(node.value):,} characters", line=line)
        try:
            return self.constructor.construct_document(node)
        except (ValueError, OverflowError) as error:
            raise Fatal(f"{where}: {printable(str(error), limit=120)}", line=line) from None

    def _entries(self, node: yaml.MappingNode, where: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        merged: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if key_node.tag == _CORE + "merge":
                for source in _merge_sources(value_node, where, line):
                    merged.update({k: n for k, n in self._entries(source, where).items() if k not in merged})
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise Fatal(f"{where or 'the top'}: a key must be text, not {key_node.id}", line=line)
            key = key_node.value
            shown = "(a URL)" if carries_credentials(key) else printable(key, limit=40)
            child = f"{where}.{shown}" if where else shown
            if key in entries:
                self.report.add(
                    child, line, f"given twice, first in line {lines[key]}", allowed="each key once"
                )
                continue
            lines[key] = line
            entries[key] = self.build(value_node, child, line)
        return {**{k: n for k, n in merged.items() if k not in entries}, **entries}


def _merge_sources(node: yaml.Node, where: str, line: int) -> Iterator[yaml.MappingNode]:
    sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            raise Fatal(f"{where or 'the top'}: << takes a mapping or a list of mappings", line=line)
        yield source
