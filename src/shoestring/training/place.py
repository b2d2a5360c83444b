"""A folder for checkpoints, on a local disk or in an object store, with the few operations a save needs.

A file written here appears whole or not at all: by temporary file and rename on a local disk, by a single put
elsewhere (object stores have no rename). On a local disk every file and name is durable once written.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from shoestring.training.spool import sync_folder

CHUNK = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """A file as its manifest names it."""

    name: str
    size: int
    sha256: str


class Folder:
    """One folder; ``uri`` is how the journal and people name it."""

    def __init__(self, uri: str, fs: Any, root: str) -> None:
        self.uri, self._fs, self._root = uri.rstrip("/"), fs, root.rstrip("/")
        self._local = isinstance(fs, LocalFileSystem)

    @classmethod
    def at(cls, where: str | os.PathLike[str]) -> "Folder":
        """The folder at an fsspec URI or a path."""
        text = os.fspath(where)
        if "://" not in text:
            text = str(Path(text).absolute())
        fs, root = url_to_fs(text)
        return cls(text, fs, root)

    def child(self, name: str) -> "Folder":
        return Folder(f"{self.uri}/{name}", self._fs, f"{self._root}/{name}")

    @property
    def name(self) -> str:
        return self.uri.rsplit("/", 1)[-1]

    def create(self) -> None:
        """Make the folder and the ones above it; all of their names are durable then."""
        folder = Path(self._root)
        fresh = [folder, *(p for p in folder.parents if self._local and not p.exists())]
        self._fs.makedirs(self._root, exist_ok=True)
        if self._local:
            for one in fresh:
                sync_folder(one.parent)

    def names(self) -> list[str]:
        """Names in the folder, sorted; none if it does not exist."""
        try:
            found = self._fs.ls(self._root, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rsplit("/", 1)[-1] for path in found)

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(self._path(name)))

    def size(self, name: str) -> int:
        """Bytes in a file. Raises FileNotFoundError."""
        return int(self._fs.info(self._path(name))["size"])

    def read(self, name: str, limit: int) -> bytes:
        """The first ``limit`` bytes of a file."""
        with self._fs.open(self._path(name), "rb") as file:
            return bytes(file.read(limit))

    @contextmanager
    def reading(self, name: str) -> Iterator[BinaryIO]:
        with self._fs.open(self._path(name), "rb") as file:
            yield file

    @contextmanager
    def writing(self, name: str) -> Iterator["Hashed"]:
        """Write a file piece by piece; durable on leaving. It may be left half-written by a crash."""
        with self._fs.open(self._path(name), "wb") as file:
            hashed = Hashed(file)
            yield hashed
            if self._local:
                file.flush()
                os.fsync(file.fileno())

    def write(self, name: str, data: bytes) -> FileEntry:
        """Write a whole file at once; a reader sees all of it or none."""
        path = self._path(name)
        if self._local:
            temporary = self._path(f".{name}.{uuid.uuid4().hex[:8]}.tmp")
            with self._fs.open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._fs.mv(temporary, path)
            self.sync()
        else:
            self._fs.pipe_file(path, data)
        return FileEntry(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())

    def sync(self) -> None:
        """Make the names in this folder durable, where the place is a local disk."""
        if self._local:
            sync_folder(Path(self._root))

    def sha256(self, name: str) -> str:
        """Hash of a file as it lies there now."""
        digest = hashlib.sha256()
        with self.reading(name) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def remove(self, name: str) -> None:
        """Remove a file; harmless if it is gone already."""
        try:
            self._fs.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def remove_empty(self) -> None:
        """Remove this folder, which holds nothing any more; object stores have no folders to remove."""
        try:
            self._fs.rmdir(self._root)
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


class Hashed:
    """A stream that knows the hash of what went through it. It can't seek, so the hash is of the file."""

    def __init__(self, file: Any) -> None:
        self._file, self._digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        self._file.write(data)
        self._digest.update(data)
        written = memoryview(data).nbytes
        self.size += written
        return written

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """The folder closes the file, once it is durable."""

    def entry(self, name: str) -> FileEntry:
        return FileEntry(name=name, size=self.size, sha256=self._digest.hexdigest())
