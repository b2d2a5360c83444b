"""The model that a job trains, as far as its memory, its checkpoints and its FLOPs hang on it."""

from dataclasses import dataclass
from enum import StrEnum


class ModelKind(StrEnum):
    """What sort of network; decides how much of the hardware's peak a training gets."""

    TRANSFORMER = "transformer"
    MOE = "moe"
    CNN = "cnn"
    DIFFUSION = "diffusion"
    RECOMMENDER = "recommender"


class Precision(StrEnum):
    """Of the arithmetic. bf16, fp16 and fp8 keep a copy of the weights in fp32; bf16_pure keeps none."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    BF16_PURE = "bf16_pure"


class Optimizer(StrEnum):
    """By what it remembers for each parameter."""

    ADAMW = "adamw"
    ADAM = "adam"
    ADAMW_8BIT = "adamw_8bit"
    MOMENTUM = "momentum"
    LION = "lion"
    MUON = "muon"
    SGD = "sgd"
    ADAFACTOR = "adafactor"


class Sharding(StrEnum):
    """What data-parallel ranks share instead of copying: nothing, or by the stages of ZeRO; FSDP is stage 3."""

    NONE = "none"
    ZERO1 = "zero1"
    ZERO2 = "zero2"
    ZERO3 = "zero3"
    FSDP = "fsdp"

    @property
    def stage(self) -> int:
        return {"none": 0, "zero1": 1, "zero2": 2}.get(self.value, 3)


class Method(StrEnum):
    """Which weights are trained: all, or small adapters beside frozen ones (kept in 4 bits for qlora)."""

    FULL = "full"
    LORA = "lora"
    QLORA = "qlora"


class Recompute(StrEnum):
    """Which activations are computed again in the backward pass instead of kept.

    ``selective``: those of the attention product alone, as flash attention does.
    """

    NONE = "none"
    SELECTIVE = "selective"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model and how it is trained.

    Attributes:
        params: number of weights. active_params: of those, what one token meets; None for all of them.
        tensor_parallel: devices that split each layer.
        batch, sequence: samples per device and step before accumulation, tokens per sample; None if not said,
            and then activations stay unknown.
        layers, hidden, heads, vocab: of a transformer; None takes the usual shape for its size.
    """

    params: float
    active_params: float | None = None
    kind: ModelKind = ModelKind.TRANSFORMER
    precision: Precision = Precision.BF16
    optimizer: Optimizer = Optimizer.ADAMW
    method: Method = Method.FULL
    lora_rank: int = 16
    sharding: Sharding = Sharding.NONE
    tensor_parallel: int = 1
    recompute: Recompute = Recompute.SELECTIVE
    batch: int | None = None
    sequence: int | None = None
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None
    vocab: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.params < float("inf"):
            raise ValueError(f"a model of {self.params} parameters; above 0")
