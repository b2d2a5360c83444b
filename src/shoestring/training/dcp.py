"""torch.distributed.checkpoint with a hash over every byte written and nothing unpickled on the way back."""

import json
import os
import pickle
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner, DefaultSavePlanner
from torch.distributed.checkpoint.filesystem import FileSystemBase, FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex, StorageMeta
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from shoestring.domain.errors import CheckpointCorrupt
from shoestring.training.metadata import read_metadata
from shoestring.training.place import FileEntry, Folder

INDEX = ".metadata"
MAX_STATE_BYTES = 1 << 30

# A training on one process is no mistake that users need to be told of at every save.
warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")


def state_file(rank: int) -> str:
    """Where a rank keeps all that is not a tensor."""
    return f"state-{rank}.json"


def write(
    folder: Folder,
    tensors: Mapping[str, torch.Tensor],
    state: Mapping[str, Any],
    *,
    rank: int,
    group: Any,
    commit: Callable[[Sequence[FileEntry]], None],
) -> None:
    """Write one rank's part; the coordinator then calls ``commit`` with the files of all ranks.

    Args:
        state: plain JSON of this rank. group: gloo process group of all ranks; None for a single process.
    """
    try:
        dcp.save(
            dict(tensors),
            storage_writer=_Writer(folder, state, rank, commit),
            planner=DefaultSavePlanner(flatten_state_dict=False),
            process_group=group,
            no_dist=group is None,
        )
    except CheckpointException as failed:
        raise _cause(failed) from failed


def read_state(folder: Folder, *, rank: int, files: Sequence[FileEntry]) -> tuple[dict[str, Any], bool]:
    """This rank's plain state and whether it is its own; a rank that did not save reads rank 0's."""
    own = any(file.name == state_file(rank) for file in files)
    data = folder.read(state_file(rank if own else 0), MAX_STATE_BYTES)
    try:
        state = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointCorrupt(f"{folder.uri}: its state is no JSON") from error
    if not isinstance(state, dict) or not isinstance(state.get("objects"), dict) or "rng" not in state:
        raise CheckpointCorrupt(f"{folder.uri}: its state lacks objects or generators")
    return state, own


def read_tensors(
    folder: Folder,
    sharded: Mapping[str, torch.Tensor],
    *,
    names: Sequence[str],
    files: Sequence[FileEntry],
    group: Any,
) -> dict[str, torch.Tensor]:
    """The tensors called ``names``: read into their namesake in ``sharded``, or into new CPU tensors.

    Raises:
        CheckpointCorrupt: the index is not one of ours, lacks a tensor or claims more than the files hold.
        OSError: the place can't be read now, which says nothing about the checkpoint.
    """
    index = index_of(folder, files)
    if missing := set(names) - set(index.state_dict_metadata):
        raise CheckpointCorrupt(f"{folder.uri}: no tensor {min(missing)!r}")
    entries = {name: index.state_dict_metadata[name] for name in names}
    claimed = sum(entry.size.numel() * entry.properties.dtype.itemsize for entry in entries.values())
    if claimed > sum(file.size for file in files):
        raise CheckpointCorrupt(
            f"{folder.uri}: its index claims {claimed} bytes of tensors, its files hold less"
        )
    targets = {name: torch.empty(entry.size, dtype=entry.properties.dtype) for name, entry in entries.items()}
    targets |= {
        name: sharded[name] for name in names if name in sharded and sharded[name].shape == entries[name].size
    }
    try:
        dcp.load(
            targets,
            storage_reader=_Reader(folder, index),
            planner=_TensorsOnly(flatten_state_dict=False),
            process_group=group,
            no_dist=group is None,
        )
    except CheckpointException as failed:
        cause = _cause(failed)
        if isinstance(cause, OSError):
            raise cause from failed
        raise CheckpointCorrupt(f"{folder.uri}: torch can't read it: {cause!r}") from failed
    return targets


def _cause(failed: CheckpointException) -> BaseException:
    """What went wrong on the first rank that failed, without DCP's wrapping (which is no Exception)."""
    causes = [error for error, _ in failed.failures.values()]
    return next((error for error in causes if isinstance(error, OSError)), causes[0])


def is_sharded(value: Any) -> bool:
    """Whether ``value`` is a DTensor: spread over processes."""
    return hasattr(value, "placements")


def index_of(folder: Folder, files: Sequence[FileEntry]) -> Metadata:
    """The checkpoint's index, read without trusting it."""
    return read_metadata(folder.read(INDEX, MAX_STATE_BYTES), files={file.name for file in files})


@dataclass(frozen=True)
class _Written(WriteResult):  # type: ignore[misc]
    """Carries the hashes of one rank's files to the coordinator, beside DCP's own results."""

    files: tuple[FileEntry, ...] = ()


class _Files(FileSystemBase):  # type: ignore[misc]
    """DCP's view of a :class:`Folder`; paths are names inside it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.written: list[FileEntry] = []

    @contextmanager
    def create_stream(self, path: str | os.PathLike[str], mode: str) -> Iterator[Any]:
        name = os.fspath(path)
        if mode == "rb":
            with self.folder.reading(name) as file:
                yield file
        else:
            with self.folder.writing(name) as hashed:
                yield hashed
            self.written.append(hashed.entry(name))

    def concat_path(self, path: str | os.PathLike[str], suffix: str) -> str:
        return suffix

    def init_path(self, path: str | os.PathLike[str]) -> str:
        return ""

    def mkdir(self, path: str | os.PathLike[str]) -> None:
        self.folder.create()

    def exists(self, path: str | os.PathLike[str]) -> bool:
        return self.folder.exists(os.fspath(path))

    def ls(self, path: str | os.PathLike[str]) -> list[str]:
        return self.folder.names()

    def rm_file(self, path: str | os.PathLike[str]) -> None:
        self.folder.remove(os.fspath(path))

    def rename(self, path: str | os.PathLike[str], new_path: str | os.PathLike[str]) -> None:
        raise NotImplementedError("object stores have no rename")

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return True


class _Writer(FileSystemWriter):  # type: ignore[misc]
    """DCP's writer over a Folder: hashes as it writes, and commits by the manifest instead of a rename."""

    def __init__(
        self,
        folder: Folder,
        state: Mapping[str, Any],
        rank: int,
        commit: Callable[[Sequence[FileEntry]], None],
    ) -> None:
        super().__init__("", sync_files=False)  # _Files makes each file durable as it is closed
        self.fs = self._files = _Files(folder)
        self._folder, self._state, self._rank, self._commit = folder, state, rank, commit

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Nothing to reset: one writer, one checkpoint."""

    def storage_meta(self) -> StorageMeta:
        return StorageMeta(checkpoint_id=self._folder.name, save_id=self._folder.name)

    def write_data(self, plan: Any, planner: Any) -> Future[list[WriteResult]]:
        body = json.dumps(self._state, separators=(",", ":"), allow_nan=False).encode()
        own = self._folder.write(state_file(self._rank), body)
        results: list[WriteResult] = list(super().write_data(plan, planner).wait())
        files = (own, *self._files.written)
        results.append(_Written(index=MetadataIndex(""), size_in_bytes=0, storage_data=None, files=files))
        done: Future[list[WriteResult]] = Future()
        done.set_result(results)
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        flat = [result for of_rank in results for result in of_rank]
        files = [file for result in flat if isinstance(result, _Written) for file in result.files]
        whole = replace(
            metadata,
            version="1.0.0",
            storage_data={r.index: r.storage_data for r in flat if not isinstance(r, _Written)},
            storage_meta=self.storage_meta(),
        )
        files.append(self._folder.write(INDEX, pickle.dumps(whole)))
        self._commit(files)


class _Reader(FileSystemReader):  # type: ignore[misc]
    """DCP's reader over a Folder, with an index that was read safely beforehand."""

    def __init__(self, folder: Folder, index: Metadata) -> None:
        super().__init__("")
        self.fs = _Files(folder)
        self._index = index

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Nothing to reset: one reader, one checkpoint."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        return self._index


class _TensorsOnly(DefaultLoadPlanner):  # type: ignore[misc]
    """DCP's own planner would unpickle an item that is no tensor; this one refuses."""

    def load_bytes(self, read_item: Any, value: Any) -> None:
        raise CheckpointCorrupt(f"{read_item.dest_index.fqn} is pickled, not a tensor")
