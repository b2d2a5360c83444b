"""What the runner writes into its part of the spool. A disk that fails is noted, and is no reason to stop."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shoestring.domain.run import MeterTotals
from shoestring.runner.node import identity
from shoestring.runner.verdict import End
from shoestring.training import spool as names
from shoestring.training.spool import append_sealed, read_json, replace_json, sync_folder, unseal

METER_BYTES = 1 << 20
RESERVE_BYTES = 64 << 10
EXIT_TRIES = 5
JUMP_S = 1.0
RESERVE = "runner/reserve"


@dataclass
class Record:
    """The runner's own files.

    Args:
        wall: clock of the moments written; monotonic: beside it, to see it jump.
        on_trouble: told once of each thing that can't be written.
    """

    folder: Path
    on_trouble: Callable[[str], None]
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    troubles: list[str] = field(default_factory=list)
    _state: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> None:
        """Say durably that this attempt has begun: it never runs twice. Raises OSError if that can't be said."""
        self._last = (self.wall(), self.monotonic())
        self._state = {"phase": "preparing", **identity(), "started_at": self._last[0]}
        (self.folder / RESERVE).write_bytes(b"\0" * RESERVE_BYTES)  # room for the end on a full disk
        replace_json(self.folder / names.STATE, self._state, durable=True)

    def state(self, **changes: Any) -> None:
        """Change what is said of the runner; durably: a file renamed before its bytes are safe may end up empty."""
        self._state |= changes
        self._try(names.STATE, lambda: replace_json(self.folder / names.STATE, self._state, durable=True))

    def notice(self, notice: dict[str, Any]) -> None:
        """The provider takes the node back; the first one to say so is believed."""
        if read_json(self.folder / names.NOTICE) is None:
            self._try(names.NOTICE, lambda: replace_json(self.folder / names.NOTICE, notice, durable=True))

    def meter(self, totals: MeterTotals, *, durable: bool = False) -> None:
        """Another line of totals so far."""
        self._note_clock()
        line = {"at": self.wall(), **dataclasses.asdict(totals)}
        path = self.folder / names.METER

        def write() -> None:
            append_sealed(path, line, durable=durable)
            if path.stat().st_size > METER_BYTES:
                thin(path)

        self._try(names.METER, write)

    def end(self, end: End) -> bool:
        """The end, durable; False if no disk would take it."""
        detail = "; ".join(filter(None, [end.detail, *self.troubles]))
        data = {"kind": end.kind, "code": end.code, "at": self.wall(), "detail": detail}
        for _ in range(EXIT_TRIES):
            (self.folder / RESERVE).unlink(missing_ok=True)
            try:
                replace_json(self.folder / names.EXIT, data, durable=True)
            except OSError as error:
                print(f"shoestring: {names.EXIT} can't be written: {error.strerror}", file=sys.stderr)
                time.sleep(0.2)  # the job is over; somebody may free space
            else:
                self.state(phase="ended")
                return True
        return False

    def trouble(self, text: str) -> None:
        """Note something that can't be done, once."""
        if text not in self.troubles and len(self.troubles) < 10:
            self.troubles.append(text)
            self.on_trouble(text)
            self.state(troubles=self.troubles)

    def _note_clock(self) -> None:
        """Remember how far the wall clock has jumped, so that the job's moments can be judged by it."""
        wall, monotonic = self.wall(), self.monotonic()
        should = self._last[0] + monotonic - self._last[1]
        if abs(wall - should) > JUMP_S:
            low, high = self._state.get("seen", (self._state["started_at"], should))
            self.state(seen=[min(low, wall), max(high, should, wall)])
        self._last = (wall, monotonic)

    def _try(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self.trouble(f"{what} can't be written: {error.strerror}")


def thin(path: Path) -> None:
    """Drop every second line but the last: the file stays small and still covers the whole attempt."""
    lines = [line for line in path.read_bytes().split(b"\n") if unseal(line) is not None]
    kept = lines[-1::-2][::-1]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.writelines(line + b"\n" for line in kept)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
