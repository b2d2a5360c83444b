"""Recording what a process asks of the kernel about a folder, with strace: the input of tests.faults.images.

The process runs unchanged, threads and children included. It acknowledges by writing a line ``MARK label``
to its standard output (``os.write(1, b"MARK 7\\n")``). Calls that change the folder and that we do not
understand raise, so that no history is silently wrong. Memory-mapped writes are not seen: files written so
(SQLite's ``-shm``, which a restart rebuilds) must be named in ``ignore``.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tests.faults.images import (
    Create,
    MakeFolder,
    Mark,
    Operation,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
)

CALLS = (
    "openat,open,creat,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,fsync,fdatasync,"
    "sync_file_range,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,"
    "copy_file_range,sendfile"
)
HARMLESS = {"sync_file_range"}  # promises nothing about durability (man sync_file_range, "Warning")
MISSING = None if shutil.which("strace") else "strace is not installed (Debian: apt-get install strace)"

_LINE = re.compile(r"(?P<pid>\d+) +(?P<call>\w+)\((?P<rest>.*)")
_RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. \w+ resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"
_FD = re.compile(r"(\d+|AT_FDCWD)<([^>]*)>(\(deleted\))?")
_RESULT = re.compile(r"\) += (-?\d+)(?:<([^>]*)>)?")


def record(
    command: Sequence[str],
    folder: Path,
    *,
    env: Mapping[str, str] | None = None,
    ignore: Sequence[str] = (),
    timeout_s: float = 120.0,
) -> list[Operation]:
    """Run ``command`` and return what it did to ``folder``, which must be empty at the start.

    Args:
        ignore: endings of file names that are left out.

    Raises:
        subprocess.CalledProcessError: the command failed; its standard error is in the exception.
    """
    assert folder.is_dir() and not any(folder.iterdir()), "a history begins with an empty folder"
    trace = folder.parent / f"{folder.name}.strace"
    strace = ["strace", "-f", "-qq", "-y", "-xx", "-s", "10000000", "-e", f"trace={CALLS}", "-o", str(trace)]
    subprocess.run(
        [*strace, *command],
        check=True,
        timeout=timeout_s,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    reader = _Reader(folder.resolve(), tuple(ignore))
    with trace.open(encoding="ascii") as lines:
        return [operation for line in _whole(lines) for operation in reader.operations(line)]


def _whole(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    """Calls that another thread interrupted, put together again, at the place where they ended."""
    begun: dict[str, str] = {}
    for line in map(str.rstrip, lines):
        if line.endswith(_UNFINISHED):
            begun[line.split()[0]] = line.removesuffix(_UNFINISHED)
        elif resumed := _RESUMED.match(line):
            yield begun.pop(resumed["pid"]) + resumed["rest"]
        else:
            yield line


class _Reader:
    """Turns lines of strace into operations; keeps the sizes and offsets that strace does not tell."""

    def __init__(self, folder: Path, ignore: tuple[str, ...]) -> None:
        self.folder, self.ignore = folder, ignore
        self.sizes: dict[str, int] = {}
        self.offsets: dict[tuple[str, str], int | None] = {}  # by descriptor and path; None: appends

    def operations(self, line: str) -> Iterator[Operation]:
        call = _LINE.match(line)
        result = None if call is None else _RESULT.search(call["rest"])
        if call is None or result is None or int(result[1]) < 0:
            return  # a signal, an exit, or a call that failed and changed nothing
        name, rest = call["call"], call["rest"]
        texts = [_unhex(text) for text in re.findall(r'"([^"]*)"', rest)]
        fd = _FD.match(rest)
        if name == "write" and texts and texts[0].startswith(b"MARK "):
            yield from (Mark(mark[5:].decode()) for mark in texts[0].splitlines())
        elif name in ("openat", "open", "creat"):
            yield from self._open(texts[0], rest, result)
        elif name in ("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "lseek"):
            path = None if fd is None or fd[3] else self._inside(_unhex(fd[2]))
            if path is not None and fd is not None:
                yield from self._on_descriptor(name, fd[1], path, texts, rest, int(result[1]))
        elif name in ("rename", "renameat", "renameat2"):
            yield from self._rename(texts)
        elif name in ("unlink", "rmdir", "unlinkat", "mkdir", "mkdirat"):
            path = self._inside(texts[0])
            if path is not None:
                self.sizes.pop(path, None)
                yield MakeFolder(path) if name.startswith("mkdir") else Unlink(path)
        elif name not in HARMLESS and self._touches(rest, texts):
            raise NotImplementedError(f"a history can't hold {name} yet: {line[:200]}")

    def _open(self, text: bytes, rest: str, result: re.Match[str]) -> Iterator[Operation]:
        path = self._inside(text)
        if path is None or "O_DIRECTORY" in rest or ("O_CREAT" not in rest and path not in self.sizes):
            return
        assert "O_TMPFILE" not in rest, "a history can't hold files without a name yet"
        if path not in self.sizes:
            self.sizes[path] = 0
            yield Create(path)
        elif "O_TRUNC" in rest:
            self.sizes[path] = 0
            yield Truncate(path, 0)
        self.offsets[result[1], path] = None if "O_APPEND" in rest else 0

    def _on_descriptor(
        self, name: str, fd: str, path: str, texts: list[bytes], rest: str, result: int
    ) -> Iterator[Operation]:
        if name in ("fsync", "fdatasync"):
            yield Sync(path)
        elif name == "ftruncate":
            size = int(rest.split("), ")[0].rsplit(", ", 1)[-1].split(")")[0])
            self.sizes[path] = size
            yield Truncate(path, size)
        elif name == "lseek":
            if self.offsets[fd, path] is not None:
                self.offsets[fd, path] = result
        else:
            offset = self.offsets[fd, path]
            if name == "pwrite64":
                offset = int(rest.rsplit(") ", 1)[0].rsplit(", ", 1)[-1])
            elif offset is None:
                offset = self.sizes[path]
            else:
                self.offsets[fd, path] = offset + result
            self.sizes[path] = max(self.sizes[path], offset + result)
            yield Write(path, offset, texts[0][:result])

    def _rename(self, texts: list[bytes]) -> Iterator[Operation]:
        old, new = self._inside(texts[0]), self._inside(texts[1])
        if old is None and new is None:
            return
        assert old is not None and new is not None, "renamed into or out of the recorded folder"
        if old in self.sizes:
            self.sizes[new] = self.sizes.pop(old)
        yield Rename(old, new)

    def _inside(self, text: bytes) -> str | None:
        """Path relative to the folder; None if it lies outside (as relative paths do) or is ignored."""
        path = PurePosixPath(text.decode("utf-8", "surrogateescape"))
        if not path.is_relative_to(self.folder) or path.name.endswith(self.ignore or ("\0",)):
            return None
        return str(path.relative_to(self.folder))

    def _touches(self, rest: str, texts: list[bytes]) -> bool:
        paths = [*texts, *(_unhex(found[1]) for found in _FD.findall(rest))]
        return any(self._inside(path) is not None for path in paths)


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
