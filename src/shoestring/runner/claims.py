"""What a job says of itself, and which of it can be true.

A job writes its heartbeat and its events itself, so they are claims. What can't be true is dropped and
counted: a job may mislead its own progress bar, but neither its receipt nor the supervisor that reads it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

SLACK_S = 5.0  # clocks of job and runner are one node's; more than this apart is no rounding
MAX_KEPT = 50_000  # events of one attempt that are kept; a checkpoint a minute fills it in a month
MAX_LATER = 1_000
MAX_BYTES = 1 << 50
MAX_STEP = 1 << 60
MERGE_S = 0.05  # spans this close together are one

_HASH = re.compile(r"[0-9a-f]{64}|")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Claim = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The wall-clock time within which an attempt can have done something, seconds since the epoch."""

    start: float = 0.0
    end: float = math.inf
    jumped: bool = False  # the node's clock was set while the attempt ran

    def holds(self, moment: object) -> bool:
        value = number(moment)
        return value is not None and self.start - SLACK_S <= value <= self.end + SLACK_S

    def lasts(self, seconds: object) -> bool:
        """Whether something inside the window can have taken so long."""
        value = number(seconds)
        return value is not None and 0.0 <= value <= self.end - self.start + 2 * SLACK_S


@dataclass(slots=True)
class Claims:
    """An attempt's events, sorted into what counts and what is dropped.

    Args:
        restorable: step of each checkpoint the attempt was told of, by id; it may restore these and its own.
        where: absolute prefix that its checkpoints must lie under; None if that is not known.
    """

    restorable: Mapping[str, int] = field(default_factory=dict)
    where: str | None = None
    checkpoints: list[Claim] = field(default_factory=list)
    restores: list[Claim] = field(default_factory=list)
    spans: list[Claim] = field(default_factory=list)
    rejected: list[Claim] = field(default_factory=list)
    dropped: int = 0
    _own: dict[str, int] = field(default_factory=dict)
    _later: list[Claim] = field(default_factory=list)

    @property
    def suspicious(self) -> int:
        """Claims that do not count: what can't be true, and what still lies in the future."""
        return self.dropped + len(self._later)

    def take(self, events: list[Claim], window: Window) -> None:
        """Judge new events, and again those that lay in the future (the reader's clock may be behind)."""
        waiting, self._later = self._later, []
        for event in [*waiting, *events]:
            if self._in_future(event, window) and len(self._later) < MAX_LATER:
                self._later.append(event)
            elif not self._take(event, window):
                self.dropped += 1

    def _in_future(self, event: Claim, window: Window) -> bool:
        moment = number(event.get("end", event.get("at")))
        return moment is not None and moment > window.end + SLACK_S

    def _take(self, event: Claim, window: Window) -> bool:
        takers = {
            "checkpoint": self._checkpoint,
            "restore": self._restore,
            "span": self._span,
            "rejected": self._rejected,
        }
        taker = takers.get(str(event.get("kind")))
        if taker is None:
            return True  # a newer job may say more than we know
        kept = len(self.checkpoints) + len(self.restores) + len(self.spans) + len(self.rejected)
        return kept < MAX_KEPT and taker(event, window)

    def _checkpoint(self, event: Claim, window: Window) -> bool:
        name, blocked = event.get("id"), event.get("blocked_s", 0.0)
        if not (is_name(name) and name not in self._own and self._is_place(event.get("uri"))):
            return False
        timed = window.holds(event.get("at")) and window.lasts(event.get("save_s")) and window.lasts(blocked)
        digest = event.get("manifest_sha256", "")
        if not (timed and is_step(event.get("step")) and is_size(event.get("size_bytes"))):
            return False
        if not (isinstance(digest, str) and _HASH.fullmatch(digest)):
            return False
        trigger = event.get("trigger")
        self._own[str(name)] = event["step"]
        self.checkpoints.append({**event, "trigger": trigger if is_name(trigger) else "due"})
        return True

    def _restore(self, event: Claim, window: Window) -> bool:
        name, step = event.get("checkpoint_id"), event.get("step")
        known = {**self._own, **self.restorable}.get(str(name))
        timed = window.holds(event.get("at")) and window.lasts(event.get("restore_s"))
        if not (timed and is_size(event.get("size_bytes")) and is_step(step) and known == step):
            return False
        self.restores.append(event)
        return True

    def _span(self, event: Claim, window: Window) -> bool:
        """Spans never overlap: time is paid once, so it can be useful once. An overlap is cut off."""
        start, end = number(event.get("start")), number(event.get("end"))
        if start is None or end is None or not (window.holds(start) and window.holds(end) and start <= end):
            return False
        first, last = event.get("step_from"), event.get("step_to")
        if not (is_step(first) and is_step(last) and first <= last):
            return False
        before = self.spans[-1] if self.spans else None
        if before is not None and start < before["end"]:
            if start < before["end"] - SLACK_S or end <= before["end"]:
                return window.jumped  # lost either way, but then nobody's fault
            start = before["end"]
        span = {"start": start, "end": end, "step_from": first, "step_to": last}
        if before is not None and before["step_to"] == first and start - before["end"] < MERGE_S:
            self.spans[-1] = {**before, "end": end, "step_to": last}
        else:
            self.spans.append(span)
        return True

    def _rejected(self, event: Claim, window: Window) -> bool:
        if not (window.holds(event.get("at")) and is_name(event.get("checkpoint_id"))):
            return False
        self.rejected.append({**event, "reason": plain(event.get("reason"), 500)})
        return True

    def _is_place(self, uri: object) -> bool:
        if not is_name(uri) or ".." in str(uri).split("/"):
            return False
        return self.where is None or str(uri).startswith(self.where.rstrip("/") + "/")


def heartbeat_of(claim: Claim | None, window: Window) -> Claim | None:
    """A heartbeat with nothing in it but what a heartbeat may hold; None if it can't be true."""
    if claim is None or not (window.holds(claim.get("at")) and is_step(claim.get("step"))):
        return None
    metrics = claim.get("metrics")
    pairs = list(metrics.items())[:100] if isinstance(metrics, dict) else []
    counts = {
        name: claim[name] if is_step(claim.get(name)) else None
        for name in ("total_steps", "samples", "resumed_step")
    }
    return {
        "at": claim["at"],
        "step": claim["step"],
        **counts,
        "loss": number(claim.get("loss")),
        "cpu_s": number(claim.get("cpu_s")),
        "metrics": {plain(key, 100): value for key, raw in pairs if (value := number(raw)) is not None},
    }


def number(value: object) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def plain(value: object, longest: int) -> str:
    """Text without control characters, so that it can't forge lines in a log or a terminal."""
    return _CONTROL.sub(" ", str(value if value is not None else ""))[:longest]


def is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 4096 and not _CONTROL.search(value)


def is_step(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_STEP


def is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_BYTES
