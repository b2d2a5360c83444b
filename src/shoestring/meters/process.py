"""CPU, memory, disk and network of a process tree, from /proc through psutil."""

import resource
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUse:
    """Totals of a process tree so far. Network counts the whole node: Linux keeps no figure per process."""

    cpu_s: float
    memory_bytes: int
    disk_read_bytes: int | None
    disk_written_bytes: int | None
    net_received_bytes: int | None
    net_sent_bytes: int | None
    processes: int


@dataclass(slots=True)
class ProcessTree:
    """All descendants of this process, dead ones included.

    CPU time is exact: a process that was waited for adds its time to its parent's, and an orphan's goes to us
    (the runner is the subreaper), so live processes plus RUSAGE_CHILDREN count every descendant once.
    """

    _disk: dict[tuple[int, float], tuple[int, int]] = field(default_factory=dict)
    _net_start: tuple[int, int] | None = None
    _disk_known: bool = False

    def use(self) -> TreeUse:
        """Totals as of now."""
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s, memory, count = reaped.ru_utime + reaped.ru_stime, 0, 0
        for process in psutil.Process().children(recursive=True):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu_s += times.user + times.system + times.children_user + times.children_system
                    memory += process.memory_info().rss
                    count += 1
                    self._note_disk(process)
            except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
                continue
        net = self._net()
        read, written = (sum(pair[i] for pair in self._disk.values()) for i in (0, 1))
        return TreeUse(
            cpu_s=cpu_s,
            memory_bytes=memory,
            disk_read_bytes=read if self._disk_known else None,
            disk_written_bytes=written if self._disk_known else None,
            net_received_bytes=None if net is None else net[0],
            net_sent_bytes=None if net is None else net[1],
            processes=count,
        )

    def _note_disk(self, process: psutil.Process) -> None:
        try:
            io = process.io_counters()
        except (psutil.AccessDenied, NotImplementedError):
            return
        self._disk_known = True
        self._disk[process.pid, process.create_time()] = (io.read_bytes, io.write_bytes)

    def _net(self) -> tuple[int, int] | None:
        try:
            counters = psutil.net_io_counters()
        except OSError:
            return None
        now = (counters.bytes_recv, counters.bytes_sent)
        if self._net_start is None:
            self._net_start = now
        return now[0] - self._net_start[0], now[1] - self._net_start[1]
