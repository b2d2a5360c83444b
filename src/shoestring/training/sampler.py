"""A sampler of indexes whose order does not depend on how many processes share the work."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.errors import BadInput


class ElasticSampler:
    """Batches of indexes into a data set, in an order set by ``seed`` and epoch alone.

    The global order is one endless stream: a fresh shuffle of all indexes per epoch. A global batch is the
    next ``batch_size`` of them; of it each process takes its slice. So a run may go on with another number
    of processes, and everything together still sees the same samples in the same order.

    The position moves when a step is done (:meth:`advance`, which the Checkpointer calls), not when a batch
    is handed out: a data loader that reads ahead loses and repeats nothing.

    Args:
        length: samples in the data set.
        batch_size: samples of the *global* batch, over all processes.
        epochs: end after so many; the last batch may be short. None goes on for ever.
        rank, world_size: this process among all; by default from ``RANK`` and ``WORLD_SIZE``.

    >>> sampler = ElasticSampler(10, batch_size=4, seed=1, epochs=1)
    >>> [len(batch) for batch in sampler]
    [4, 4, 2]
    """

    def __init__(
        self,
        length: int,
        *,
        batch_size: int,
        seed: int = 0,
        epochs: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.rank = int(os.environ.get("RANK", "0")) if rank is None else rank
        self.world_size = int(os.environ.get("WORLD_SIZE", "1")) if world_size is None else world_size
        if length < 1 or not 0 <= self.rank < self.world_size or batch_size < self.world_size:
            raise BadInput(
                f"ElasticSampler(length={length}, batch_size={batch_size}, rank={self.rank},"
                f" world_size={self.world_size}): needs at least one sample, and one per process in a batch"
            )
        self.length, self.batch_size, self.seed, self.epochs = length, batch_size, seed, epochs
        self.consumed = 0
        self._order: tuple[int, NDArray[np.int64]] | None = None

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.consumed // self.length

    def __iter__(self) -> Iterator[list[int]]:
        """This process's slice of each global batch, from the current position on."""
        position = self.consumed
        while (size := self._batch_at(position)) > 0:
            low, high = (size * share // self.world_size for share in (self.rank, self.rank + 1))
            yield self._take(position + low, position + high)
            position += size

    def advance(self) -> None:
        """The step with the next global batch is done."""
        self.consumed += self._batch_at(self.consumed)

    def state_dict(self) -> dict[str, int]:
        return {"length": self.length, "seed": self.seed, "consumed": self.consumed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` was taken. Raises BadInput if it belongs to other data or another order."""
        for name, mine in (("length", self.length), ("seed", self.seed)):
            if state[name] != mine:
                raise BadInput(
                    f"the checkpoint's data order has {name} {state[name]}, this script's has {mine}:"
                    " samples would be repeated or skipped",
                    next_step=f"start with {name}={state[name]}, or begin a new run",
                )
        self.consumed = int(state["consumed"])

    def _batch_at(self, position: int) -> int:
        if self.epochs is None:
            return self.batch_size
        return max(0, min(self.batch_size, self.epochs * self.length - position))

    def _take(self, start: int, stop: int) -> list[int]:
        indexes: list[int] = []
        while start < stop:
            epoch, offset = divmod(start, self.length)
            piece = self._shuffle(epoch)[offset : offset + stop - start]
            indexes += piece.tolist()
            start += len(piece)
        return indexes

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        if self._order is None or self._order[0] != epoch:
            # RandomState's streams are frozen for ever (NEP 19); Generator's may change with a NumPy release.
            bits = np.random.MT19937(np.random.SeedSequence([self.seed, epoch]))
            self._order = epoch, np.random.RandomState(bits).permutation(self.length)
        return self._order[1]
