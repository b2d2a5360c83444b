"""Hugging Face's Trainer in a run: one callback, and the right checkpoint to resume from.

    from shoestring.training.huggingface import ShoestringCallback, newest_checkpoint

    trainer = Trainer(..., callbacks=[ShoestringCallback()])
    trainer.train(resume_from_checkpoint=newest_checkpoint(args.output_dir))

The Trainer saves in its own format; the job file needs no ``glob`` then. ``output_dir`` should be the run's:
``os.environ.get("SHOESTRING_CHECKPOINT_DIR", "out")``.
"""

import os
from typing import Any

from transformers import TrainerCallback

from shoestring.training.adopt import Adopted
from shoestring.training.session import Session

GLOB, MARKER = "checkpoint-*", "trainer_state.json"


def newest_checkpoint(output_dir: str | os.PathLike[str], session: Session | None = None) -> str | None:
    """Folder of the newest *complete* checkpoint, for ``resume_from_checkpoint``; None for a fresh start.

    The Trainer by itself takes the highest number, even of a save that was cut off.
    """
    found = Adopted(GLOB, MARKER, session).newest(output_dir)
    return None if found is None else found.uri


class ShoestringCallback(TrainerCallback):  # type: ignore[misc]
    """Heartbeat, saves when due, on notice and when asked; on SIGTERM or a stop: save, then exit 85."""

    def __init__(self, session: Session | None = None) -> None:
        self._run = Adopted(GLOB, MARKER, session)
        self._metrics: dict[str, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._run.begin(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self._metrics |= dict(logs or {})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        metrics = {name: value for name, value in self._metrics.items() if name != "loss"}
        decision = self._run.step(
            state.global_step, total_steps=_total(state), loss=self._metrics.get("loss"), metrics=metrics
        )
        if decision.trigger is not None:
            control.should_save = True
        if decision.stop:
            control.should_training_stop = True
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._run.saved(args.output_dir, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._run.end(state.global_step, _total(state))


def _total(state: Any) -> int | None:
    return state.max_steps if state.max_steps > 0 else None
