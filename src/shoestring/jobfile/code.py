"""Code digest: what a measurement or a resume proof is good for, and when it no longer holds."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from shoestring.domain.errors import BadInput
from shoestring.domain.workload import Workload

MAX_FILES = 100_000
MAX_BYTES = 256 << 20

# What a training run writes is not code, or every run would void the proof of the one before.
_SKIPPED_FOLDERS = frozenset(
    ["__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist", "data", "datasets",
     "checkpoints", "checkpoint", "ckpt", "ckpts", "lightning_logs", "logs", "mlruns", "outputs", "output",
     "results", "runs", "wandb", "tmp"]
)  # fmt: skip
_CODE = frozenset(
    [".py", ".pyx", ".pyi", ".sh", ".bash", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".rs", ".go",
     ".jl", ".r", ".lua", ".ipynb"]
)  # fmt: skip
# Settings are code where they are kept as such; elsewhere they are as often a run's output, or the job file.
_SETTINGS = frozenset([".json", ".yaml", ".yml", ".toml", ".ini", ".cfg"])
_SETTINGS_FOLDERS = frozenset(["conf", "config", "configs", "configuration"])
_SETTINGS_FILES = frozenset(["pyproject.toml", "setup.cfg"])


def code_sha256(workload: Workload) -> str:
    """Hex digest over the command, the setup and the code in the workdir.

    Counted are source files, settings that the command names or that lie in a folder for them, and
    requirements. Hidden folders (.git, .venv), caches, data, logs, checkpoints and links out are not. Past
    256 MiB a file counts with its size and time of change only, so a change is still seen.

    Raises:
        BadInput: over 100,000 files; that folder is not one job's code.
    """
    digest = hashlib.sha256(b"shoestring code 1\n")
    command = [workload.setup or "", workload.run or "", *workload.argv]
    for part in command:
        _add(digest, b"command", part.encode("utf-8", "surrogateescape"))
    if workload.workdir is not None and (root := Path(workload.workdir)).is_dir():
        named = frozenset(re.findall(r"[\w.-]+", " ".join(command)))
        left = MAX_BYTES
        for path in _code_files(root, named, workload.checkpoint.where):
            _add(digest, b"file", os.fsencode(path.relative_to(root)))
            left -= _add_content(digest, path, left)
    return digest.hexdigest()


def _code_files(root: Path, named: frozenset[str], checkpoints: str | None) -> Iterator[Path]:
    """Code files below ``root`` in an order that depends on their names only."""
    skipped = root / checkpoints if checkpoints and "://" not in checkpoints else None
    seen = 0
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(f for f in folders if not _is_skipped(f) and here / f != skipped)
        seen += len(files)
        if seen > MAX_FILES:
            raise BadInput(
                f"{root}: over {MAX_FILES:,} files; a job's code is smaller",
                next_step="set `workdir` to the folder with the code, or run from there",
            )
        yield from (here / name for name in sorted(files) if _is_code(here, name, named))


def _is_skipped(folder: str) -> bool:
    name = folder.casefold()
    return name.startswith((".", "checkpoint-")) or name.endswith(".egg-info") or name in _SKIPPED_FOLDERS


def _is_code(folder: Path, name: str, named: frozenset[str]) -> bool:
    suffix = Path(name).suffix.casefold()
    if suffix in _CODE or name in _SETTINGS_FILES or name.startswith("requirements"):
        return True
    return suffix in _SETTINGS and (name in named or folder.name.casefold() in _SETTINGS_FOLDERS)


def _add_content(digest: "hashlib._Hash", path: Path, left: int) -> int:
    """Add a file; the number of bytes read. A link counts as its target's name."""
    try:
        if path.is_symlink():
            _add(digest, b"link", os.fsencode(path.readlink()))
            return 0
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
            return 0
        if status.st_size > left:
            _add(digest, b"large", f"{status.st_size} {status.st_mtime_ns}".encode())
            return 0
        with path.open("rb") as file:
            _add(digest, b"content", hashlib.file_digest(file, "sha256").digest())
        return status.st_size
    except OSError as error:
        _add(digest, b"unreadable", str(error.errno).encode())
        return 0


def _add(digest: "hashlib._Hash", kind: bytes, value: bytes) -> None:
    """Add a tagged value with its length, so that no two different inputs run together into one."""
    digest.update(b"%s %d " % (kind, len(value)))
    digest.update(value)
