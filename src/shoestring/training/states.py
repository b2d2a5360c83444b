"""What a checkpoint holds: the state of the user's objects, copied so that training can go on meanwhile."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from shoestring.domain.errors import BadInput
from shoestring.training import rng, tree
from shoestring.training.dcp import is_sharded


class States:
    """Named objects with ``state_dict`` and ``load_state_dict``.

    Models are saved by the names of their parameters as the plain module has them, so that one saved from
    DistributedDataParallel or torch.compile loads into a plain one and back.
    """

    def __init__(self, objects: Mapping[str, Any]) -> None:
        for name, item in objects.items():
            if not (hasattr(item, "state_dict") and hasattr(item, "load_state_dict")):
                raise BadInput(
                    f"Checkpointer({name}=...): {type(item).__qualname__} has no state_dict/load_state_dict",
                    next_step="give it both, or leave it out",
                )
        self._objects = {name: _unwrapped(item) for name, item in sorted(objects.items())}
        self._buffers: dict[str, torch.Tensor] = {}

    def stage(self) -> tuple[dict[str, Any], tree.Tensors]:
        """The state now as plain JSON and tensors in CPU memory that training does not touch.

        The buffers are used again by the next call: the save before must be over.
        """
        tensors: tree.Tensors = {}
        objects = {name: tree.split(item.state_dict(), name, tensors) for name, item in self._objects.items()}
        state = {"objects": objects, "rng": tree.split(rng.capture(), "rng", tensors)}
        staged = {name: self._copy(name, tensor.detach()) for name, tensor in tensors.items()}
        if any(tensor.is_cuda for tensor in tensors.values()):
            torch.cuda.synchronize()
        return state, staged

    def forget_buffers(self) -> None:
        """Leave the buffers to a save that hangs; the next one gets new ones."""
        self._buffers = {}

    def sharded(self, names: Iterable[str]) -> tree.Tensors:
        """Live tensors that are spread over processes (FSDP), to be loaded into in place.

        A fresh optimizer has no state yet: a tensor of its state gets the layout of the parameter it belongs
        to (the loader leaves it alone if the shapes differ, as for Adam's step).
        """
        live: tree.Tensors = {}
        layouts: tree.Tensors = {}
        for name, item in self._objects.items():
            tree.split(item.state_dict(), name, live)
            if isinstance(item, torch.optim.Optimizer):
                parameters = (p for group in item.param_groups for p in group["params"])
                layouts |= {f"{name}/state/{i}": p for i, p in enumerate(parameters) if is_sharded(p)}
        found = {name: tensor for name, tensor in live.items() if is_sharded(tensor)}
        for name in names:
            if name not in live and (layout := layouts.get(name.rpartition("/")[0])) is not None:
                found[name] = torch.zeros_like(layout)
        return found

    def apply(self, state: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], *, own_rng: bool) -> None:
        """Put every object where the checkpoint has it; generators only if their state is this rank's own.

        Raises:
            BadInput: the checkpoint holds other objects than this script has.
        """
        saved = state["objects"]
        if set(saved) != set(self._objects):
            raise BadInput(
                f"the checkpoint holds {sorted(saved)}, this script's Checkpointer {sorted(self._objects)}",
                next_step="make them agree, or begin a new run",
            )
        for name, item in self._objects.items():
            item.load_state_dict(tree.join(saved[name], tensors))
        if own_rng:
            rng.restore(tree.join(state["rng"], tensors))

    def _copy(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if is_sharded(tensor):
            return tensor.to("cpu", copy=True)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            self._buffers[name] = buffer
        return buffer.copy_(tensor, non_blocking=tensor.is_cuda)


def _unwrapped(item: Any) -> Any:
    if isinstance(item, torch.nn.Module) and hasattr(item, "_orig_mod"):  # torch.compile
        item = item._orig_mod
    if isinstance(item, torch.nn.parallel.DistributedDataParallel | torch.nn.DataParallel):
        return item.module
    return item
