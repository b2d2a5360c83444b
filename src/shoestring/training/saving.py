"""One save: copied out of training's way, written in the background, committed by its manifest."""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from platform import python_version
from typing import Any

import torch

import shoestring
from shoestring.training import checkpoints, dcp, manifest
from shoestring.training.manifest import Manifest
from shoestring.training.place import FileEntry, Folder
from shoestring.training.ranks import Ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A durable checkpoint, as it is reported to the run (see CheckpointFact for the fields)."""

    id: str
    uri: str
    manifest_sha256: str
    at: float
    step: int
    size_bytes: int
    save_s: float
    blocked_s: float
    trigger: str


class Save:
    """A save in flight. It begins when made; ``error`` is set if it failed.

    Args:
        begun: monotonic time at which training stopped for it.
        blocking: training waits for the end, so all of the save's time is blocked time.
        on_durable: called in the background once the manifest is committed, on the first rank.
        pruning: ids to protect and how many to keep.
    """

    def __init__(
        self,
        root: Folder,
        checkpoint_id: str,
        *,
        step: int,
        trigger: str,
        state: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        ranks: Ranks,
        begun: float,
        blocking: bool,
        keep: int,
        protected: Collection[str],
        on_durable: Callable[[Saved], None],
    ) -> None:
        self.step, self.begun, self.trigger = step, begun, trigger
        self.took_s: float | None = None
        self.error: Exception | None = None
        self._root, self._id, self._ranks = root, checkpoint_id, ranks
        self._state, self._tensors = state, tensors
        self._keep, self._protected, self._on_durable = keep, protected, on_durable
        self._blocked_s = None if blocking else time.monotonic() - begun
        self._abandoned = False
        self._done = threading.Event()
        # A daemon: a save that hangs must not keep a process alive that wants to end.
        threading.Thread(target=self._run, name=f"save-{checkpoint_id}", daemon=True).start()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def wait(self, timeout_s: float, *, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the save is over; False if it was not within ``timeout_s`` or ``give_up`` said so.

        Signals are heard while waiting.
        """
        end = time.monotonic() + timeout_s
        while not self._done.wait(min(0.1, max(0.0, end - time.monotonic()))):
            if time.monotonic() >= end or give_up():
                return False
        return True

    def abandon(self) -> None:
        """Nobody waits any more: should the save come back to life, it must not commit."""
        self._abandoned = True

    def _run(self) -> None:
        try:
            folder = self._root.child(self._id)
            dcp.write(
                folder,
                self._tensors,
                self._state,
                rank=self._ranks.rank,
                group=self._ranks.save_group,
                commit=self._commit,
            )
            self.took_s = time.monotonic() - self.begun
            if self._ranks.first:
                checkpoints.prune(self._root, keep=self._keep, current=self._id, protected=self._protected)
        # The thread has no caller to raise to; whatever went wrong is handed to the training's thread.
        except Exception as error:  # noqa: BLE001
            self.error = error
        finally:
            self._done.set()

    def _commit(self, files: Sequence[FileEntry]) -> None:
        folder = self._root.child(self._id)
        made = Manifest(
            id=self._id,
            step=self.step,
            created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            files=tuple(sorted(files, key=lambda file: file.name)),
            world_size=self._ranks.size,
            versions={
                "shoestring": shoestring.__version__,
                "torch": torch.__version__,
                "python": python_version(),
            },
        )
        data = made.encode()
        if self._abandoned:
            raise TimeoutError("abandoned while it hung")
        folder.write(manifest.NAME, data)
        took_s = time.monotonic() - self.begun
        self._on_durable(
            Saved(
                id=self._id,
                uri=folder.uri,
                manifest_sha256=sha256(data).hexdigest(),
                at=time.time(),
                step=self.step,
                size_bytes=made.size_bytes,
                save_s=took_s,
                blocked_s=took_s if self._blocked_s is None else self._blocked_s,
                trigger=self.trigger,
            )
        )
