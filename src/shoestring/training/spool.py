"""The spool: the one place through which a job and its supervisor speak (format version 1).

The runner on each node makes one spool folder per attempt and owns it. The job may write under ``job/`` only;
what it writes there is a claim, not a fact, until the runner or the executor has checked it. Times are the
node's wall clock, in seconds since the epoch; the executor translates them to the fleet's clock.

    SPOOL/
      spool.json                {"version": 1, "run_id", "attempt_id", "node_rank", ...}: written once
      runner/state.json         phase, pids, started_at                        replaced atomically
      runner/notice.json        {"at", "until", "source"}: the provider takes the node back
      runner/ask.json           {"save": n, "stop": n}: counters the supervisor raises
      runner/meter.jsonl        sealed lines: meter totals so far
      runner/exit.json          durable once the command has ended: exit code, times
      job/heartbeat.json        newest heartbeat                               replaced atomically
      job/events.jsonl          sealed lines: checkpoint | restore | span | rejected | save_failed
      log                       stdout and stderr of the command

A *sealed line* is ``<crc32 as 8 hex digits> <compact JSON>\\n``: a torn or altered line is seen and skipped,
and everything after it is still read.
"""

import contextlib
import errno
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

VERSION = 1

# Environment of the job: how it finds the spool and what it should do.
ENV_SPOOL = "SHOESTRING_SPOOL"
ENV_RUN_ID = "SHOESTRING_RUN_ID"
ENV_ATTEMPT_ID = "SHOESTRING_ATTEMPT_ID"
ENV_ATTEMPT = "SHOESTRING_ATTEMPT"  # 1, 2, 3 ...
ENV_CHECKPOINT_DIR = "SHOESTRING_CHECKPOINT_DIR"
ENV_INTERVAL_S = "SHOESTRING_CHECKPOINT_INTERVAL_S"  # wall-clock seconds between saves
ENV_RESTORE = (
    "SHOESTRING_RESTORE"  # JSON: [{"id", "uri", "manifest_sha256", "step"}], newest first; [] = fresh
)

ENV_STOP_AT_STEP = "SHOESTRING_STOP_AT_STEP"  # a rehearsal's: training is over after so many steps

EXIT_SAVED = 85  # "I have saved; start me again elsewhere"

SPOOL_FILE = "spool.json"
STATE = "runner/state.json"
NOTICE = "runner/notice.json"
ASK = "runner/ask.json"
METER = "runner/meter.jsonl"
EXIT = "runner/exit.json"
HEARTBEAT = "job/heartbeat.json"
EVENTS = "job/events.jsonl"
LOG = "log"

MAX_LINE = 1 << 20


def replace_json(path: Path, data: Mapping[str, Any], *, durable: bool = False) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never a part.

    Args:
        durable: also survive a power loss (fsync of file and folder).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(data, file, separators=(",", ":"))
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_plain(path: Path) -> BinaryIO:
    """A plain file, opened to be read. Others write in the spool, so it may be something else by now.

    Raises:
        FileNotFoundError: nothing is there, or a link, pipe or device, which could block or never end.
        OSError: it could not be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise FileNotFoundError(f"{path} is no plain file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{path} is no plain file")
    return os.fdopen(descriptor, "rb")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``; None if there is no such file or it does not hold a whole JSON object."""
    with contextlib.suppress(OSError, ValueError, RecursionError), open_plain(path) as file:
        text = file.read(MAX_LINE + 1)
        if len(text) <= MAX_LINE:
            data = json.loads(text)
            return data if isinstance(data, dict) else None
    return None


def seal(data: Mapping[str, Any]) -> bytes:
    """One sealed line.

    >>> seal({"a": 1})
    b'561bacaf {"a":1}\\n'
    """
    body = json.dumps(data, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def unseal(line: bytes) -> dict[str, Any] | None:
    """The object in one sealed line without its newline; None if the line is torn or altered."""
    seal_hex, _, body = line.partition(b" ")
    if len(seal_hex) == 8 and seal_hex == b"%08x" % zlib.crc32(body):
        with contextlib.suppress(ValueError, RecursionError):
            data = json.loads(body)
            return data if isinstance(data, dict) else None
    return None


def append_sealed(path: Path, data: Mapping[str, Any], *, durable: bool = False) -> None:
    """Append one sealed line with a single write; a torn line before it is closed off first."""
    line = seal(data)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" + line if torn else line)
        if durable:
            os.fsync(descriptor)
            if size == 0:  # its name is new, too
                sync_folder(path.parent)
    finally:
        os.close(descriptor)


def read_sealed(path: Path, offset: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Whole and unaltered lines of ``path`` from ``offset``, each with the offset behind it.

    Lines that are torn, altered or over 1 MiB are skipped. A file that is not there has none.
    """
    try:
        file = open_plain(path)
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        while line := file.readline(MAX_LINE):
            offset += len(line)
            if not line.endswith(b"\n"):
                if len(line) < MAX_LINE:
                    return  # still being written, or torn at the end: look again later
                continue
            if (data := unseal(line[:-1])) is not None:
                yield offset, data
