"""For frameworks that write checkpoints by themselves: the run's side of a callback."""

import logging
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from shoestring.training import foreign
from shoestring.training.foreign import Foreign
from shoestring.training.place import Folder
from shoestring.training.ranks import Ranks
from shoestring.training.schedule import Schedule
from shoestring.training.session import EXIT_UNSAVED, Session, attach
from shoestring.training.spool import EXIT_SAVED
from shoestring.training.watch import Decision, Watch

log = logging.getLogger("shoestring.training")


class Adopted:
    """Beats the heart, decides when the framework should save and stop, and reports what it saved.

    Args:
        glob, marker: how the framework's complete checkpoints look (see :mod:`shoestring.training.foreign`).
    """

    def __init__(self, glob: str, marker: str | None, session: Session | None = None) -> None:
        self.session = attach() if session is None else session
        self.glob, self.marker = glob, marker
        # Without a policy's interval the framework's own rhythm stands.
        interval_s = self.session.interval_s or math.inf
        self._schedule = Schedule(interval_s=interval_s, started=time.monotonic())
        self._watch: Watch | None = None
        self._pending: tuple[str, float] | None = None  # trigger and beginning of the save under way
        self._saved_step: int | None = None
        self._stopping = False

    def begin(self, step: int) -> None:
        """Training begins at ``step``; the process group, if any, exists by now."""
        self._watch = Watch(self.session, self._schedule, Ranks())
        self._schedule.started = time.monotonic()
        self._saved_step = step or None
        if step > 0 and self.session.resuming is not None:
            checkpoint_id, size_bytes, since = self.session.resuming
            self.session.event(
                "restore",
                durable=True,
                at=time.time(),
                checkpoint_id=checkpoint_id,
                step=step,
                size_bytes=size_bytes,
                restore_s=time.monotonic() - since,
            )
        self.session.resumed(step)

    def step(self, step: int, *, total_steps: int | None, loss: Any, metrics: Mapping[str, Any]) -> Decision:
        """``step`` steps are done; what the framework should do now. Outside a run: nothing, ever."""
        assert self._watch is not None, "begin() comes first"
        self.session.step(step, total_steps=total_steps, loss=loss, metrics=metrics)
        if not self.session.active:
            return Decision(trigger=None)
        decision = self._watch.decide(saved=self._saved_step == step)
        if decision.trigger is not None:
            self._pending = (decision.trigger, time.monotonic())
            self._schedule.last = time.monotonic()
            self.session.cut(step)
            self.session.answered()
        self._stopping = self._stopping or decision.stop
        return decision

    def saved(self, where: str | os.PathLike[str], step: int) -> None:
        """The framework has written a checkpoint of ``step`` under ``where``; it is reported if it is whole."""
        trigger, begun = self._pending or ("due", None)
        self._pending = None
        took_s = 0.0 if begun is None else time.monotonic() - begun
        if begun is not None:
            self._schedule.saved(begun, took_s)
        self.session.cut(step)
        if not self.session.active:
            return
        found = foreign.scan(Folder.at(where).uri, self.glob, self.marker)
        if found is None or found.step != step:
            return
        self._saved_step = step
        self.session.event(
            "checkpoint",
            durable=True,
            id=found.uri,
            uri=found.uri,
            manifest_sha256=found.sha256,
            at=time.time(),
            step=step,
            size_bytes=found.size_bytes,
            save_s=took_s,
            blocked_s=took_s,
            trigger=trigger,
        )

    def end(self, step: int, total_steps: int | None) -> None:
        """Training is over, by itself or because it was told to stop.

        Raises:
            SystemExit: with EXIT_SAVED, if it was stopped before its end: the rest of the script must not
                take half a training for a whole one.
        """
        self.session.cut(step)
        self.session.flush()
        if self._stopping and (total_steps is None or step < total_steps):
            raise SystemExit(EXIT_SAVED if self._saved_step == step else EXIT_UNSAVED)

    def newest(self, where: str | os.PathLike[str]) -> Foreign | None:
        """The newest complete checkpoint to resume from; None for a fresh start.

        Inside a run the journal's list decides, and one that has changed since is passed over.
        """
        begun = time.monotonic()
        found = self._newest(Folder.at(where).uri)
        if found is not None:
            self.session.resuming = (found.uri, found.size_bytes, begun)
        return found

    def _newest(self, where: str) -> Foreign | None:
        if self.session.restore is None:
            return foreign.scan(where, self.glob, self.marker)
        by_uri = {one.uri: one for one in foreign.complete(where, self.glob, self.marker)}
        for pin in self.session.restore:
            one = by_uri.get(pin.uri)
            if one is not None and one.sha256 == pin.manifest_sha256:
                return one
            reason = "not complete any more" if one is None else "its files have changed since"
            log.warning("Checkpoint %s is not usable: %s", pin.id, reason)
            self.session.event("rejected", at=time.time(), checkpoint_id=pin.id, reason=reason)
        return None
