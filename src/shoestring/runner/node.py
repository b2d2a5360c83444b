"""Which process on which node: enough to say later whether it still lives, and to mistake no other for it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def identity() -> dict[str, Any]:
    """Of this process: pid, start in clock ticks since boot (None without /proc), and its node."""
    return {"pid": os.getpid(), "pid_ticks": _start_ticks(os.getpid()), "node": _node()}


def is_alive(identity: Mapping[str, Any]) -> bool | None:
    """Whether the process of :func:`identity` lives; None if that can't be seen from here."""
    pid, ticks, node = identity.get("pid"), identity.get("pid_ticks"), identity.get("node")
    if not isinstance(pid, int) or ticks is None or node is None or node != _node():
        return None
    return bool(_start_ticks(pid) == ticks)


def _node() -> str | None:
    """The boot of this machine and the name space of process ids: within it, a pid means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat: unlike a wall-clock start time it never jumps. None once it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])
