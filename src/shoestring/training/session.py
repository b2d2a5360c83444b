"""Attach a training script to its run: it beats its heart, reports what it did, hears what is asked of it.

Outside a run (no ``SHOESTRING_SPOOL``) every method answers at once and does nothing.
"""

import logging
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.training import orders, spool

log = logging.getLogger("shoestring.training")

EXIT_UNSAVED = 143  # as if the SIGTERM had not been caught: stopped, and nothing could be saved
LOOK_S = 0.2  # the spool is looked at, and the heartbeat written, at most this often
EVENTS_KEPT = 256  # events that can't be written now are kept and tried again with the next one
SPAN_S = 3.0  # a span of progress is written at least this often while steps are done


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What is asked of the script right now.

    Attributes:
        save: ``asked`` | ``notice``; None if no save is asked for.
        stop: ``sigterm`` | ``asked``: save, then exit with EXIT_SAVED; None to train on.
        until: wall clock (seconds since the epoch) at which the provider takes the node; None if unknown.
    """

    save: str | None = None
    stop: str | None = None
    until: float | None = None


NOTHING = Want()


class Session:
    """One process of one attempt, and its spool (None outside a run).

    On a node with several processes only the first (``LOCAL_RANK`` 0) writes; all of them listen.

    Attributes:
        terms: SIGTERMs heard so far.
        resuming: id and bytes of a checkpoint just handed to a framework, and the monotonic time of that.
    """

    def __init__(self, folder: Path | None, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.attempt = env.get(spool.ENV_ATTEMPT, "")
        self.checkpoint_dir = env.get(spool.ENV_CHECKPOINT_DIR) or None
        self.interval_s = orders.interval_s(env.get(spool.ENV_INTERVAL_S))
        self.restore = orders.pinned(env.get(spool.ENV_RESTORE))
        self.terms = 0
        self.resuming: tuple[str, int, float] | None = None
        self._writes = folder is not None and env.get("LOCAL_RANK", "0") == "0"
        self._beat: dict[str, Any] = {}
        self._resumed_step: int | None = None
        self._saves_answered = 0
        self._notice: dict[str, Any] | None = None
        self._notice_answered: dict[str, Any] | None = None
        self._events: deque[tuple[dict[str, Any], bool]] = deque(maxlen=EVENTS_KEPT)
        self._events_lock = threading.Lock()
        self._complained = False
        self._want = NOTHING
        self._next_look = self._next_beat = 0.0
        self._span_step = 0
        self._span_start = time.time()
        self._span_mark = time.monotonic()

    @property
    def active(self) -> bool:
        """Whether this process runs inside a run."""
        return self.folder is not None

    def resumed(self, step: int) -> None:
        """Say from which step this attempt goes on (0: from the start); steps count from here."""
        self._resumed_step = step
        self._begin_span(step)
        self.step(step)
        self.flush()

    def step(
        self,
        step: int,
        *,
        total_steps: int | None = None,
        samples: int | None = None,
        loss: Any = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> None:
        """Say that ``step`` optimizer steps are done in total. Costs microseconds unless a write is due.

        ``loss`` and the metrics may be numbers or tensors of one element; they are read only when written.
        """
        if not self._writes:
            return
        self._beat = {
            "step": step,
            "total_steps": total_steps,
            "samples": samples,
            "loss": loss,
            "metrics": metrics,
        }
        if (now := time.monotonic()) >= self._next_beat:
            self._next_beat = now + LOOK_S
            self._write_heartbeat()
            if now - self._span_mark >= SPAN_S:
                self.cut(step)

    def cut(self, step: int) -> None:
        """End the current span of progress at ``step`` and begin another."""
        if self._writes and step > self._span_step:
            elapsed = time.monotonic() - self._span_mark
            self.event(
                "span",
                start=self._span_start,
                end=self._span_start + elapsed,
                step_from=self._span_step,
                step_to=step,
            )
        self._begin_span(step)

    def flush(self) -> None:
        """Write the newest heartbeat now."""
        if self._writes and self._beat:
            self._write_heartbeat()

    def event(self, kind: str, *, durable: bool = False, **data: Any) -> None:
        """Append a sealed line to the job's events. A spool that can't be written stops no training."""
        if self._writes and self.folder is not None:
            with self._events_lock:  # saves report from their own thread
                self._events.append(({"kind": kind, **data}, durable))
                self._tolerate(self._write_events)

    def want(self) -> Want:
        """What is asked now. A save stays asked for until :meth:`answered`."""
        if self.folder is None:
            return NOTHING
        now = time.monotonic()
        if self.terms and self._want.stop != "sigterm":
            self._want = Want(save=self._want.save, stop="sigterm", until=self._want.until)
        elif now >= self._next_look:
            self._next_look = now + LOOK_S
            self._want = self._look(self.folder)
        return self._want

    def answered(self) -> None:
        """The save that :meth:`want` asked for has begun."""
        if self.folder is not None and (self._want.save or self._want.stop):
            ask = spool.read_json(self.folder / spool.ASK) or {}
            self._saves_answered = max(self._saves_answered, _count(ask, "save"))
            if self._want.save == "notice":
                self._notice_answered = self._notice
            self._want = Want(stop=self._want.stop, until=self._want.until)

    def listen(self) -> None:
        """Hear SIGTERM: the loop then saves and exits at its next step. Only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGTERM)

            def heard(number: int, frame: FrameType | None) -> None:
                self.terms += 1
                if callable(before):
                    before(number, frame)

            signal.signal(signal.SIGTERM, heard)

    def _look(self, folder: Path) -> Want:
        ask = spool.read_json(folder / spool.ASK) or {}
        self._notice = notice = spool.read_json(folder / spool.NOTICE)
        save = None
        if notice is not None and notice != self._notice_answered:
            save = "notice"
        elif _count(ask, "save") > self._saves_answered:
            save = "asked"
        until = notice.get("until") if notice else None
        return Want(
            save=save,
            stop="sigterm" if self.terms else "asked" if _count(ask, "stop") else None,
            until=float(until) if isinstance(until, int | float) else None,
        )

    def _begin_span(self, step: int) -> None:
        self._span_step, self._span_start, self._span_mark = step, time.time(), time.monotonic()

    def _write_heartbeat(self) -> None:
        beat = dict(self._beat)
        metrics = beat.pop("metrics") or {}
        data = {
            "at": time.time(),
            **beat,
            "loss": _number(beat["loss"]),
            "metrics": {
                str(name): value for name, raw in metrics.items() if (value := _number(raw)) is not None
            },
            "resumed_step": self._resumed_step,
            "cpu_s": time.process_time(),
        }
        folder = self.folder
        assert folder is not None
        self._tolerate(lambda: spool.replace_json(folder / spool.HEARTBEAT, data))

    def _write_events(self) -> None:
        assert self.folder is not None
        while self._events:
            line, durable = self._events[0]
            spool.append_sealed(self.folder / spool.EVENTS, line, durable=durable)
            self._events.popleft()

    def _tolerate(self, write: Callable[[], None]) -> None:
        # A full disk or a purged scratch must not end hours of training: the runner sees the silence.
        try:
            write()
        except OSError as error:
            if not self._complained:
                self._complained = True
                log.warning("The run's spool can't be written (%s); training goes on.", error)


_attached: Session | None = None


def attach() -> Session:
    """The session of this process; always the same one. A no-op session outside a run."""
    global _attached
    if _attached is None:
        where = os.environ.get(spool.ENV_SPOOL)
        folder = Path(where) if where else None
        if folder is not None and not (folder / "job").is_dir():
            raise BadInput(
                f"{spool.ENV_SPOOL}={folder} is not the spool of a running attempt",
                next_step=f"start the script with `shoestring run`, or unset {spool.ENV_SPOOL}",
            )
        _attached = Session(folder, os.environ if folder is not None else {})
        if _attached.active:
            _attached.listen()
    return _attached


def _count(ask: Mapping[str, Any], name: str) -> int:
    value = ask.get(name)
    return value if isinstance(value, int) else 0


def _number(value: Any) -> float | None:
    """A finite float; None for what is unknown or not a number (JSON has no NaN)."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor of several elements
        return None
    return number if math.isfinite(number) else None
