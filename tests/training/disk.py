"""A local disk that dies at the k-th operation, and may then lose what was not yet durable.

Operations are: make a folder, create a file, each write, rename, unlink, remove a folder. Once dead, nothing
works any more: code that tidies up on the way out must not be able to help.
"""

import os
import random
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem


class PowerCut(BaseException):
    """No handler of ordinary errors may catch this."""


class Disk:
    """Counts operations, dies at ``dies_at`` (None: never) and remembers what is not durable."""

    def __init__(self, dies_at: int | None) -> None:
        self.dies_at, self.done, self.dead = dies_at, 0, False
        self.log: list[str] = []
        self.unsynced_data: set[str] = set()
        self.unsynced_names: list[tuple[str, str, Any]] = []  # (what, path, how to undo it)

    def operation(self, what: str) -> None:
        """Called before each operation."""
        if self.dead or self.done == self.dies_at:
            self.dead = True
            raise PowerCut(what)
        self.done += 1
        self.log.append(what)

    def synced(self, path: str) -> None:
        if Path(path).is_dir():
            self.unsynced_names = [
                entry for entry in self.unsynced_names if os.path.dirname(entry[1]) != path
            ]
        else:
            self.unsynced_data.discard(path)

    def lose(self, dice: random.Random) -> None:
        """The power is gone: any part of what was not durable may be lost, in any order."""
        for path in sorted(self.unsynced_data):
            if os.path.exists(path):
                os.truncate(path, dice.randint(0, os.path.getsize(path)))
        for what, path, undo in reversed(self.unsynced_names):
            if dice.random() < 0.5:
                continue
            if what == "create" and os.path.isfile(path):
                os.unlink(path)
            elif what == "mkdir":
                shutil.rmtree(path, ignore_errors=True)
            elif what == "rename" and os.path.exists(path) and not os.path.exists(undo):
                os.rename(path, undo)
            elif what == "unlink" and os.path.isdir(os.path.dirname(path)):
                Path(path).write_bytes(undo)
            elif what == "rmdir" and os.path.isdir(os.path.dirname(path)):
                os.makedirs(path, exist_ok=True)


class MortalFileSystem(LocalFileSystem):
    """fsspec's local file system on a :class:`Disk`."""

    protocol = ("mortal",)
    cachable = False
    disk = Disk(None)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return str(path).removeprefix("mortal://").rstrip("/")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        missing = [p for p in (Path(path), *Path(path).parents) if not p.exists()]
        for folder in reversed(missing):
            self.disk.operation(f"mkdir {folder.name}")
            self.disk.unsynced_names.append(("mkdir", str(folder), None))
            folder.mkdir()

    def open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return open(path, mode)
        self.disk.operation(f"create {os.path.basename(path)}")
        self.disk.unsynced_names.append(("create", path, None))
        self.disk.unsynced_data.add(path)
        return MortalFile(path, self.disk)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        self.disk.operation(f"rename {os.path.basename(path2)}")
        self.disk.unsynced_names.append(("rename", path2, path1))
        os.rename(path1, path2)

    def rm_file(self, path: str) -> None:
        self.disk.operation(f"unlink {os.path.basename(path)}")
        self.disk.unsynced_names.append(("unlink", path, Path(path).read_bytes()))
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        self.disk.operation(f"rmdir {os.path.basename(path)}")
        self.disk.unsynced_names.append(("rmdir", path, None))
        os.rmdir(path)


class MortalFile:
    """An unbuffered file; the write at which the disk dies is half done."""

    def __init__(self, path: str, disk: Disk) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115
        self._path, self._disk = path, disk

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        try:
            self._disk.operation(f"write {os.path.basename(self._path)}")
        except PowerCut:
            self._file.write(view[: len(view) // 2])
            raise
        return self._file.write(view) or 0

    def flush(self) -> None: ...

    def fileno(self) -> int:
        return self._file.fileno()

    def __enter__(self) -> "MortalFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def mortal(disk: Disk, monkeypatch: Any) -> Any:
    """``mortal://`` paths lie on ``disk``; fsync tells it what is durable."""
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        if disk.dead:
            raise PowerCut("fsync")
        disk.synced(os.readlink(f"/proc/self/fd/{descriptor}"))

    with monkeypatch.context() as patch:
        patch.setattr(MortalFileSystem, "disk", disk)
        patch.setattr(os, "fsync", noted)
        yield
    assert os.fsync is fsync
