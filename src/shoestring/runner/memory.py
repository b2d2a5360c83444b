"""Has the kernel killed something here for lack of memory?"""

from pathlib import Path

# The whole node's counter, and those of this container under both versions of control groups.
_COUNTERS = (
    Path("/proc/vmstat"),
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
)


def oom_kills(counters: tuple[Path, ...] = _COUNTERS) -> int:
    """Kills so far, of all counters that can be read; only a rise means anything."""
    total = 0
    for path in counters:
        try:
            text = path.read_text()
        except OSError:
            continue
        for line in text.splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill" and value.strip().isdigit():
                total += int(value)
    return total
