"""Adopts the checkpoints of scripts that do not know us: a glob, and a marker that says one is whole."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shoestring.runner.claims import is_step
from shoestring.runner.spool import JobOrder
from shoestring.training import spool as names
from shoestring.training.spool import append_sealed, read_json

if TYPE_CHECKING:
    from shoestring.training.foreign import Foreign

LOCAL_S, REMOTE_S = 5.0, 30.0  # between two looks; an object store bills each listing
SHARE = 20.0  # looks take at most one part in so many of the time


@dataclass
class ForeignWatch:
    """Looks in a thread of its own: the place may be an object store that does not answer.

    What goes wrong in a look is reported through threading.excepthook; the next look tries again.

    Args:
        since: wall clock; checkpoints older than that are an earlier attempt's.
    """

    folder: Path
    order: JobOrder
    since: float
    _thread: threading.Thread | None = None
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _next: float = 0.0
    _looks: int = 0

    def __post_init__(self) -> None:
        where = self.order.checkpoint_where
        self._wanted = self.order.checkpoint_glob is not None and where is not None
        if where is not None and "://" not in where:
            where = str((Path(self.order.workdir or ".") / where).absolute())
        self._where = where or ""

    def look(self, now: float) -> None:
        """Begin a look if one is due (monotonic time) and none goes on."""
        if self._wanted and now >= self._next and self._wait(0.0):
            self._thread = threading.Thread(target=self._look, name="foreign checkpoints", daemon=True)
            self._thread.start()

    def last_look(self, timeout_s: float) -> bool:
        """Once more, now that the command has ended; False if it took too long."""
        if not self._wait(timeout_s):
            return False
        self._next = 0.0
        self.look(time.monotonic())
        return self._wait(timeout_s)

    def _wait(self, timeout_s: float) -> bool:
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _look(self) -> None:
        from shoestring.training.foreign import complete  # brings fsspec, which most runs can do without

        assert self.order.checkpoint_glob is not None
        began = time.monotonic()
        self._next = began + (REMOTE_S if "://" in self._where else LOCAL_S)
        for found in complete(self._where, self.order.checkpoint_glob, self.order.complete_marker):
            key = (found.id, found.sha256)
            if key not in self._seen and self._is_ours(found):
                append_sealed(self.folder / names.EVENTS, self._event(found), durable=True)
            self._seen.add(key)
        self._looks += 1
        self._next = max(self._next, began + SHARE * (time.monotonic() - began))

    def _is_ours(self, found: "Foreign") -> bool:
        """Written by this attempt. Where the place keeps no times: not there at the first look."""
        return found.at >= self.since if found.at is not None else self._looks > 0

    def _event(self, found: "Foreign") -> dict[str, object]:
        """As a job of ours would report it; a script may write under one name again and again."""
        return {
            "kind": "checkpoint",
            "id": f"{found.id}@{found.sha256[:12]}",
            "uri": found.uri,
            "manifest_sha256": found.sha256,
            "at": found.at if found.at is not None else time.time(),
            "step": found.step if found.step is not None else self._newest_step(),
            "size_bytes": found.size_bytes,
            "save_s": 0.0,  # nobody can tell from outside
            "blocked_s": 0.0,
            "trigger": "foreign",
        }

    def _newest_step(self) -> int:
        """By the heartbeat; 0 where neither checkpoint nor script says a word about steps."""
        step = (read_json(self.folder / names.HEARTBEAT) or {}).get("step")
        return step if is_step(step) else 0
