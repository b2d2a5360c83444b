"""Plan: ways to run a job with what each would cost, the one to take, and why not the others.

Everything here is an estimate, so numbers are floats; None means unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shoestring.domain.workload import Backend


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device's figures; TFLOP/s are dense, bandwidths in GB/s, None where no source gives one."""

    name: str
    vendor: str
    family: str
    backend: Backend
    memory_gib: float | None = None
    bandwidth_gb_s: float | None = None
    fp32_tflops: float | None = None
    fp16_tflops: float | None = None
    bf16_tflops: float | None = None
    fp8_tflops: float | None = None
    tdp_w: float | None = None
    interconnect_gb_s: float | None = None
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRange:
    """Hours of useful work on one shape: the middle, and the range that holds eight of ten.

    Attributes:
        basis: ``declared`` | ``measured`` | ``flops`` | ``roofline`` (from another accelerator; unvalidated).
    """

    low_h: float
    mid_h: float
    high_h: float
    basis: str

    def __post_init__(self) -> None:
        if not 0 < self.low_h <= self.mid_h <= self.high_h < float("inf"):
            raise ValueError(f"work of {self.low_h}..{self.mid_h}..{self.high_h} h; ascending and above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to run the whole job. Costs are of the gang, in $; finishes in hours from submission.

    Attributes:
        expected_cost_usd, p90_cost_usd: None while the work is unknown.
        p_deadline: None without a deadline. p_capacity: None where no interruption class is known.
        energy_kwh, co2_kg: None where the device's power, the site's PUE or its grid is unknown.
        price_layer: the layer that gave the price (:class:`PriceLayer`).
        relative_cost: cost per unit of work against the first accelerator named; only without ``work``.
        flags: what is odd about the price or the estimate.
    """

    offer_id: str
    provider: str
    region: str
    zone: str | None
    market: str
    accelerator: str | None
    count: float
    price_usd_per_hour: float
    price_source: str
    price_as_of: str
    expected_cost_usd: float | None = None
    p90_cost_usd: float | None = None
    expected_finish_h: float | None = None
    p90_finish_h: float | None = None
    p_deadline: float | None = None
    p_capacity: float | None = None
    energy_kwh: float | None = None
    co2_kg: float | None = None
    reason: str = ""
    flags: tuple[str, ...] = ()
    relative_cost: float | None = None
    price_layer: str = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Offers left out for one reason. ``fix``: what would let them in; None if nothing.

    Attributes:
        group: the reason's code. example: one offer's id. best_usd: cheapest expected cost among them; None
            if it was not estimated.
    """

    group: str
    count: int
    reason: str
    fix: str | None = None
    example: str | None = None
    best_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What the chosen option would cost, and which would be chosen, if one input were otherwise."""

    input: str
    change: str
    cost_usd: float
    chosen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLayer:
    """One source of a catalog's prices: how many offers, and the oldest and newest day of their prices.

    Attributes:
        name: ``live`` | ``cache`` | ``bill`` | ``embedded``, or the name of a price sheet or machine file.
    """

    name: str
    offers: int
    oldest: str
    newest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The answer to "how should this job run".

    Attributes:
        options: baseline first, then the frontier by cost. baseline: the file as it stands, None if it fits
            nowhere. chosen, runner_up: None if nothing is left.
        work_kind, work_range_h: where the hours come from, and low and high on the baseline's shape.
        prices_as_of: oldest and newest date of the prices shown.
        probe_saves_usd: most that knowing the work exactly could save; None if it can't be said.
        prices: the layers that the prices came from, what goes first first.
        notes: what a reader must know before trusting this.
    """

    options: tuple[Option, ...]
    baseline: Option | None
    chosen: Option | None
    runner_up: Option | None
    rejected: tuple[Rejection, ...]
    work_kind: str
    work_range_h: tuple[float, float] | None
    prices_as_of: tuple[str, str] | None
    sensitivity: tuple[Sensitivity, ...] = ()
    probe_saves_usd: float | None = None
    prices: tuple[PriceLayer, ...] = ()
    notes: tuple[str, ...] = ()
    detail: Mapping[str, float] = field(default_factory=dict)
