"""CPU, memory, disk and network of a process tree, from /proc through psutil."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shoestring.meters.growing import Growing

_PROC = Path("/proc/self")
_CHILDREN_FILE = Path("/proc/thread-self/children")
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUse:
    """Totals of a process tree so far; None where the system keeps no such figure.

    Attributes:
        memory_bytes: resident sets added up at this moment, or the largest single one of those that have ended.
            Pages that processes share count in each: an upper bound.
        disk_read_bytes, disk_written_bytes: what reached the block layer, not what came from the page cache.
        net_received_bytes, net_sent_bytes: of the whole network name space but its loopback: Linux keeps no
            figure per process.
    """

    cpu_s: float
    memory_bytes: int | None
    disk_read_bytes: int | None
    disk_written_bytes: int | None
    net_received_bytes: int | None
    net_sent_bytes: int | None


@dataclass(slots=True)
class ProcessTree:
    """All descendants of this process, dead ones included; with ``own``, this process too.

    Nothing is lost between two looks and nothing counts twice: the kernel adds the CPU time and the disk
    traffic of a process that was waited for to its parent's, and orphans are ours (the runner is the
    subreaper). Parents are read before their children, so a process that ends during a look is missed in
    that look only. Not seen: children of a process that ignores SIGCHLD, once they have ended.

    Totals count from when this object was made.
    """

    own: bool = False
    _net: dict[tuple[str, str], Growing] = field(default_factory=dict)
    _cpu_before: float = 0.0
    _disk_before: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self._cpu_before, self._disk_before = self._own_cpu(), self._own_disk()

    def use(self) -> TreeUse:
        """Totals as of now."""
        cpu_s, disk = self._own_cpu() - self._cpu_before, _Disk()
        disk.add(self._own_disk(), self._disk_before)
        memory = psutil.Process().memory_info().rss if self.own else 0
        for process in descendants(os.getpid()):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu_s += times.user + times.system + times.children_user + times.children_system
                    memory += process.memory_info().rss
                    disk.add(_traffic(process))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if ended <= _own_peak_kb():
            ended = 0  # a child begins as a copy of its parent: it may never have been larger by itself
        received, sent = self._look_at_net()
        return TreeUse(
            cpu_s=cpu_s,
            memory_bytes=max(memory, ended * 1024) or None,
            disk_read_bytes=disk.read,
            disk_written_bytes=disk.written,
            net_received_bytes=received,
            net_sent_bytes=sent,
        )

    def _own_cpu(self) -> float:
        """Of descendants that have ended and, with ``own``, of this process."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        here = resource.getrusage(resource.RUSAGE_SELF)
        return ended.ru_utime + ended.ru_stime + ((here.ru_utime + here.ru_stime) if self.own else 0.0)

    def _own_disk(self) -> tuple[int, int] | None:
        """The same of disk traffic: /proc/self/io has ended children in it, the threads' own files have not."""
        whole = _io(_PROC / "io")
        if whole is None or self.own:
            return whole
        threads = [_io(thread / "io") or (0, 0) for thread in (_PROC / "task").iterdir()]
        return (
            max(0, whole[0] - sum(read for read, _ in threads)),
            max(0, whole[1] - sum(written for _, written in threads)),
        )

    def _look_at_net(self) -> tuple[int | None, int | None]:
        try:
            cards = psutil.net_io_counters(pernic=True, nowrap=False)
        except OSError:
            return None, None
        sums = {"bytes_recv": 0, "bytes_sent": 0}
        for card, counters in cards.items():
            if card == "lo":
                continue
            for name in sums:
                self._net.setdefault((card, name), Growing()).see(getattr(counters, name))
        for (_, name), growing in self._net.items():
            sums[name] += int(growing.total)
        return (sums["bytes_recv"], sums["bytes_sent"]) if self._net else (None, None)


def descendants(root: int) -> Iterator[psutil.Process]:
    """Everything below a process, parents before their children.

    Each thread's ``children`` file names them at a tenth of the price of reading all processes of the node;
    kernels built without it are asked the dear way.
    """
    if not _CHILDREN_FILE.exists():
        yield from psutil.Process(root).children(recursive=True)
        return
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid != root:
            try:
                yield psutil.Process(pid)
            except psutil.NoSuchProcess:
                continue
        waiting += _children(pid)


def _children(pid: int) -> list[int]:
    """Of all its threads; whoever ends while we look is gone."""
    found: list[int] = []
    with suppress(*_GONE):
        for name in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  for every thread, at every look
            with suppress(*_GONE), open(f"/proc/{pid}/task/{name}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return found


@dataclass(slots=True)
class _Disk:
    read: int | None = None
    written: int | None = None

    def add(self, now: tuple[int, int] | None, before: tuple[int, int] | None = (0, 0)) -> None:
        if now is None:
            return
        before = before or (0, 0)
        self.read = (self.read or 0) + max(0, now[0] - before[0])
        self.written = (self.written or 0) + max(0, now[1] - before[1])


def _traffic(process: psutil.Process) -> tuple[int, int] | None:
    try:
        io = process.io_counters()
    except (psutil.AccessDenied, NotImplementedError, AttributeError):
        return None
    return io.read_bytes, io.write_bytes


def _own_peak_kb() -> int:
    """Largest resident set of this program. Not ru_maxrss: that has the peak of whoever started us in it."""
    with suppress(OSError, StopIteration), (_PROC / "status").open() as file:
        return int(next(line for line in file if line.startswith("VmHWM:")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _io(path: Path) -> tuple[int, int] | None:
    try:
        text = path.read_text()
    except OSError:
        return None
    figures = dict(line.split(": ") for line in text.splitlines())
    return int(figures["read_bytes"]), int(figures["write_bytes"])
