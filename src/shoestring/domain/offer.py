"""Offer: one shape, in one place and market, at one moment, with its price and how it is billed."""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shoestring.domain.workload import Backend


class Market(StrEnum):
    """How capacity is paid for (FOCUS PricingCategory: spot is Dynamic, reserved and block Committed)."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED_1Y = "reserved_1y"
    RESERVED_3Y = "reserved_3y"
    CAPACITY_BLOCK = "capacity_block"
    FLEX_START = "flex_start"
    MANAGED = "managed"
    OWNED = "owned"
    RESERVED = "reserved"  # the user's own, paid already

    @property
    def ours(self) -> bool:
        """Whether it is the user's already: nothing new is bought by using it."""
        return self in (Market.OWNED, Market.RESERVED)

    @property
    def preemptible(self) -> bool:
        """Whether the provider may take the instance back while the job runs."""
        return self is Market.SPOT

    @property
    def at_once(self) -> bool:
        """Whether a launch starts when it is asked for, if there is capacity."""
        return self not in (Market.CAPACITY_BLOCK, Market.FLEX_START)


class PriceKind(StrEnum):
    """How a price came to be known."""

    LIST = "list"
    OBSERVED = "observed"
    TYPICAL = "typical"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price with where it came from and when.

    Attributes:
        usd_per_hour: for the whole instance; None if unknown (never 0 for unknown).
        as_of: the moment the price held.
    """

    usd_per_hour: Decimal | None
    source: str
    as_of: datetime
    kind: PriceKind = PriceKind.LIST

    def __post_init__(self) -> None:
        if self.usd_per_hour is not None and (not self.usd_per_hour.is_finite() or self.usd_per_hour < 0):
            raise ValueError(f"price from {self.source}: {self.usd_per_hour} $/h; a price is 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingRule:
    """How a provider turns seconds into money.

    Attributes:
        granularity_s: billable time is rounded up to a multiple of this.
        minimum_s: and is at least this.
        free_if_interrupted_within_s: nothing is charged when the provider takes the instance back earlier
            than this after launch (EC2 spot: 3600; source: EC2 user guide, "billing for interrupted spot
            instances", read 2026-08). None if the provider has no such rule.
    """

    granularity_s: int = 1
    minimum_s: int = 60
    free_if_interrupted_within_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRule:
    """When capacity of a market can be had and for how long; hours, None where there is no such rule.

    Attributes:
        shortest_h, step_h: sold for so long, in such steps; beyond ``long_after_h`` in steps of ``long_step_h``.
        longest_h: nothing runs longer. starts_at_utc_h: hour of the day (UTC) at which it starts.
        ends_early_h: taken back so long before its end. wait_max_h: it may take so long until it starts.
        most_instances: at a time. paid_whole: paid for the whole time bought, used or not.
        source: who says so.
    """

    shortest_h: float | None = None
    step_h: float | None = None
    long_after_h: float | None = None
    long_step_h: float | None = None
    longest_h: float | None = None
    starts_at_utc_h: float | None = None
    ends_early_h: float = 0.0
    wait_max_h: float | None = None
    most_instances: int | None = None
    paid_whole: bool = False
    source: str = ""

    def bought_h(self, needed_h: float) -> float | None:
        """Hours to buy so that ``needed_h`` can be used; None where it is not sold for so long.

        >>> rule = StartRule(shortest_h=24, step_h=24, long_after_h=336, long_step_h=168, longest_h=4368,
        ...                  ends_early_h=0.5)
        >>> [rule.bought_h(h) for h in (1, 23.5, 23.6, 335.6, 5000)]
        [24, 24, 48, 504, None]
        """
        hours = max(needed_h + self.ends_early_h, self.shortest_h or 0.0)
        if self.step_h:
            hours = _up_to(hours, self.step_h)
        if self.long_after_h is not None and self.long_step_h and hours > self.long_after_h:
            hours = self.long_after_h + _up_to(hours - self.long_after_h, self.long_step_h)
        return None if self.longest_h is not None and hours > self.longest_h else hours


def _up_to(hours: float, step: float) -> float:
    """The next multiple of a step; a hair above one still is that one."""
    return math.ceil(hours / step - 1e-9) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedCost:
    """Two prices of one hour of one's own machine, in $/h; both are true, for different questions.

    Attributes:
        marginal_usd_per_hour: what one more hour costs (energy).
        loaded_usd_per_hour: with capital, space and staff spread over utilized hours.
    """

    marginal_usd_per_hour: Decimal
    loaded_usd_per_hour: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something that can be launched now, or is known not to be available.

    Attributes:
        id: stable over time, e.g. ``rehearsal/us-east-1/us-east-1a/g.1x/spot``.
        executor: name of the door that launches it.
        p_capacity: probability that a launch now is granted; None where nobody knows.
        available: False when known to be out of capacity; None when unknown (worth a try).
        accelerator: None for CPU only. accelerator_count: per node.
        boot_s: typical time from launch to the first line of the job; None if unknown.
        notice_s: warning before the provider takes it back; None if none is promised.
    """

    id: str
    executor: str
    provider: str
    region: str
    zone: str | None
    market: Market
    instance_type: str
    price: Price
    accelerator: str | None = None
    accelerator_count: float = 0
    vcpus: float | None = None
    memory_gib: float | None = None
    backend: Backend = Backend.CUDA
    billing: BillingRule = BillingRule()
    boot_s: float | None = None
    notice_s: float | None = None
    available: bool | None = None
    p_capacity: float | None = None
    owned: OwnedCost | None = None

    @property
    def place(self) -> str:
        """Region and zone in one word, for people and for moves."""
        return self.zone or self.region
