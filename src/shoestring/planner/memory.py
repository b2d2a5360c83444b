"""Bytes that training a model takes on each device, and whether they fit.

Weights, gradients and optimizer states per parameter, and how ZeRO's stages divide them: Rajbhandari et al.,
"ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", SC 2020, sections 3.1 and 5; FSDP shards as
stage 3 (Zhao et al., "PyTorch FSDP", VLDB 2023). Activations of a transformer's layer: Korthikanti et al., "Reducing
Activation Recomputation in Large Transformer Models", MLSys 2023, equations 1 to 4 and section 4.3 for the output
layer. 8-bit states: Dettmers et al., ICLR 2022. LoRA: Hu et al., ICLR 2022; 4-bit weights with double
quantization: Dettmers et al., "QLoRA", NeurIPS 2023, section 3. Adafactor: Shazeer and Stern, ICML 2018.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from shoestring.domain.model import Method, ModelKind, ModelSpec, Optimizer, Precision, Recompute, Sharding
from shoestring.domain.units import GIB

OUTSIDE_GIB = 1.5  # assumed: the driver's context, communication buffers, and gaps of the allocator
TIGHT = 0.9  # share of a device above which a fit is flagged
MOST_DEVICES = 4096
QLORA_BYTES = (
    0.5 + 0.127 / 8
)  # per frozen weight: 4 bits, and 0.127 of a bit for the doubly quantized constants
ASPECT = 128.0  # hidden size over layers of the usual transformer (GPT-3, Llama: 100 to 130)
VOCAB = 50_000  # where none is given
GATHERED_LAYERS = 2  # whole layers that stage 3 holds at a time: the one at work and the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Bytes on each device. ``activations``: None where batch and sequence, or the formula, are not known."""

    weights: float
    gradients: float
    states: float
    gathered: float
    activations: float | None

    @property
    def total(self) -> float:
        """With the unknown left out: the least that is needed."""
        return self.weights + self.gradients + self.states + self.gathered + (self.activations or 0.0)

    def describe(self) -> str:
        """The parts in GiB, for people."""
        parts = {"weights": self.weights, "gradients": self.gradients, "optimizer": self.states,
                 "gathered layers": self.gathered, "activations": self.activations}  # fmt: skip
        return ", ".join(
            f"{name} {'unknown' if size is None else f'{size / GIB:.1f}'}"
            for name, size in parts.items()
            if size is None or size >= 0.05 * GIB
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """What is missing on each device, and what would mend it, mildest first."""

    short_gib: float
    needed_gib: float
    demand: Demand
    fixes: tuple[str, ...]


def misfit(model: ModelSpec, devices: float, memory_gib: float) -> Misfit | None:
    """None if the model fits on so many devices of this memory; with fixes that the formulas say would do.

    Unknown activations count as nothing, so what is refused is refused for sure.
    """
    demand = demanded(model, devices)
    short = demand.total / GIB + OUTSIDE_GIB - memory_gib
    if short <= 0 and model.tensor_parallel <= devices:
        return None
    return Misfit(
        short_gib=max(short, 0.0),
        needed_gib=demand.total / GIB + OUTSIDE_GIB,
        demand=demand,
        fixes=tuple(_fixes(model, devices, memory_gib)),
    )


def tight(model: ModelSpec, devices: float, memory_gib: float) -> bool:
    """Whether a model that fits leaves little room."""
    return demanded(model, devices).total / GIB + OUTSIDE_GIB > TIGHT * memory_gib


def demanded(model: ModelSpec, devices: float) -> Demand:
    """What training the model on a gang of so many devices takes on each."""
    weight, gradient, state = per_parameter(model)
    trained = trained_params(model)
    frozen = model.params - trained if model.method is not Method.FULL else 0.0
    frozen_each = {Method.FULL: 0.0, Method.LORA: 2.0, Method.QLORA: QLORA_BYTES}[model.method]
    split = float(model.tensor_parallel)
    ranks, stage = max(devices / split, 1.0), model.sharding.stage
    held = (trained * weight + frozen * frozen_each) / split
    layer_count = shape_of(model)[0] if model.kind is ModelKind.TRANSFORMER else None
    gathered = held * GATHERED_LAYERS / layer_count if stage == 3 and ranks > 1 and layer_count else 0.0
    return Demand(
        weights=held / (ranks if stage >= 3 else 1),
        gradients=trained * gradient / split / (ranks if stage >= 2 else 1),
        states=trained * state / split / (ranks if stage >= 1 else 1),
        gathered=gathered,
        activations=activations(model),
    )


def per_parameter(model: ModelSpec) -> tuple[float, float, float]:
    """Bytes of weight, gradient, and state (with the fp32 copy of the weight) for each trained parameter."""
    weight, gradient, copy = {
        Precision.FP32: (4.0, 4.0, 0.0),
        Precision.BF16_PURE: (2.0, 2.0, 0.0),
    }.get(model.precision, (2.0, 2.0, 4.0))
    moment = 2.0 if model.precision is Precision.BF16_PURE else 4.0
    moments = {
        Optimizer.ADAMW: 2 * moment, Optimizer.ADAM: 2 * moment, Optimizer.ADAMW_8BIT: 2.0,
        Optimizer.MOMENTUM: moment, Optimizer.LION: moment, Optimizer.MUON: moment,
        Optimizer.SGD: 0.0, Optimizer.ADAFACTOR: 0.0,
    }[model.optimizer]  # fmt: skip
    return weight, gradient, copy + moments


def trained_params(model: ModelSpec) -> float:
    """All weights, or those of adapters of the given rank on every linear map of every layer.

    Per layer 8 r h for the four maps of attention and 3 r (h + 8/3 h) for a gated MLP: 19 r h.
    """
    if model.method is Method.FULL:
        return model.params
    layers, hidden = shape_of(model)
    return min(19.0 * model.lora_rank * hidden * layers, model.params)


def checkpoint_size(model: ModelSpec) -> int:
    """Bytes of one checkpoint: weights and optimizer states of what is trained; no gradients.

    >>> round(checkpoint_size(ModelSpec(params=70e9)) / 1e12, 2)
    0.98
    """
    weight, _, state = per_parameter(model)
    return math.ceil(trained_params(model) * (weight + state))


def activations(model: ModelSpec) -> float | None:
    """Bytes kept for the backward pass on each device; None where the job says no batch and sequence."""
    known = model.kind in (ModelKind.TRANSFORMER, ModelKind.MOE)
    if not known or model.batch is None or model.sequence is None:
        return None
    layers, hidden = shape_of(model)
    b, s, t = model.batch, model.sequence, model.tensor_parallel
    heads = model.heads or max(hidden / 128, 1.0)
    layer = {
        Recompute.NONE: 10 + 24 / t + 5 * heads * s / (hidden * t),
        Recompute.SELECTIVE: 10 + 24 / t,
        Recompute.FULL: 2.0,
    }[model.recompute]
    rebuilt = (
        (10 + 24 / t) * s * b * hidden if model.recompute is Recompute.FULL else 0.0
    )  # one layer at a time
    logits = 4.0 * s * b * (model.vocab or VOCAB) / t
    wide = 2.0 if model.precision is Precision.FP32 else 1.0
    return wide * (layers * layer * s * b * hidden + rebuilt) + logits


def shape_of(model: ModelSpec) -> tuple[float, float]:
    """Layers and hidden size: as given, else of a transformer of this size, N = 12 L h^2 with h = 128 L."""
    layers, hidden, size = model.layers, model.hidden, model.params
    if layers is None and hidden is None:
        usual = (ASPECT * size / 12) ** (1 / 3)
        return max(usual / ASPECT, 1.0), max(usual, 1.0)
    if hidden is None:
        return float(layers or 1), max(math.sqrt(size / (12 * (layers or 1))), 1.0)
    return (float(layers) if layers else max(size / (12 * hidden**2), 1.0)), float(hidden)


def _fixes(model: ModelSpec, devices: float, memory_gib: float) -> Iterator[str]:
    """What would let it fit, as the formulas have it: first what leaves the training's result alone."""

    def fits(other: ModelSpec, count: float) -> bool:
        enough = other.tensor_parallel <= count
        return enough and demanded(other, count).total / GIB + OUTSIDE_GIB <= memory_gib

    sharded = replace(model, sharding=Sharding.FSDP)
    lean = replace(sharded, recompute=Recompute.FULL)
    known = model.batch is not None
    mild = [
        ("`sharding: fsdp`", sharded, devices > 1 and model.sharding.stage < 3),
        ("`activation_checkpointing: full`", replace(model, recompute=Recompute.FULL), known),
        ("`sharding: fsdp` and `activation_checkpointing: full`", lean, known and devices > 1),
    ]
    found = next((name for name, other, sensible in mild if sensible and fits(other, devices)), None)
    if found:
        yield found
    more = devices
    while more < MOST_DEVICES:
        more = max(2 * more, 2)
        if fits(sharded, more):
            yield f"{more:g} devices with `sharding: fsdp`"
            break
    gentle = [
        ("`optimizer: adamw_8bit`", replace(model, optimizer=Optimizer.ADAMW_8BIT)),
        ("`method: lora`", replace(model, method=Method.LORA)),
        ("`method: qlora`", replace(model, method=Method.QLORA)),
    ]
    changed = next((name for name, other in gentle if other != model and fits(other, devices)), None)
    if changed:
        yield f"{changed} (another training)"
    if model.tensor_parallel <= devices:
        yield f"a device of {math.ceil(demanded(model, devices).total / GIB + OUTSIDE_GIB)} GiB"
