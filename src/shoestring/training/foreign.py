"""Checkpoints that a script writes by itself: found by a glob, believed by a marker, never unpickled.

Hugging Face's Trainer, Lightning and DeepSpeed each write folders or files of their own. The job file says
which names to look for (``glob``) and which file inside proves one complete (``complete_marker``, written
last by the framework). The script restores itself; shoestring only reports what is there, and how old it is.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from fsspec.core import url_to_fs

MAX_JSON = 64 << 20
# Names that say the step, as the frameworks write them.
_STEP_IN_NAME = re.compile(r"(?:checkpoint-|global_step|step[=_-]?|iter_)(\d+)")
_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A complete checkpoint that is not ours.

    Attributes:
        id: its name under the place searched. step: None if neither a file nor the name tells.
        sha256: over names, sizes and times of its files: tells whether it is still the same
            one, says nothing about its content.
        at: time of its newest file, seconds since the epoch; None if the place keeps no times.
    """

    id: str
    uri: str
    step: int | None
    size_bytes: int
    sha256: str
    at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    path: str  # relative to the checkpoint
    size: int
    at: float | None


def scan(where: str, glob: str, marker: str | None = None) -> Foreign | None:
    """The newest complete checkpoint under ``where``; None if there is none (yet). As :func:`complete`."""
    found = complete(where, glob, marker)
    return max(
        found, key=lambda one: (-1 if one.step is None else one.step, one.at or 0.0, one.id), default=None
    )


def complete(where: str, glob: str, marker: str | None = None) -> tuple[Foreign, ...]:
    """All complete checkpoints under ``where``, in the order of their names.

    One counts as complete if it has the marker (a relative path inside it; ``latest`` of DeepSpeed may also
    lie beside it and name it), no empty file, and every shard that its index lists.

    Args:
        where: folder or fsspec URI. glob: names under it, e.g. ``checkpoint-*`` or ``*.ckpt``.
        marker: None asks for no marker, which is only safe for scripts that write by rename.

    Raises:
        OSError: the place can't be read now; that says nothing about what lies there.
    """
    fs, root = url_to_fs(where)
    root = root.rstrip("/")
    found = []
    for path in sorted(fs.glob(f"{root}/{glob}")):
        files = tuple(_files(fs, str(path)))
        if _is_whole(fs, root, str(path), files, marker):
            found.append(_describe(fs, where, root, str(path), files))
    return tuple(found)


def _files(fs: Any, path: str) -> Iterator[_File]:
    for name, info in fs.find(path, detail=True).items():
        yield _File(path=str(name)[len(path) :].lstrip("/"), size=int(info["size"] or 0), at=_time(info))


def _is_whole(fs: Any, root: str, path: str, files: tuple[_File, ...], marker: str | None) -> bool:
    names = {file.path for file in files}
    if not files or any(file.size == 0 and file.path != marker for file in files):
        return False  # a shard of no bytes was being written when the node went away
    if marker is not None and marker not in names and not _named_by(fs, f"{root}/{marker}", path):
        return False
    return all(_listed_shards(fs, path, name) <= names for name in _INDEXES if name in names)


def _named_by(fs: Any, pointer: str, path: str) -> bool:
    """Whether a pointer file beside the checkpoints (DeepSpeed's ``latest``) names this one."""
    try:
        text = fs.cat_file(pointer, end=4096)
    except (FileNotFoundError, IsADirectoryError):
        return False
    return bool(text.decode(errors="replace").strip() == PurePosixPath(path).name)


def _listed_shards(fs: Any, path: str, index: str) -> set[str]:
    data = _json(fs, f"{path}/{index}")
    shards = data.get("weight_map") if data else None
    # An index that can't be read lists something that is certainly not there.
    return {str(shard) for shard in shards.values()} if isinstance(shards, dict) else {"?"}


def _describe(fs: Any, where: str, root: str, path: str, files: tuple[_File, ...]) -> Foreign:
    ordered = sorted(files, key=lambda file: file.path)
    listing = json.dumps([[file.path, file.size, file.at] for file in ordered], separators=(",", ":"))
    times = [file.at for file in files if file.at is not None]
    relative = path[len(root) :].lstrip("/")
    return Foreign(
        id=relative,
        uri=f"{where.rstrip('/')}/{relative}",
        step=_step(fs, path, {file.path for file in files}),
        size_bytes=sum(file.size for file in files),
        sha256=hashlib.sha256(listing.encode()).hexdigest(),
        at=max(times, default=None),
    )


def _step(fs: Any, path: str, names: set[str]) -> int | None:
    if "trainer_state.json" in names:  # Hugging Face's Trainer
        state = _json(fs, f"{path}/trainer_state.json")
        step = state.get("global_step") if state else None
        if isinstance(step, int) and not isinstance(step, bool) and step >= 0:
            return step
    matches = _STEP_IN_NAME.findall(PurePosixPath(path).name)
    return int(matches[-1][:18]) if matches else None


def _json(fs: Any, path: str) -> dict[str, Any] | None:
    try:
        data = json.loads(fs.cat_file(path, end=MAX_JSON))
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _time(info: dict[str, Any]) -> float | None:
    """Time of last change; the key and the type differ between file systems."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None
