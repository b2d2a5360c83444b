"""Read torch's ``.metadata`` without trusting it.

DCP stores its index as a pickle and reads it with a plain ``pickle.load``, which runs whatever the file says.
Here the pickle may name only a dozen classes, and gets an inert stand-in for each, made for this one reading:
no class or function of torch or Python is reachable from it, not even to set an attribute on. What comes out
is checked field by field and only then becomes torch's own Metadata.
"""

import io
import pickle
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, NoReturn

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from shoestring.domain.errors import CheckpointCorrupt

_METADATA, _FILES = "torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem"
_RECORDS = {
    (_METADATA, "ChunkStorageMetadata"),
    (_METADATA, "Metadata"),
    (_METADATA, "MetadataIndex"),
    (_METADATA, "StorageMeta"),
    (_METADATA, "TensorProperties"),
    (_METADATA, "TensorStorageMetadata"),
    (_METADATA, "_MEM_FORMAT_ENCODING"),
    (_FILES, "_StorageInfo"),
    ("torch", "Size"),
    ("torch.serialization", "_get_layout"),
}
_DTYPES = {
    str(kind).removeprefix("torch."): kind for kind in vars(torch).values() if isinstance(kind, torch.dtype)
}


def read_metadata(data: bytes, *, files: Collection[str]) -> Metadata:
    """The index in ``data``, holding plain tensors in ``files`` and nothing else.

    Raises:
        CheckpointCorrupt: the pickle names anything but torch's index classes, or the index is not one that
            our writer could have written (a file outside the checkpoint, a pickled object, a transformation).
    """
    try:
        root = _Reader(data).load()
        _check_margins(root)
        tensors = {
            str(name): _tensor(entry) for name, entry in _field(root, "state_dict_metadata", dict).items()
        }
        storage = dict(
            _location(index, info, tensors, files)
            for index, info in _field(root, "storage_data", dict).items()
        )
    except CheckpointCorrupt:
        raise
    # A hostile or torn pickle raises nearly anything; whatever it is, this is no index of ours.
    except Exception as error:
        raise CheckpointCorrupt(f".metadata is not an index of tensors: {error!r}") from error
    return Metadata(state_dict_metadata=dict(tensors), planner_data={}, storage_data=storage)


class _Record:
    """Stand-in for one class: keeps what the pickle gives it."""

    __slots__ = ("args", "state")
    kind: str

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __hash__(self) -> int:  # records are keys of storage_data before their state is set
        return id(self)


class _Name(str):
    """Stand-in for a dtype."""

    __slots__ = ()


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._kinds: dict[tuple[str, str], Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _RECORDS:
            if (module, name) not in self._kinds:
                # A new class per reading: a BUILD on the class itself changes nothing that lives on.
                self._kinds[module, name] = type(name, (_Record,), {"__slots__": (), "kind": name})
            return self._kinds[module, name]
        if module == "torch" and name in _DTYPES:
            return _Name(name)
        raise CheckpointCorrupt(f".metadata names {module}.{name}, which no index of tensors needs")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise CheckpointCorrupt(".metadata refers to an object outside itself")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _Record) and value.kind == kind


def _field(record: Any, name: str, kind: type) -> Any:
    value = record.state[name]
    if type(value) is not kind:
        raise CheckpointCorrupt(f".metadata: {name} is a {type(value).__name__}")
    return value


def _check_margins(root: Any) -> None:
    """Refuse what we don't read either, unless it is as torch writes it: nothing may hide there."""
    if not _is(root, "Metadata") or not {*root.state} <= {field.name for field in fields(Metadata)}:
        raise CheckpointCorrupt(".metadata: not an index")
    version, meta = root.state.get("version"), root.state.get("storage_meta")
    if not (version is None or type(version) is str) or not (meta is None or _is(meta, "StorageMeta")):
        raise CheckpointCorrupt(".metadata: a version or an origin that is none")
    margins = [root.state.get("planner_data"), None if meta is None else meta.state]
    if not all(_is_plain(margin) for margin in margins):
        raise CheckpointCorrupt(".metadata: something other than names in its margins")


def _is_plain(value: Any, depth: int = 2) -> bool:
    """Names and numbers, in a dict and in short lists in that: bounded work, whatever is shared in there."""
    if value is None or type(value) in (str, int):
        return True
    if depth == 2 and type(value) is dict:
        return all(_is_plain(key, 0) and _is_plain(item, 1) for key, item in value.items())
    return (
        depth > 0
        and type(value) in (list, tuple)
        and len(value) < 1000
        and all(_is_plain(item, 0) for item in value)
    )


def _size(record: Any) -> torch.Size:
    (numbers,) = record.args
    if not _is(record, "Size") or type(numbers) is not tuple:
        raise CheckpointCorrupt(".metadata: a size that is none")
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
        raise CheckpointCorrupt(f".metadata: size {numbers!r}")
    return torch.Size(numbers)


def _tensor(record: Any) -> TensorStorageMetadata:
    if not _is(record, "TensorStorageMetadata"):
        raise CheckpointCorrupt(".metadata: an entry that is no tensor (it would have to be unpickled)")
    properties = record.state["properties"]
    if not _is(properties, "TensorProperties") or not isinstance(properties.state[0], _Name):
        raise CheckpointCorrupt(".metadata: a tensor without a dtype")
    return TensorStorageMetadata(
        properties=TensorProperties(dtype=_DTYPES[properties.state[0]]),
        size=_size(record.state["size"]),
        chunks=[
            ChunkStorageMetadata(offsets=_size(chunk.state["offsets"]), sizes=_size(chunk.state["sizes"]))
            for chunk in _field(record, "chunks", list)
        ],
    )


def _location(
    index: Any, info: Any, tensors: Mapping[str, Any], files: Collection[str]
) -> tuple[MetadataIndex, _StorageInfo]:
    if not _is(index, "MetadataIndex") or not _is(info, "_StorageInfo"):
        raise CheckpointCorrupt(".metadata: a place that is none")
    name, path = index.state["fqn"], info.state["relative_path"]
    offset, length = info.state["offset"], info.state["length"]
    whole = type(offset) is int and type(length) is int and offset >= 0 and length >= 0
    if name not in tensors or path not in files or not whole:
        raise CheckpointCorrupt(f".metadata: {name!r} in {path!r}, which the manifest does not list")
    if info.state.get("transform_descriptors"):
        raise CheckpointCorrupt(f".metadata: {name!r} asks for a transformation")
    corner, hint = index.state.get("offset"), index.state.get("index")
    return (
        MetadataIndex(name, None if corner is None else _size(corner), hint if type(hint) is int else None),
        _StorageInfo(str(path), offset, length),
    )
