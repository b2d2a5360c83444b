"""What a job asks for, in the formula's terms."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shoestring.domain.plan import Accelerator
from shoestring.domain.run import Profile
from shoestring.domain.units import SECONDS_PER_HOUR, seconds_between
from shoestring.domain.workload import AcceleratorRequest, Workload
from shoestring.planner.estimate import Terms
from shoestring.planner.memory import checkpoint_size
from shoestring.planner.scaling import Shape

WRITE_BYTES_PER_S = (
    2e9  # assumed, of one node to object storage or a shared disk; no measured figure is known
)
SHORTEST_S = 0.01  # of a boot, restore or save; none takes no time at all


def shapes_asked(workload: Workload) -> Mapping[str, Shape]:
    """The asked shape of each accelerator named, in the file's order; a range counts as its smallest."""
    found: dict[str, Shape] = {}
    for request in workload.resources:
        for a in request.accelerators:
            shape = Shape(accelerator=a.name, count=a.count_min, nodes=workload.num_nodes)
            found.setdefault(a.name, shape)
    return found


def naming_all(workload: Workload, hardware: Mapping[str, Accelerator]) -> Workload:
    """The same job, open to any number of any accelerator that its code runs on: to see what that would buy."""
    any_of = tuple(
        AcceleratorRequest(name=name, count_min=1, count_max=None)
        for name, device in hardware.items()
        if device.backend is workload.backend
    )
    return replace(
        workload,
        resources=tuple(replace(r, accelerators=any_of, instance_type=None) for r in workload.resources),
    )


def memory_of(shape: Shape, hardware: Mapping[str, Accelerator]) -> float:
    """GiB of all devices of a gang; 0 where it is unknown, so that nothing unknown counts as enough."""
    device = hardware.get(shape.accelerator)
    return 0.0 if device is None else (device.memory_gib or 0.0) * shape.devices


def save_s(workload: Workload, profile: Profile | None) -> float | None:
    """Seconds of a save: measured, declared, or by the checkpoint's size; None if nothing is known."""
    spec = workload.checkpoint
    for known in (profile.save_s if profile else None, spec.save_s):
        if known is not None:
            return known
    size = checkpoint_bytes(workload, profile)
    return None if size is None else size / workload.num_nodes / WRITE_BYTES_PER_S


def checkpoint_bytes(workload: Workload, profile: Profile | None) -> int | None:
    """Size of one checkpoint: declared, else measured, else by the model's size; None if nothing is known."""
    for known in (workload.checkpoint.size_bytes, profile.checkpoint_bytes if profile else None):
        if known is not None:
            return known
    return None if workload.model is None else checkpoint_size(workload.model)


def restore_s(workload: Workload, profile: Profile | None) -> float | None:
    """Seconds that a restart takes beside the boot: measured, declared, or a minute and reading the checkpoint."""
    for known in (profile.restore_s if profile else None, workload.checkpoint.restore_s):
        if known is not None:
            return known
    size = checkpoint_bytes(workload, profile)
    usual = Terms().restore_h * SECONDS_PER_HOUR
    return None if size is None else usual + size / workload.num_nodes / WRITE_BYTES_PER_S


def deadline_h(workload: Workload, now: datetime) -> float | None:
    """Hours that are left until the deadline, a second at least; None without one."""
    if workload.deadline_at is not None:
        return max(seconds_between(now, workload.deadline_at), 1.0) / SECONDS_PER_HOUR
    return None if workload.deadline_s is None else workload.deadline_s / SECONDS_PER_HOUR


def terms_of(workload: Workload, profile: Profile | None, deadline: float | None) -> Terms:
    """Boot, restore and save: measured before declared before assumed. ``deadline`` in hours."""
    spec, usual = workload.checkpoint, Terms()
    boot = profile.boot_s if profile else None
    return Terms(
        nodes=workload.num_nodes,
        boot_h=_hours(usual.boot_h, boot),
        restore_h=_hours(usual.restore_h, restore_s(workload, profile)),
        save_h=_hours(usual.save_h, save_s(workload, profile)),
        interval_h=None if spec.interval_s is None else max(spec.interval_s, SHORTEST_S) / SECONDS_PER_HOUR,
        deadline_h=deadline,
    )


def _hours(assumed_h: float, *known_s: float | None) -> float:
    first = next((s for s in known_s if s is not None), None)
    return assumed_h if first is None else max(first, SHORTEST_S) / SECONDS_PER_HOUR
