"""Lightning in a run: one callback, and the right checkpoint to resume from.

    from shoestring.training.lightning import ShoestringCallback, newest_checkpoint

    where = os.environ.get("SHOESTRING_CHECKPOINT_DIR", "checkpoints")
    trainer = Trainer(..., callbacks=[ShoestringCallback(where, sampler=sampler)])
    trainer.fit(model, data, ckpt_path=newest_checkpoint(where))

Each checkpoint is a folder ``step=N`` with Lightning's own file and, written last, ``complete.json``:
Lightning's file alone can't tell whether it was written to its end.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from shoestring.domain.errors import BadInput
from shoestring.training import foreign, rng
from shoestring.training.adopt import Adopted
from shoestring.training.place import Folder
from shoestring.training.sampler import ElasticSampler
from shoestring.training.session import Session

GLOB, MARKER, FILE = "step=*", "complete.json", "lightning.ckpt"


def newest_checkpoint(where: str | os.PathLike[str], session: Session | None = None) -> str | None:
    """Path of the newest complete checkpoint, for ``ckpt_path``; None for a fresh start."""
    found = Adopted(GLOB, MARKER, session).newest(where)
    return None if found is None else f"{found.uri}/{FILE}"


class ShoestringCallback(Callback):  # type: ignore[misc]
    """Heartbeat, saves when due, on notice and when asked; on SIGTERM or a stop: save, then exit 85.

    Lightning by itself begins the data anew when it resumes within an epoch, and with other random numbers.
    With a ``sampler`` the data goes on where it was; on a single process the generators do too.

    Args:
        where: local folder for checkpoints. keep_last: how many to keep.
        sampler: the ElasticSampler that is the data loader's ``batch_sampler``.
    """

    def __init__(
        self,
        where: str | os.PathLike[str],
        *,
        sampler: ElasticSampler | None = None,
        keep_last: int = 2,
        session: Session | None = None,
    ) -> None:
        if "://" in os.fspath(where):
            raise BadInput(f"{where}: Lightning's checkpoints are adopted from local folders only")
        self._where, self._keep, self._sampler = Path(where), keep_last, sampler
        self._generators: dict[str, Any] | None = None
        self._run = Adopted(GLOB, MARKER, session)
        self._protected = {pin.uri for pin in self._run.session.restore or ()}

    def state_dict(self) -> dict[str, Any]:
        """Goes into Lightning's checkpoint."""
        sampler = None if self._sampler is None else self._sampler.state_dict()
        return {"sampler": sampler, "generators": rng.capture()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._sampler is not None and state["sampler"] is not None:
            self._sampler.load_state_dict(state["sampler"])
        self._generators = state["generators"]

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Only now: starting the data loader has drawn random numbers of its own.
        if self._generators is not None and trainer.world_size == 1:
            rng.restore(self._generators)
        self._generators = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._run.begin(trainer.global_step)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._sampler is not None:
            self._sampler.advance()
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        decision = self._run.step(
            trainer.global_step, total_steps=_total(trainer), loss=loss, metrics=trainer.callback_metrics
        )
        if decision.trigger is not None:
            self._save(trainer)
        if decision.stop:
            trainer.should_stop = True
            self._run.end(trainer.global_step, _total(trainer))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._run.end(trainer.global_step, _total(trainer))

    def _save(self, trainer: Trainer) -> None:
        step = trainer.global_step
        folder = Folder.at(self._where / f"step={step}")
        trainer.save_checkpoint(self._where / folder.name / FILE)  # collective: every rank calls it
        if trainer.is_global_zero:
            folder.write(MARKER, json.dumps({"step": step}).encode())
            self._prune(current=folder.name)
        self._run.saved(self._where, step)

    def _prune(self, current: str) -> None:
        whole = sorted(foreign.complete(str(self._where), GLOB, MARKER), key=lambda one: one.step or 0)
        for old in whole[: -self._keep]:
            if old.id != current and old.uri not in self._protected:
                (self._where / old.id / MARKER).unlink()  # from here on it is no checkpoint any more
                shutil.rmtree(self._where / old.id)


def _total(trainer: Trainer) -> int | None:
    steps = trainer.estimated_stepping_batches
    return int(steps) if steps != float("inf") else None
