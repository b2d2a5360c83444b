"""How much faster a gang is than a smaller one: what moving gradients and weights between devices leaves.

Where the job says what a device computes in a step (model, batch, sequence), the bytes that it must move in that time
follow: an all-reduce of gradients moves 2 (n-1)/n of their size through each device (Patarasuk and Yuan, "Bandwidth
optimal all-reduce algorithms", JPDC 2009), ZeRO's stage 3 one and a half times as much (Rajbhandari et al., SC 2020,
section 7), a tensor-parallel layer four all-reduces of its activations (Shoeybi et al., "Megatron-LM", 2019, section
3). Where it does not, a wide prior on the exponent. Neither is validated by measurements of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shoestring.domain.model import ModelSpec
from shoestring.domain.plan import Accelerator
from shoestring.planner.memory import demanded, per_parameter, shape_of, trained_params

NODE_LINK_SHARE = (0.70, 0.90, 1.0)  # throughput kept by a step to several nodes, where nothing is known
SCALING = (0.80, 0.93, 1.0)  # exponent of throughput in the number of devices: low, middle, high
LINK_SHARE = (0.5, 0.7, 0.9)  # of a link's rated bandwidth that collectives reach; assumed
# A device's share of its node's network over its link inside the node. The catalog knows no offer's network; the ends
# are 400 Gbit/s for eight A100 (EC2 p4d) and 3,200 Gbit/s for eight H100 (EC2 p5en, AWS HPC blog, 2024-12-02).
NETWORK_SHARE = (1 / 48, 1 / 12, 1 / 9)
# Share of the compute time that can hide communication; assumed, high in the middle because the published
# utilizations that MFU rests on are of gangs that talk, so only what goes beyond the usual may count again.
OVERLAP = (0.25, 0.9, 1.0)
Range = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A gang: nodes of so many accelerators each."""

    accelerator: str
    count: float
    nodes: int = 1

    @property
    def devices(self) -> float:
        return self.count * self.nodes


def spread(
    to: Shape, base: Shape, hardware: Mapping[str, Accelerator], model: ModelSpec | None, step_s: float | None
) -> Range | None:
    """Speed of ``to``'s gang over ``base``'s, device speed apart: low, middle, high.

    Args:
        step_s: what a device of ``to`` computes on one batch; None where the job does not say.

    Returns:
        None with several nodes but no interconnect figure.
    """
    ratio = to.devices / base.devices
    device = hardware[to.accelerator]
    if to.nodes > 1 >= base.nodes and device.interconnect_gb_s is None:
        return None
    if model is not None and step_s is not None and device.interconnect_gb_s is not None:
        here, there = (_kept(shape, device.interconnect_gb_s, model, step_s) for shape in (to, base))
        low, mid, high = (ratio * a / b for a, b in zip(here, there, strict=True))
        low, mid, high = sorted((low, mid, high))
        return low, mid, high
    low, mid, high = (ratio**e for e in (SCALING if ratio >= 1 else SCALING[::-1]))
    if to.nodes > 1 >= base.nodes:
        low, mid, high = (v * s for v, s in zip((low, mid, high), NODE_LINK_SHARE, strict=True))
    return low, mid, high


def _kept(shape: Shape, link_gb_s: float, model: ModelSpec, step_s: float) -> Range:
    """Share of the devices' own speed that is left in a gang."""
    ends = []
    for share, network, overlap in zip(LINK_SHARE, NETWORK_SHARE, OVERLAP, strict=True):
        inside = link_gb_s * share * 1e9
        across = inside * network if shape.nodes > 1 else inside
        moving_s = _data_parallel_bytes(shape, model) / across + _tensor_parallel_bytes(model) / inside
        ends.append(step_s / (step_s + max(0.0, moving_s - overlap * step_s)))
    low, mid, high = ends
    return low, mid, high


def _data_parallel_bytes(shape: Shape, model: ModelSpec) -> float:
    """That each device moves for one step, without accumulation."""
    ranks = max(shape.devices / model.tensor_parallel, 1.0)
    others = (ranks - 1) / ranks
    gradients = trained_params(model) * per_parameter(model)[1] / model.tensor_parallel
    if model.sharding.stage < 3:
        return 2 * others * gradients
    return others * (gradients + 2 * demanded(model, model.tensor_parallel).weights)


def _tensor_parallel_bytes(model: ModelSpec) -> float:
    t = model.tensor_parallel
    layers, hidden = shape_of(model)
    return 4 * layers * 2 * (t - 1) / t * 2.0 * hidden * (model.batch or 0) * (model.sequence or 0)
