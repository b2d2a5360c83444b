"""Hours of work on any accelerator: declared or measured where it is known, else by the roofline.

Relative speed by roofline: between the ratio of dense FLOP/s and the ratio of memory bandwidth lies what a
real training gets (Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009); both ends are kept as the
range. Figures across hardware are not validated by measurements of ours.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shoestring.domain.model import Method, ModelKind, ModelSpec, Precision, Recompute
from shoestring.domain.plan import Accelerator, WorkRange
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Flops, HoursOf, Probe, Steps, Tokens, Work
from shoestring.planner.memory import trained_params
from shoestring.planner.scaling import Shape, spread

# Model FLOPs utilization: low, middle, high. Dense transformers: GPT-3 21 %, MT-NLG 30 %, Gopher 33 %, PaLM 46 %
# (Chowdhery et al., "PaLM", 2022, table 3), Llama 3 405B 38 to 43 % ("The Llama 3 Herd of Models", 2024, table 4).
# The other kinds are our judgment, wide on purpose: routing and small expert batches, small convolutions, attention at
# several resolutions, and embeddings that are bound by memory.
MFU: Mapping[ModelKind, tuple[float, float, float]] = {
    ModelKind.TRANSFORMER: (0.20, 0.38, 0.55),
    ModelKind.MOE: (0.10, 0.25, 0.42),
    ModelKind.CNN: (0.08, 0.20, 0.35),
    ModelKind.DIFFUSION: (0.12, 0.28, 0.45),
    ModelKind.RECOMMENDER: (0.01, 0.04, 0.15),
}
# Of that on fp8's doubled peak: float8 training is 1.1 to 1.5 times as fast as bf16 (torchao 0.18 README, 2026-08).
FP8_SHARE = (0.55, 0.65, 0.75)
MEASURED, DECLARED = 0.05, 0.10  # half-width of the range of a measured speed, of hours the user gives


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
    shape: Shape,
    work: Work | None,
    known: tuple[Known, ...],
    hardware: Mapping[str, Accelerator],
    model: ModelSpec | None = None,
) -> WorkRange | None:
    """Hours on a shape; None where nothing supports a figure (no FLOP/s, no bandwidth, no interconnect)."""
    if isinstance(work, Tokens) and model is not None:
        flops = work.tokens * flops_per_token(model)
        work = Flops(flops=flops, mfu=work.mfu, dtype=_dtype(model))
    if isinstance(work, Flops):
        return _by_flops(shape, work, hardware, model)
    same = next((k for k in known if k.shape == shape), None)
    if same:
        return same.hours
    sources = sorted(known, key=lambda k: (k.shape.accelerator != shape.accelerator, k.shape.accelerator))
    return next((r for r in (_scaled(shape, k, hardware, model) for k in sources) if r), None)


def _by_flops(
    shape: Shape, work: Flops, hardware: Mapping[str, Accelerator], model: ModelSpec | None
) -> WorkRange | None:
    device = hardware.get(shape.accelerator)
    speed = tflops(device, work.dtype) if device else None
    if device is None or speed is None:
        return None
    alone = Shape(accelerator=shape.accelerator, count=1)
    gang = spread(shape, alone, hardware, model, _step_s(device, model))
    if gang is None:
        return None
    mfu = (work.mfu,) * 3 if work.mfu else _mfu(model, work.dtype)
    low, mid, high = _together(mfu, gang)
    slow, middle, fast = (work.flops / (speed * 1e12 * m) / SECONDS_PER_HOUR for m in (low, mid, high))
    return WorkRange(low_h=fast, mid_h=middle, high_h=slow, basis="flops")


def _together(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    """Range of a product of two that are uncertain for different reasons: distances in logarithms as for errors."""
    mid = a[1] * b[1]
    down = math.hypot(math.log(a[1] / a[0]), math.log(b[1] / b[0]))
    up = math.hypot(math.log(a[2] / a[1]), math.log(b[2] / b[1]))
    return mid * math.exp(-down), mid, mid * math.exp(up)


def _scaled(
    shape: Shape, known: Known, hardware: Mapping[str, Accelerator], model: ModelSpec | None
) -> WorkRange | None:
    here, there = hardware.get(shape.accelerator), hardware.get(known.shape.accelerator)
    if here is None or there is None:
        return None
    ratios = [a / b for a, b in zip(_roofs(here), _roofs(there), strict=True) if a and b]
    gang = spread(shape, known.shape, hardware, model, _step_s(here, model))
    if not ratios or gang is None:
        return None
    slow, fast = min(ratios), max(ratios)
    less, mid, more = _together((slow, math.sqrt(slow * fast), fast), gang)
    hours = known.hours
    return WorkRange(
        low_h=hours.low_h / more, mid_h=hours.mid_h / mid, high_h=hours.high_h / less, basis="roofline"
    )


def _step_s(device: Accelerator, model: ModelSpec | None) -> float | None:
    """Seconds that one device computes on one batch; None where the job does not say how large that is."""
    if model is None or model.batch is None or model.sequence is None:
        return None
    speed = tflops(device, _dtype(model))
    if speed is None:
        return None
    share = _mfu(model, _dtype(model))[1]
    flops = flops_per_token(model) * model.batch * model.sequence / model.tensor_parallel
    return flops / (speed * 1e12 * share)


def flops_per_token(model: ModelSpec) -> float:
    """6 per weight that a token meets (Kaplan et al., "Scaling Laws", 2020, section 2.1); 4 per frozen weight.

    Frozen weights have no gradient of their own, which is a third of the work.
    """
    met = model.active_params or model.params
    trained = met if model.method is Method.FULL else min(trained_params(model), met)
    return 4.0 * met + 2.0 * trained


def _mfu(model: ModelSpec | None, dtype: str) -> tuple[float, float, float]:
    """The prior; a second forward pass (2 per weight) for activations that were not kept is no useful work."""
    kind = model.kind if model else ModelKind.TRANSFORMER
    of_fp8 = FP8_SHARE if dtype in ("fp8", "float8") else (1.0, 1.0, 1.0)
    useful = 1.0
    if model is not None and model.recompute is Recompute.FULL:
        once = flops_per_token(model)
        useful = once / (once + 2.0 * (model.active_params or model.params))
    low, mid, high = (share * f * useful for share, f in zip(MFU[kind], of_fp8, strict=True))
    return low, mid, high


def _dtype(model: ModelSpec) -> str:
    return {Precision.BF16_PURE: "bf16"}.get(model.precision, model.precision.value)


def tflops(device: Accelerator, dtype: str) -> float | None:
    """Dense TFLOP/s of a type; bf16 work may run as fp16 on older devices, never at lower precision."""
    if dtype in ("fp8", "float8"):
        return device.fp8_tflops
    if dtype in ("fp32", "float32"):
        return device.fp32_tflops
    return device.bf16_tflops or device.fp16_tflops


def _roofs(device: Accelerator) -> tuple[float | None, float | None]:
    return tflops(device, "bf16"), device.bandwidth_gb_s
