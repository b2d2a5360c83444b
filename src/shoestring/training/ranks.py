"""The processes that train together: how they agree on when to save and on what was loaded."""

from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


class Ranks:
    """This process among all of them; a single process needs no process group.

    All ranks must make theirs at the same place of the script. Saves and votes have gloo groups of their own:
    a save in the background never mixes with the training's own communication.
    """

    def __init__(self) -> None:
        together = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
        self.rank: int = dist.get_rank() if together else 0
        self.size: int = dist.get_world_size() if together else 1
        self.save_group: Any = dist.new_group(backend="gloo") if together else None
        self._votes: Any = dist.new_group(backend="gloo") if together else None

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes manifests and reports."""
        return self.rank == 0

    def highest(self, value: int) -> int:
        """The highest ``value`` of all ranks; the same answer on each."""
        if self._votes is None:
            return value
        vote = torch.tensor([value])
        dist.all_reduce(vote, op=dist.ReduceOp.MAX, group=self._votes)
        return int(vote.item())

    def of_first(self, value: T) -> T:
        """Rank 0's ``value``, on every rank."""
        if self._votes is None:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._votes)
        return box[0]

    def all(self, value: T) -> list[T]:
        """Every rank's ``value``, on every rank."""
        if self._votes is None:
            return [value]
        box: list[Any] = [None] * self.size
        dist.all_gather_object(box, value, group=self._votes)
        return box
