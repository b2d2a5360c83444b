"""Hours of work on any accelerator: declared or measured where it is known, else by the roofline.

Relative speed by roofline: between the ratio of dense FLOP/s and the ratio of memory bandwidth lies what a
real training gets (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009); both ends are kept as the
range. Figures across hardware are not validated by measurements of ours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shoestring.domain.plan import Accelerator, WorkRange
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Flops, HoursOf, Probe, Steps, Work

MFU = (0.20, 0.38, 0.55)  # low, middle, high of dense transformer training on GPUs and TPUs; wide on purpose
MEASURED, DECLARED = 0.05, 0.10  # half-width of the range of a measured speed, of hours the user gives
NODE_LINK_SHARE = (0.70, 0.90, 1.0)  # throughput kept by a step to several nodes
SCALING = (0.80, 0.93, 1.0)  # exponent of throughput in the number of devices: low, middle, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A gang: nodes of so many accelerators each."""

    accelerator: str
    count: float
    nodes: int = 1

    @property
    def devices(self) -> float:
        return self.count * self.nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Work whose hours are known on a reference shape. ``unit``: the work itself is not known (relative)."""

    shape: Shape
    hours: WorkRange
    unit: bool = False


def known_work(work: Work | None, first: Shape, references: Mapping[str, Shape]) -> tuple[Known, ...]:
    """What ``work`` says about shapes; names are catalog keys already.

    Args:
        first: the shape first named by the job; without ``work`` one hour on it is the unit.
        references: the job's asked shape for each accelerator, which declared hours refer to.
    """
    match work:
        case HoursOf(hours=hours, accelerator=name):
            shape = references.get(name, Shape(accelerator=name, count=first.count, nodes=first.nodes))
            return (Known(shape=shape, hours=around(hours, DECLARED, "declared")),)
        case Steps(steps=steps, steps_per_s=speeds) if speeds:
            return tuple(
                Known(
                    shape=references.get(name, Shape(accelerator=name, count=first.count, nodes=first.nodes)),
                    hours=around(steps / speed / SECONDS_PER_HOUR, MEASURED, "measured"),
                )
                for name, speed in speeds.items()
            )
        case None | Probe() | Steps():
            return (Known(shape=first, hours=around(1.0, 0.0, "unit"), unit=True),)
    return ()


def around(hours: float, share: float, basis: str) -> WorkRange:
    """A range of ``share`` on both sides."""
    return WorkRange(low_h=hours * (1 - share), mid_h=hours, high_h=hours * (1 + share), basis=basis)


def hours_on(
    shape: Shape, work: Work | None, known: tuple[Known, ...], hardware: Mapping[str, Accelerator]
) -> WorkRange | None:
    """Hours on a shape; None where nothing supports a figure (no FLOP/s, no bandwidth, no interconnect)."""
    if isinstance(work, Flops):
        return _by_flops(shape, work, hardware)
    same = next((k for k in known if k.shape == shape), None)
    if same:
        return same.hours
    sources = sorted(known, key=lambda k: (k.shape.accelerator != shape.accelerator, k.shape.accelerator))
    return next((r for r in (_scaled(shape, k, hardware) for k in sources) if r), None)


def _by_flops(shape: Shape, work: Flops, hardware: Mapping[str, Accelerator]) -> WorkRange | None:
    device = hardware.get(shape.accelerator)
    speed = tflops(device, work.dtype) if device else None
    spread = _spread(shape, Shape(accelerator=shape.accelerator, count=1), hardware)
    if speed is None or spread is None:
        return None
    mfu = (work.mfu,) * 3 if work.mfu else MFU
    slow, mid, fast = (
        work.flops / (speed * 1e12 * m * s) / SECONDS_PER_HOUR for m, s in zip(mfu, spread, strict=True)
    )
    return WorkRange(low_h=fast, mid_h=mid, high_h=slow, basis="flops")


def _scaled(shape: Shape, known: Known, hardware: Mapping[str, Accelerator]) -> WorkRange | None:
    here, there = hardware.get(shape.accelerator), hardware.get(known.shape.accelerator)
    if here is None or there is None:
        return None
    ratios = [a / b for a, b in zip(_roofs(here), _roofs(there), strict=True) if a and b]
    spread = _spread(shape, known.shape, hardware)
    if not ratios or spread is None:
        return None
    slow, fast = min(ratios), max(ratios)
    mid = math.sqrt(slow * fast)
    hours = known.hours
    return WorkRange(
        low_h=hours.low_h / (fast * max(spread)),
        mid_h=hours.mid_h / (mid * sorted(spread)[1]),
        high_h=hours.high_h / (slow * min(spread)),
        basis="roofline",
    )


def _spread(to: Shape, base: Shape, hardware: Mapping[str, Accelerator]) -> tuple[float, float, float] | None:
    """Speed of ``to``'s gang over ``base``'s, device speed apart; None with nodes but no interconnect."""
    ratio = to.devices / base.devices
    low, mid, high = (ratio**e for e in (SCALING if ratio >= 1 else SCALING[::-1]))
    if to.nodes > 1 >= base.nodes:
        if hardware[to.accelerator].interconnect_gb_s is None:
            return None
        low, mid, high = (v * s for v, s in zip((low, mid, high), NODE_LINK_SHARE, strict=True))
    return low, mid, high


def tflops(device: Accelerator, dtype: str) -> float | None:
    """Dense TFLOP/s of a type; bf16 work may run as fp16 on older devices, never at lower precision."""
    if dtype in ("fp8", "float8"):
        return device.fp8_tflops
    if dtype in ("fp32", "float32"):
        return device.fp32_tflops
    return device.bf16_tflops or device.fp16_tflops


def _roofs(device: Accelerator) -> tuple[float | None, float | None]:
    return tflops(device, "bf16"), device.bandwidth_gb_s
