"""The Checkpointer: the one object a training loop talks to."""

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NoReturn

from shoestring.domain.errors import BadInput
from shoestring.training import restoring
from shoestring.training.checkpoints import new_id
from shoestring.training.place import Folder
from shoestring.training.ranks import Ranks
from shoestring.training.saving import Save, Saved
from shoestring.training.schedule import Schedule
from shoestring.training.session import EXIT_UNSAVED, Session, attach
from shoestring.training.spool import ENV_STOP_AT_STEP, EXIT_SAVED
from shoestring.training.states import States
from shoestring.training.watch import Watch

log = logging.getLogger("shoestring.training")

HANG_S = 600.0  # a save slower than this and ten times its usual time counts as hung


class Checkpointer:
    """Saves the training when due, on notice, when asked and at the end; restores it; reports progress.

    Inside a run the supervisor says where checkpoints go, which one to restore and how often to save.
    Outside, ``where`` is used, and the newest complete checkpoint in it is restored; without it nothing is
    saved.

    Args:
        model, optimizer, scheduler, sampler, and any other name: objects with ``state_dict`` and
            ``load_state_dict``. A sampler with ``advance()`` is told of every step.
        where: folder or fsspec URI, e.g. ``s3://bucket/run``. A run's own setting goes before it.
        keep_last: complete checkpoints to keep.
        interval_s: seconds between saves outside a run; None: from what a save costs (see Schedule).
        every_steps: save after each so many steps as well, inside a run too; None: by time alone.

    With several processes every rank makes a Checkpointer, and calls it, at the same places.
    """

    def __init__(
        self,
        *,
        where: str | os.PathLike[str] | None = None,
        keep_last: int = 2,
        interval_s: float | None = None,
        every_steps: int | None = None,
        session: Session | None = None,
        **objects: Any,
    ) -> None:
        if keep_last < 1:
            raise BadInput(f"keep_last={keep_last}: at least one checkpoint has to stay")
        self.session = attach() if session is None else session
        self.step_done = 0
        self._states = States({name: item for name, item in objects.items() if item is not None})
        self._sampler = objects.get("sampler")
        place = self.session.checkpoint_dir or where
        self._root = Folder.at(place) if place else None
        self._keep, self._every_steps = keep_last, every_steps
        self._ranks = Ranks()
        self._schedule = Schedule(interval_s=self.session.interval_s or interval_s, started=time.monotonic())
        self._watch = Watch(self.session, self._schedule, self._ranks)
        self._report: dict[str, Any] = {}
        self._save: Save | None = None
        self._last_saved_step: int | None = None
        self._protected = frozenset(pin.id for pin in self.session.restore or ())

    # -- the loop ------------------------------------------------------------------------------------------

    def steps(self, total_steps: int) -> Iterator[int]:
        """Numbers of the steps still to do. Each counts as done when the next one is asked for.

        >>> checkpointer = Checkpointer()
        >>> for step in checkpointer.steps(3):
        ...     checkpointer.report(loss=1 / (step + 1))
        >>> checkpointer.step_done
        3
        """
        step = self.restore()
        total_steps = min(total_steps, int(os.environ.get(ENV_STOP_AT_STEP, total_steps)))
        while step < total_steps:
            yield step
            step += 1
            self.step(step, total_steps=total_steps)
        self.close()

    def report(self, *, loss: Any = None, samples: int | None = None, **metrics: Any) -> None:
        """What to show of the step under way: numbers or one-element tensors, read only when needed."""
        self._report = {"loss": loss, "samples": samples, "metrics": metrics}

    def step(self, step: int, *, total_steps: int | None = None) -> None:
        """Say that ``step`` steps are done in total; saves, or saves and exits, if it is time to.

        Raises:
            SystemExit: with EXIT_SAVED after a save, because the run was asked to stop or got SIGTERM.
        """
        self.step_done = step
        if (advance := getattr(self._sampler, "advance", None)) is not None:
            advance()
        report = {"samples": getattr(self._sampler, "consumed", None)}
        report |= {name: value for name, value in self._report.items() if value is not None}
        self.session.step(step, total_steps=total_steps, **report)
        self._reap()
        decision = self._watch.decide(
            can_save=self._root is not None,
            saving=self._save is not None,
            saved=self._last_saved_step == step,
        )
        if decision.stop:
            self._stop(decision.trigger or "asked")
        elif decision.trigger is not None:
            self.save(decision.trigger)
        elif self._every_steps and self._root is not None and step % self._every_steps == 0:
            self.save("due")

    def close(self) -> None:
        """Save a last time and wait until it is durable; call it after the last step."""
        self._save_rest("end")

    # -- saving --------------------------------------------------------------------------------------------

    def save(self, trigger: str = "asked", *, wait: bool = False) -> None:
        """Begin a save of the state after ``step_done``; the one before is waited for.

        A save that fails is reported and logged; training goes on and the next one is tried when due.
        """
        if self._root is None:
            raise BadInput("nowhere to save", next_step="Checkpointer(where='checkpoints', ...)")
        begun = time.monotonic()
        self.session.cut(self.step_done)
        self._finish()
        self.session.answered()
        state, tensors = self._states.stage()
        self._schedule.last = begun
        self._save = Save(
            self._root,
            self._ranks.of_first(new_id(self.step_done, self.session.attempt)),
            step=self.step_done,
            trigger=trigger,
            state=state,
            tensors=tensors,
            ranks=self._ranks,
            begun=begun,
            blocking=wait,
            keep=self._keep,
            protected=self._protected,
            on_durable=self._durable,
        )
        if wait:
            self._finish()
        self.session.cut(self.step_done)

    def _stop(self, trigger: str) -> NoReturn:
        """Save what is not saved yet and leave."""
        self._save_rest(trigger)
        if self._last_saved_step == self.step_done:
            raise SystemExit(EXIT_SAVED)
        log.error("Stopped at step %d without a checkpoint of it.", self.step_done)
        raise SystemExit(EXIT_UNSAVED)

    def _save_rest(self, trigger: str) -> None:
        """Make ``step_done`` durable, unless the save in flight does."""
        self._finish()
        if self._root is not None and self._last_saved_step != self.step_done:
            self.save(trigger, wait=True)
        self.session.cut(self.step_done)
        self.session.flush()

    def _durable(self, saved: Saved) -> None:
        self.session.event("checkpoint", durable=True, **asdict(saved))

    def _finish(self) -> None:
        """Wait for the save in flight, as long as is reasonable."""
        if self._save is not None:
            limit = max(HANG_S, 10 * (self._schedule.save_s or 0.0))
            if not self._save.wait(limit, give_up=lambda: self.session.terms > 1):
                self._give_up(self._save)
        self._reap()

    def _give_up(self, save: Save) -> None:
        """Leave a save that hangs (or that a second SIGTERM cuts short) to itself."""
        save.abandon()
        self._states.forget_buffers()
        self._save = None
        hung = TimeoutError(f"not durable after {time.monotonic() - save.begun:.0f} s")
        self._failed(save, hung)
        if self._ranks.size > 1:  # the ranks' saves can't be brought into step again
            raise hung

    def _reap(self) -> None:
        """Take note of a save that is over."""
        if self._save is None or not self._save.done:
            return
        save, self._save = self._save, None
        if save.took_s is not None:
            self._schedule.saved(save.begun, save.took_s)
            self._last_saved_step = save.step
        if save.error is not None:
            self._failed(save, save.error)

    def _failed(self, save: Save, error: Exception) -> None:
        log.warning(
            "The checkpoint of step %d could not be %s: %s. Training goes on; free space or mend %s.",
            save.step,
            "saved" if save.took_s is None else "followed by pruning old ones",
            error,
            self._root.uri if self._root else "the place",
        )
        self.session.event(
            "save_failed", at=time.time(), step=save.step, trigger=save.trigger, error=str(error)[:500]
        )

    # -- restoring -----------------------------------------------------------------------------------------

    def restore(self) -> int:
        """Load the newest whole checkpoint; returns the step to go on from, 0 for a fresh start.

        Call it last before the loop: it also puts the random number generators where they were.

        Raises:
            CheckpointCorrupt: there are checkpoints, and none of them is whole.
            BadInput: the checkpoint does not fit this script, or needs a newer shoestring.
        """
        begun = time.monotonic()
        found = restoring.candidates(self._root, self.session.restore, self._ranks)
        for result in restoring.newest_whole(found, self._states, self._ranks):
            if isinstance(result, restoring.Rejected):
                log.warning("Checkpoint %s is not usable: %s", result.id, result.reason)
                self.session.event("rejected", at=time.time(), checkpoint_id=result.id, reason=result.reason)
                continue
            self._states.apply(result.state, result.tensors, own_rng=result.own_rng)
            self.step_done = self._last_saved_step = result.manifest.step
            self.session.event(
                "restore",
                durable=True,
                at=time.time(),
                checkpoint_id=result.manifest.id,
                step=result.manifest.step,
                size_bytes=result.manifest.size_bytes,
                restore_s=time.monotonic() - begun,
            )
        self.session.resumed(self.step_done)
        self._schedule.started = time.monotonic()
        return self.step_done
