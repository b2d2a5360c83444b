"""What a training script imports; five lines make it survive a preemption.

    from shoestring.training import Checkpointer, ElasticSampler

    sampler = ElasticSampler(len(data), batch_size=64, seed=0)
    checkpointer = Checkpointer(model=model, optimizer=optimizer, sampler=sampler)
    for step, batch in zip(checkpointer.steps(1_000), sampler):
        ...
        checkpointer.report(loss=loss)

Outside a run all of this still works and no supervisor is needed. torch is imported only by what needs it,
so ``import shoestring.training`` is cheap and a script without torch may still :func:`attach`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shoestring.training.spool import EXIT_SAVED

if TYPE_CHECKING:
    from shoestring.training.checkpointer import Checkpointer
    from shoestring.training.digest import weights_sha256
    from shoestring.training.sampler import ElasticSampler
    from shoestring.training.session import Session, Want, attach

_HOME = {
    "Checkpointer": "checkpointer",
    "ElasticSampler": "sampler",
    "Session": "session",
    "Want": "session",
    "attach": "session",
    "weights_sha256": "digest",
}

__all__ = ["EXIT_SAVED", "Checkpointer", "ElasticSampler", "Session", "Want", "attach", "weights_sha256"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
