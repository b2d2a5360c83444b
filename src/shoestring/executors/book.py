"""The folder of one instance, and the book in it: the engine's own record of when it lived and why it ended.

INSTANCE/
  order.json     what the host was told; written before the folder gets its name, so it is always whole
  refused.json   instead: the launch was refused, for ever
  barred.json    instead: cancelled before it was ever asked for
  cancel.json    the wish to end it: grace in real seconds
  interrupt.json the wish of a test or a rehearsal that the market takes it back
  book.jsonl     sealed lines: launched, booted, noticed, terminated
  lock           held by the host while it lives, and touched by it: its heartbeat
  spool, spool-1 ...   one for each node of the gang
"""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoestring.training.spool import append_sealed, read_json, read_sealed

ORDER, REFUSED, BARRED = "order.json", "refused.json", "barred.json"
CANCEL, INTERRUPT, BOOK, LOCK = "cancel.json", "interrupt.json", "book.jsonl", "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceBook:
    """What the book says, in real time (seconds since the epoch); None for what has not happened.

    Attributes:
        why: of the end: ended (the job did) | interrupted | cancelled | lost.
    """

    launched: float | None = None
    booted: float | None = None
    noticed: float | None = None
    terminated: float | None = None
    why: str | None = None


def write_book(folder: Path, event: str, at: float, **more: Any) -> None:
    """Add a durable line."""
    append_sealed(folder / BOOK, {"event": event, "at": at, **more}, durable=True)


def read_book(folder: Path) -> InstanceBook:
    """All lines added up; the first of each event counts, so a line written twice changes nothing."""
    first: dict[str, dict[str, Any]] = {}
    for _, line in read_sealed(folder / BOOK):
        first.setdefault(str(line.get("event")), line)
    end = first.get("terminated", {})
    return InstanceBook(
        launched=first.get("launched", {}).get("at"),
        booted=first.get("booted", {}).get("at"),
        noticed=first.get("noticed", {}).get("at"),
        terminated=end.get("at"),
        why=end.get("why"),
    )


def try_lock(folder: Path, *, patience_s: float = 0.0) -> int | None:
    """A descriptor that holds the instance's lock; None while another process does.

    Args:
        patience_s: a host that starts tries for so long: whoever looks whether it lives holds the lock for
            an instant, and must not be taken for another host.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(descriptor)
                return None
            time.sleep(0.01)
        else:
            return descriptor


def host_alive(folder: Path) -> bool:
    """Whether the instance's host process lives: it holds the lock for life."""
    if not (folder / LOCK).exists():
        return False
    descriptor = try_lock(folder)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def last_sign_of_life(folder: Path) -> float:
    """When the host last touched its lock, in seconds since the epoch; nobody else's writes count."""
    return (folder / LOCK).stat().st_mtime


def spools(folder: Path, nodes: int) -> list[Path]:
    """Spool folders by node rank."""
    return [folder / ("spool" if rank == 0 else f"spool-{rank}") for rank in range(nodes)]


def order_of(folder: Path) -> dict[str, Any]:
    """The order, or an empty one where there is none."""
    return read_json(folder / ORDER) or {}
