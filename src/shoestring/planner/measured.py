"""Work as a probe saw it: how long the whole job takes where it was measured."""

from collections.abc import Callable, Sequence

from shoestring.domain.run import Profile
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Probe, Steps, Work
from shoestring.planner.scaling import Shape
from shoestring.planner.work import MEASURED, Known, around

PRETENDED = "rehearsal"  # its accelerators are names; the work runs on the host


def measured_work(
    work: Work | None, profile: Profile | None, keys_of: Callable[[str], Sequence[tuple[str, int]]]
) -> tuple[Known, ...]:
    """Hours on the probed shape; empty unless a probe on a real accelerator and the number of steps are known.

    The range is as wide as the halves of the probe lay apart, and never under five percent. Work that the file gives
    in hours, tokens or FLOPs is the user's word and stands; so does a speed that it gives for the same accelerator.

    Args:
        keys_of: the catalog's names of an accelerator, with the devices that one of it means.
    """
    if profile is None or profile.steps_per_s is None or not isinstance(work, Steps | Probe | None):
        return ()
    seen, name = profile.detail, profile.accelerator
    steps = work.steps if isinstance(work, Steps) else int(seen.get("total_steps", 0))
    if not steps or name in (None, "cpu") or seen.get("provider", PRETENDED) == PRETENDED:
        return ()
    keys = keys_of(name or "")
    if not keys or (isinstance(work, Steps) and keys[0][0] in work.steps_per_s):
        return ()
    key, devices = keys[0]
    count = float(seen.get("accelerator_count", 1)) * devices
    share = min(max(MEASURED, float(seen.get("spread", 0.0))), 0.9)
    hours = around(steps / profile.steps_per_s / SECONDS_PER_HOUR, share, "measured")
    return (Known(shape=Shape(accelerator=key, count=count, nodes=profile.world_size), hours=hours),)
