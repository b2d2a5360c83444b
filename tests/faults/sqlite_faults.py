"""Makes one of SQLite's own I/O calls fail, inside this process and with our code untouched.

A copy of SQLite's default VFS (sqlite.org/vfs.html) is registered as the new default while the faults are on;
it counts calls and answers the chosen one with an error code, the rest goes through. It wraps, by ctypes, the
library that Python's sqlite3 module uses.
"""

import _sqlite3
import ctypes
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_void_p, cast, sizeof
from typing import Any

Pointer = c_void_p
_OPEN = ctypes.CFUNCTYPE(c_int, Pointer, Pointer, Pointer, c_int, POINTER(c_int))
_DELETE = ctypes.CFUNCTYPE(c_int, Pointer, Pointer, c_int)
_BYTES = ctypes.CFUNCTYPE(c_int, Pointer, Pointer, c_int, c_int64)  # xRead, xWrite
_TRUNCATE = ctypes.CFUNCTYPE(c_int, Pointer, c_int64)
_SYNC = ctypes.CFUNCTYPE(c_int, Pointer, c_int)
_SHM_MAP = ctypes.CFUNCTYPE(c_int, Pointer, c_int, c_int, c_int, Pointer)


class _Vfs(ctypes.Structure):
    """sqlite3_vfs, version 3; what is not named here is only carried along."""

    _fields_ = (
        ("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", Pointer),
        ("zName", c_char_p), ("pAppData", Pointer), ("xOpen", _OPEN), ("xDelete", _DELETE),
        ("others", Pointer * 14),
    )  # fmt: skip


class _Methods(ctypes.Structure):
    """sqlite3_io_methods, version 3."""

    _fields_ = (
        ("iVersion", c_int), ("xClose", Pointer), ("xRead", _BYTES), ("xWrite", _BYTES),
        ("xTruncate", _TRUNCATE), ("xSync", _SYNC), ("locking", Pointer * 7), ("xShmMap", _SHM_MAP),
        ("shm", Pointer * 5),
    )  # fmt: skip


class _File(ctypes.Structure):
    _fields_ = (("pMethods", POINTER(_Methods)),)


# Kind of call, the result code it answers, and whether all later ones of the kind fail too.
FAILURES = (
    ("open", sqlite3.SQLITE_CANTOPEN, False),
    ("delete", sqlite3.SQLITE_IOERR_DELETE, False),
    ("read", sqlite3.SQLITE_IOERR_READ, False),
    ("write", sqlite3.SQLITE_IOERR_WRITE, False),
    ("write", sqlite3.SQLITE_FULL, True),
    ("truncate", sqlite3.SQLITE_IOERR_TRUNCATE, False),
    ("sync", sqlite3.SQLITE_IOERR_FSYNC, False),
    ("sync", sqlite3.SQLITE_IOERR_FSYNC, True),
    ("shm", sqlite3.SQLITE_IOERR_SHMMAP, False),
)


class Faults:
    """Which call fails. Calls of each kind are counted from 1.

    Attributes:
        kind, number: the call that fails; None: none does.
        code: SQLite's result code it answers.
        for_good: all later calls of the kind fail too, as on a full disk.
        calls: how many there were. fired: how many failed.
    """

    def __init__(
        self, kind: str | None = None, number: int = 0, code: int = 0, *, for_good: bool = False
    ) -> None:
        self.kind, self.number, self.code, self.for_good = kind, number, code, for_good
        self.calls: Counter[str] = Counter()
        self.fired = 0

    def strikes(self, kind: str) -> bool:
        self.calls[kind] += 1
        due = self.calls[kind] >= self.number if self.for_good else self.calls[kind] == self.number
        if kind != self.kind or not due:
            return False
        self.fired += 1
        return True


def _library() -> ctypes.CDLL | None:
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    try:
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
    except AttributeError:
        return None
    return library


LIBRARY = _library()
MISSING = None if LIBRARY else "this Python hides its SQLite library's functions"


@contextmanager
def failing(faults: Faults) -> Iterator[Faults]:
    """Every SQLite file opened within goes through ``faults``."""
    assert LIBRARY is not None
    original = LIBRARY.sqlite3_vfs_find(None)
    shim = _Shim(original, faults)
    assert LIBRARY.sqlite3_vfs_register(byref(shim.vfs), 1) == sqlite3.SQLITE_OK
    try:
        yield faults
    finally:
        LIBRARY.sqlite3_vfs_register(original, 1)
        LIBRARY.sqlite3_vfs_unregister(byref(shim.vfs))
        _KEPT.append(shim)  # connections that are still open go on using it


_KEPT: list[Any] = []


class _Shim:
    """The wrapping VFS; holds every callback, since SQLite does not."""

    def __init__(self, original: Any, faults: Faults) -> None:
        self.faults = faults
        self.methods: dict[int, _Methods] = {}  # by address of the original's
        self.vfs = _Vfs()
        ctypes.memmove(byref(self.vfs), original, sizeof(_Vfs))
        base = original.contents
        self.vfs.zName = b"shoestring-faults"

        def opened(_: int, name: int, file: int, flags: int, out: Any) -> int:
            if faults.strikes("open"):
                cast(file, POINTER(_File)).contents.pMethods = None  # then SQLite does not call xClose
                return faults.code
            result: int = base.xOpen(ctypes.addressof(base), name, file, flags, out)
            opened_file = cast(file, POINTER(_File)).contents
            if result == sqlite3.SQLITE_OK and opened_file.pMethods:
                opened_file.pMethods = ctypes.pointer(self._wrapped(opened_file.pMethods))
            return result

        def deleted(_: int, name: int, sync: int) -> int:
            if faults.strikes("delete"):
                return faults.code
            result: int = base.xDelete(ctypes.addressof(base), name, sync)
            return result

        self.vfs.xOpen, self.vfs.xDelete = _OPEN(opened), _DELETE(deleted)

    def _wrapped(self, original: Any) -> _Methods:
        address = ctypes.addressof(original.contents)
        if address not in self.methods:
            methods = _Methods()
            ctypes.memmove(byref(methods), original, sizeof(_Methods))
            base = original.contents
            methods.xRead = _BYTES(self._struck("read", base.xRead))
            methods.xWrite = _BYTES(self._struck("write", base.xWrite, partly=True))
            methods.xTruncate = _TRUNCATE(self._struck("truncate", base.xTruncate))
            methods.xSync = _SYNC(self._struck("sync", base.xSync))
            if base.iVersion >= 2 and cast(base.xShmMap, Pointer):
                methods.xShmMap = _SHM_MAP(self._struck("shm", base.xShmMap))
            self.methods[address] = methods
        return self.methods[address]

    def _struck(self, kind: str, call: Callable[..., int], *, partly: bool = False) -> Callable[..., int]:
        def wrapped(file: int, *arguments: Any) -> int:
            if not self.faults.strikes(kind):
                return call(file, *arguments)
            if partly:  # half of the bytes reach the file, as when a disk runs full
                data, amount, offset = arguments
                call(file, data, amount // 2, offset)
            return self.faults.code

        return wrapped
