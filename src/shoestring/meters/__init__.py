"""What a job uses: process tree, GPUs, energy. One sampler per node; a missing sensor is None, never 0."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoestring.meters.tracking import track

__all__ = ["track"]


def __getattr__(name: str) -> Any:
    if name != "track":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from shoestring.meters.tracking import track

    return track
