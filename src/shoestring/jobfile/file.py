"""JobFile: a job file read once, or a command that needs none; the only way into the house for jobs."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput, JobFileInvalid, Problem
from shoestring.domain.text import printable
from shoestring.domain.workload import Workload
from shoestring.jobfile import read
from shoestring.jobfile.environment import Environment, check_given, read_environment
from shoestring.jobfile.node import Document, Kind, Node, compose, empty_mapping, scalar
from shoestring.jobfile.overrides import apply_overrides
from shoestring.jobfile.report import Fatal, Report
from shoestring.jobfile.sidefile import SUFFIX, merge, read_side_file
from shoestring.jobfile.source import read_source
from shoestring.jobfile.task import MAX_NAME, NAME, Surroundings, Task, read_task

HEADER_KEYS = frozenset(["name", "execution", "primary_tasks", "termination_delay"])


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A valid job file.

    Attributes:
        path: None for a bare command.
        name: of the pipeline or job group, else of its only task.
        tasks: in the file's order. parallel: all at once (a job group) and not one after the other.
        warnings: what is suspicious but not wrong.
        header: the first document, if it only names the tasks. text: the whole file; it may hold secrets.
    """

    path: Path | None
    name: str
    tasks: tuple[Task, ...]
    parallel: bool = False
    warnings: tuple[Problem, ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)
    text: str = field(default="", repr=False)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        return tuple(task.workload for task in self.tasks)


def load(
    path: Path | str,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    outside: Mapping[str, str] | None = None,
    now: datetime | None = None,
    cwd: Path | None = None,
) -> JobFile:
    """Read a job file and its side file.

    Args:
        env: values of variables that win over the file's (``--env``).
        overrides: ``infra``, ``gpus``, ``deadline``, ``budget``, ``goal``, ``backend`` from the command line,
            as text; they replace the file's and are checked by the same parsers.
        outside: where variables without a value are looked up; None means the process environment.
        now: for deadlines; None means this moment. cwd: None means the current directory.

    Raises:
        JobFileInvalid: with every problem found. NotFound: no such file. BadInput: a bad ``env``.
    """
    path = Path(path)
    around = _surroundings(env, outside, now, cwd)
    report = Report()
    try:
        if path.name.endswith(SUFFIX):
            raise Fatal(
                f"this is a side file; name the job file it belongs to, {path.name.removesuffix(SUFFIX)}.yaml"
            )
        text = read_source(path)
        documents = compose(text, report)
        header, tasks = _split(documents, report)
        blocks = _blocks(path, tasks, report)
        apply_overrides(overrides or {}, tasks, blocks)
        found = _read_tasks(tasks, blocks, report, around, default=_name_from(path))
    except Fatal as problem:
        report.add("file", problem.line, str(problem))
        found, header, text = [], None, ""
    if report.has_errors:
        raise JobFileInvalid(printable(str(path), limit=200), report.problems)
    name = str(header.plain.get("name") or "") if header else ""
    return JobFile(
        path=path,
        name=name or found[0].workload.name,
        tasks=tuple(found),
        parallel=bool(header and header.plain.get("execution") == "parallel"),
        warnings=report.problems,
        header=header.plain if header else {},
        text=text,
    )


def environments(path: Path | str, *, env: Mapping[str, str] | None = None) -> tuple[Environment, ...]:
    """The variables of each task and nothing else, for a supervisor that takes over a run.

    The run's workload is in the journal and no longer asked for, so a deadline that has passed since, or an
    edit elsewhere in the file, is no reason to refuse.

    Raises:
        NotFound: no such file. JobFileInvalid: no YAML, or mistakes among the variables.
    """
    path, report = Path(path), Report()
    around = _surroundings(env, None, None, None)
    found: list[Environment] = []
    try:
        _, tasks = _split(compose(read_source(path), report), report)
        report = Report()
        found += [
            read_environment(task.root, report, given=around.given, outside=around.outside) for task in tasks
        ]
    except Fatal as problem:
        report.add("file", problem.line, str(problem))
    if report.has_errors:
        raise JobFileInvalid(printable(str(path), limit=200), report.problems)
    return tuple(found)


def from_command(
    argv: Sequence[str],
    *,
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
    now: datetime | None = None,
    cwd: Path | None = None,
) -> JobFile:
    """A job of one command in the current directory: ``shoestring run -- python train.py``.

    Args:
        argv: the command, word by word; no shell reads it.
        name: None takes it from the script's name. The rest as for :func:`load`.

    Raises:
        BadInput: no command, or a word that no process can take. JobFileInvalid: a bad override.
    """
    if not argv or not argv[0]:
        raise BadInput("no command after --", next_step="shoestring run -- python train.py")
    if any("\0" in word for word in argv):
        raise BadInput("the command holds a NUL character", next_step="leave it out")
    around = _surroundings(env, {}, now, cwd)
    report = Report()
    root = empty_mapping().with_entries({"workdir": scalar("workdir", str(around.cwd))})
    if name is not None:
        root = root.with_entries({"name": scalar("--name", name)})
    tasks = [Document(root=root, plain={})]
    blocks: list[Node | None] = [None]
    apply_overrides(overrides or {}, tasks, blocks)
    task = read_task(
        tasks[0].root, blocks[0], report, around, name=_name_of_command(argv), plain={}, argv=tuple(argv)
    )
    if task is None:
        raise JobFileInvalid("command line", report.problems)
    return JobFile(path=None, name=task.workload.name, tasks=(task,), warnings=report.problems)


def _surroundings(
    env: Mapping[str, str] | None, outside: Mapping[str, str] | None, now: datetime | None, cwd: Path | None
) -> Surroundings:
    check_given(env or {})
    return Surroundings(
        now=now or datetime.now(UTC),
        cwd=cwd or Path.cwd(),
        given=env or {},
        outside=os.environ if outside is None else outside,
    )


def _split(documents: tuple[Document, ...], report: Report) -> tuple[Document | None, list[Document]]:
    """The header of a pipeline or job group, if there is one, and the tasks."""
    if not documents:
        raise Fatal("empty; a job file has at least `run:`")
    for document in documents:
        if document.root.kind is not Kind.MAPPING:
            raise Fatal(f"expected keys and values, found {document.root.shown}", line=document.root.line)
    first = documents[0]
    keys = set(first.root.entries)
    if len(documents) == 1 or not keys <= HEADER_KEYS | {"shoestring"} or "name" not in keys:
        return None, list(documents)
    if misplaced := first.root.get("shoestring"):
        read.error(misplaced, report, "in the header of several tasks", allowed="the block of each task")
    if (execution := first.root.get("execution")) is not None:
        read.choice(execution, report, ("serial", "parallel"))
    if (name := first.root.get("name")) is not None and not NAME.fullmatch(name.text):
        read.error(
            name, report, f"{name.shown} is no name", allowed="letters and digits, with . _ - between them"
        )
    return first, list(documents[1:])


def _blocks(path: Path, tasks: list[Document], report: Report) -> list[Node | None]:
    sides = read_side_file(path, report, tasks=len(tasks))
    return [
        merge(task.root.get("shoestring"), sides[i] if sides else None, report)
        for i, task in enumerate(tasks)
    ]


def _read_tasks(
    tasks: list[Document], blocks: list[Node | None], report: Report, around: Surroundings, *, default: str
) -> list[Task]:
    found: list[Task] = []
    for i, (task, block) in enumerate(zip(tasks, blocks, strict=True)):
        name = default if len(tasks) == 1 else f"{default[: MAX_NAME - 5]}-{i + 1}"
        plain = {key: value for key, value in task.plain.items() if key != "shoestring"}
        if read_one := read_task(task.root, block, report, around, name=name, plain=plain):
            found.append(read_one)
    return found


def _name_from(path: Path) -> str:
    return _as_name(path.stem) or "job"


def _name_of_command(argv: Sequence[str]) -> str:
    """``python -m pkg.train --lr 1`` is ``pkg.train``; ``torchrun train.py`` is ``train``."""
    scripts = [word for word in argv[1:] if word.endswith((".py", ".sh"))]
    module = argv[argv.index("-m") + 1 : argv.index("-m") + 2] if "-m" in argv else []
    chosen = scripts[0] if scripts else module[0] if module else argv[0]
    stem = Path(chosen).stem if chosen.endswith((".py", ".sh")) else Path(chosen).name
    return _as_name(stem) or "job"


def _as_name(text: str) -> str:
    """The nearest valid job name; empty if nothing is left."""
    words = re.findall(r"[A-Za-z0-9]+", text)
    return "-".join(words)[:MAX_NAME].rstrip("-")
