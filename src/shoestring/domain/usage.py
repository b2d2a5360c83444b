"""UsageRecord: what was used, when, by which attempt, and at which price it was used."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from shoestring.domain.offer import BillingRule, Market
from shoestring.domain.run import NodesLost, PriceSpan

EXACT = BillingRule(granularity_s=1, minimum_s=0)  # every second counts, no minimum


class UsageKind(StrEnum):
    """What was used; the unit of ``UsageRecord.quantity`` follows."""

    COMPUTE = "compute"  # instance seconds
    STORAGE = "storage"  # GiB-hours
    EGRESS = "egress"  # GiB


class CostPart(StrEnum):
    """The disjoint parts of a run's cost; they sum to the total."""

    COMPUTE = "compute"  # steps that count in the result
    STORAGE = "storage"
    EGRESS = "egress"
    IDLE = "idle"  # paid and not training: boot, wait, tail, rounding up
    CHECKPOINT = "checkpoint"  # saving and restoring while training stands still
    LOST_WORK = "lost_work"  # steps done and not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSpan:
    """A stretch of an instance's life that belongs to one part of the cost."""

    part: CostPart
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineShare:
    """A stretch of time in which others held the same machine, and the part of it that this use is charged.

    Attributes:
        basis: what the part is measured by. held, of: how much of it this use had, and all together.
    """

    start: datetime
    end: datetime
    fraction: Fraction
    basis: str
    held: float
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """One line of use, with the prices that were in force while it was used.

    Attributes:
        id: stable; the same use observed twice has the same id and is billed once.
        price_spans: $ per instance-hour (compute), per GiB-month (storage), per GiB (egress).
        parts: how the time divides (compute only), gap-free from start to end.
        instances: how many machines at that price ran side by side (a gang's nodes); compute only.
        nodes_lost: of them, those that were gone for a time and not billed in it.
        interrupted: the provider ended it (first-hour-free rules).
        final: False while the use still grows.
        machine: which it was, where the engine knows; devices: names of the accelerators held, None if unknown.
        shares: when others held the machine too; outside of them it is charged whole.
    """

    id: str
    run_id: str
    attempt_id: str | None
    kind: UsageKind
    resource_id: str
    provider: str
    region: str
    zone: str | None
    market: Market | None
    start: datetime
    end: datetime
    quantity: Decimal
    price_spans: tuple[PriceSpan, ...]
    billing: BillingRule = EXACT
    instances: int = 1
    nodes_lost: tuple[NodesLost, ...] = ()
    parts: tuple[PartSpan, ...] = ()
    interrupted: bool = False
    final: bool = True
    accelerator: str | None = None
    accelerator_count: float = 0
    machine: str | None = None
    devices: tuple[str, ...] | None = None
    shares: tuple[MachineShare, ...] = ()
