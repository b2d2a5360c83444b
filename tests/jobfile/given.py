"""Words for these tests: a file with this text, and what came of reading it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoestring import jobfile
from shoestring.domain.errors import JobFileInvalid, Problem
from shoestring.domain.workload import Workload

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def write(folder: Path, text: str | bytes, name: str = "job.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str, **options: object) -> jobfile.JobFile:
    options = {"outside": {}, "now": NOW, "cwd": folder, **options}
    return jobfile.load(write(folder, text), **options)  # type: ignore[arg-type]


def workload(folder: Path, text: str, **options: object) -> Workload:
    (only,) = read(folder, "run: python train.py\n" + text, **options).workloads
    return only


def errors(folder: Path, text: str | bytes, **options: object) -> dict[str, Problem]:
    """Errors of a file by place; the file must have some."""
    with pytest.raises(JobFileInvalid) as refused:
        jobfile.load(write(folder, text), **{"outside": {}, "now": NOW, "cwd": folder, **options})  # type: ignore[arg-type]
    return {p.where: p for p in refused.value.problems if p.severity == "error"}


def error(folder: Path, text: str) -> Problem:
    """The only error of a file that is well apart from ``text``."""
    (only,) = errors(folder, "run: python train.py\n" + text).values()
    return only
