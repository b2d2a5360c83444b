"""What may be on a disk after the power failed: images of a folder, built from a history of its writes.

A history is a list of operations in the order in which the kernel got them (:mod:`tests.faults.recording`
takes one from a real process). Power fails after the first ``k`` of them. Then

- bytes of a file are durable if its fsync came later than they and before the failure;
- names in a folder (create, rename, unlink, mkdir) are durable only if the *folder's* fsync did;
- anything else may be there or not, by ``Loss``: nothing of it, a random part of the operations, a random
  part of the 512-byte sectors, or all of it (which is what killing the process leaves).

So a file that was written, fsynced and renamed, without an fsync of its folder, may still carry its old name;
one that was renamed without an fsync of its own may be there and empty. That is what POSIX allows; most file
systems are kinder, none may be harsher, except disks that lie about fsync.

    history = History(record([sys.executable, "workload.py", str(folder)], folder))
    for number in range(2500):
        draw = random.Random(number)
        crash = draw.randrange(history.first("ready"), len(history.operations) + 1)
        history.image(crash, Loss.of(number), draw).write(fresh_folder)
        acknowledged = history.marks(crash)
        ... open what is in fresh_folder; everything acknowledged must be there, and whole ...

Paths are relative to the recorded folder, ``"."`` is that folder itself.
"""

import hashlib
import pickle
import shutil
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path, PurePosixPath
from random import Random

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Create:
    """A name for a new, empty file."""

    path: str


@dataclass(frozen=True, slots=True)
class MakeFolder:
    path: str


@dataclass(frozen=True, slots=True)
class Write:
    path: str
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Truncate:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """fsync or fdatasync of a file, or of a folder."""

    path: str


@dataclass(frozen=True, slots=True)
class Rename:
    path: str
    new: str


@dataclass(frozen=True, slots=True)
class Unlink:
    """Also rmdir."""

    path: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The workload said something to the outside, e.g. that a commit is done."""

    label: str


Operation = Create | MakeFolder | Write | Truncate | Sync | Rename | Unlink | Mark


class Loss(Enum):
    """What becomes of operations that were not durable."""

    ALL = "none of them survive"
    SOME = "each survives or not"
    TORN = "each sector of each write survives or not"
    NONE = "all survive, as when only the process was killed"

    @classmethod
    def of(cls, number: int) -> "Loss":
        """The kinds in turn."""
        return tuple(cls)[number % len(cls)]


@dataclass(slots=True)
class _Inode:
    """A file apart from its names: the bytes' operations with their place in the history."""

    changes: list[tuple[int, Write | Truncate]] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    folder: bool = False


@dataclass(frozen=True, slots=True)
class _Naming:
    """At ``when``, in ``folders``: ``gives`` became a name of ``inode``, and ``takes`` was taken away."""

    when: int
    folders: tuple[int, ...]
    gives: str | None
    inode: int
    takes: str | None


@dataclass(frozen=True, slots=True)
class Image:
    """Files by path (None: a folder)."""

    files: dict[str, bytes | None]

    def digest(self) -> bytes:
        """Tells images apart."""
        return hashlib.sha256(pickle.dumps(sorted(self.files.items()))).digest()

    def write(self, folder: Path) -> None:
        """Make ``folder`` hold exactly this; whatever was in it goes."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in sorted(self.files):
            data = self.files[path]
            if data is None:
                (folder / path).mkdir()
            else:
                (folder / path).write_bytes(data)


class History:
    """Operations on one folder, which was empty at the start."""

    def __init__(self, operations: list[Operation]) -> None:
        self.operations = operations
        self._inodes: list[_Inode] = [_Inode(folder=True)]
        self._names: dict[str, int] = {".": 0}
        self._namings: list[_Naming] = []
        self._bases: dict[tuple[int, int], bytes] = {}
        for when, operation in enumerate(operations):
            self._enter(when, operation)

    def first(self, label: str) -> int:
        """How many operations there were when the mark was set, itself included."""
        return self.operations.index(Mark(label)) + 1

    def marks(self, crash: int) -> list[str]:
        """What the workload had said before the failure."""
        return [op.label for op in self.operations[:crash] if isinstance(op, Mark)]

    def image(self, crash: int, loss: Loss, draw: Random) -> Image:
        """One of the states that a power failure after ``crash`` operations may leave."""
        names: dict[str, int] = {}
        for naming in self._namings:
            if naming.when >= crash:
                break
            durable = all(_synced(self._inodes[f].syncs, naming.when, crash) for f in naming.folders)
            if durable or _survives(loss, draw):
                if naming.takes is not None:
                    _move(names, naming.takes, naming.gives)
                if naming.gives is not None:
                    names[naming.gives] = naming.inode
        files: dict[str, bytes | None] = {}
        contents: dict[int, bytes] = {}
        for path in sorted(names):
            if str(PurePosixPath(path).parent) not in (".", *files):
                continue  # its folder is gone
            inode = names[path]
            if self._inodes[inode].folder:
                files[path] = None
            else:
                if inode not in contents:
                    contents[inode] = self._content(inode, crash, loss, draw)
                files[path] = contents[inode]
        return Image(files)

    def _enter(self, when: int, operation: Operation) -> None:
        names = self._names
        match operation:
            case Create(path) | MakeFolder(path):
                self._inodes.append(_Inode(folder=isinstance(operation, MakeFolder)))
                names[path] = len(self._inodes) - 1
                self._namings.append(_Naming(when, (self._parent(path),), path, names[path], None))
            case Write(path) | Truncate(path):
                self._inodes[names[path]].changes.append((when, operation))
            case Sync(path):
                self._inodes[names[path]].syncs.append(when)
            case Rename(path, new):
                folders = (self._parent(path), self._parent(new))
                self._namings.append(_Naming(when, folders, new, names[path], path))
                _move(names, path, new)
            case Unlink(path):
                self._namings.append(_Naming(when, (self._parent(path),), None, names[path], path))
                del names[path]
            case Mark():
                pass

    def _parent(self, path: str) -> int:
        return self._names[str(PurePosixPath(path).parent)]

    def _content(self, number: int, crash: int, loss: Loss, draw: Random) -> bytes:
        inode = self._inodes[number]
        synced = max((when for when in inode.syncs if when < crash), default=-1)
        content = bytearray(self._base(number, synced))
        for when, change in inode.changes:
            if when >= crash:
                break
            if when < synced:
                continue
            if loss is Loss.TORN and isinstance(change, Write):
                _write_some_sectors(content, change, draw)
            elif _survives(loss, draw):
                _apply(content, change)
        return bytes(content)

    def _base(self, number: int, synced: int) -> bytes:
        """What the file durably held after its sync at ``synced``."""
        key = (number, synced)
        if key not in self._bases:
            content = bytearray()
            for when, change in self._inodes[number].changes:
                if when > synced:
                    break
                _apply(content, change)
            self._bases[key] = bytes(content)
        return self._bases[key]


def _synced(syncs: list[int], since: int, crash: int) -> bool:
    return any(since < when < crash for when in syncs)


def _survives(loss: Loss, draw: Random) -> bool:
    return loss is Loss.NONE or (loss is not Loss.ALL and draw.random() < 0.5)


def _move(names: dict[str, int], old: str, new: str | None) -> None:
    """Take ``old`` and what lies under it away, or give it the name ``new``."""
    for path in [p for p in names if p == old or p.startswith(f"{old}/")]:
        inode = names.pop(path)
        if new is not None:
            names[new + path[len(old) :]] = inode


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def _write_some_sectors(content: bytearray, write: Write, draw: Random) -> None:
    """Sectors are counted from the start of the file, as on a disk."""
    begin, end = write.offset, write.offset + len(write.data)
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        if draw.random() < 0.7:
            data = write.data[begin - write.offset : stop - write.offset]
            _apply(content, Write(write.path, begin, data))
        begin = stop
