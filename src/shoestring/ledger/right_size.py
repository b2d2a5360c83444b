"""Machines with far more memory than their runs ever touched, and the smaller ones that would do."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from shoestring.domain.units import money
from shoestring.ledger.expected import Expected

ROOM = 1.25  # memory that a smaller machine must have, as a multiple of the peak
OVERSIZED = 0.5  # share of the memory; below it somebody is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A machine of the price list."""

    instance_type: str
    memory_gib: float
    usd_per_hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """What runs did with one kind of machine.

    Attributes:
        subject: provider, machine and region, for people. paid_usd: for its compute.
        peak_gib: the most that any of the runs touched on one machine.
        own: its own shape at today's list price. others: of the same place, market, accelerators and no fewer CPUs.
    """

    subject: str
    paid_usd: Decimal
    peak_gib: float
    own: Shape
    others: Sequence[Shape]


def oversized(uses: Sequence[MemoryUse]) -> tuple[Expected, ...]:
    """A recommendation for each kind of machine whose memory was mostly idle and that has a cheaper sister.

    List prices are set in proportion to what was paid: the range is that of all sisters that would do.
    """
    found = []
    for use in uses:
        if use.peak_gib >= OVERSIZED * use.own.memory_gib or use.own.usd_per_hour <= 0:
            continue
        fits = [
            s
            for s in use.others
            if ROOM * use.peak_gib <= s.memory_gib < use.own.memory_gib
            and s.usd_per_hour < use.own.usd_per_hour
        ]
        if not fits:
            continue
        savings = sorted(
            (float(use.paid_usd) * (1 - s.usd_per_hour / use.own.usd_per_hour), s.instance_type) for s in fits
        )
        found.append(
            Expected(
                kind="oversized_memory",
                subject=use.subject,
                low_usd=money(str(round(savings[0][0], 6))),
                high_usd=money(str(round(savings[-1][0], 6))),
                reason=f"runs touched {use.peak_gib:.1f} of {use.own.memory_gib:.0f} GiB; {savings[-1][1]} would do, "
                f"with room of {ROOM - 1:.0%} (the page cache, which speeds up reading, is not in the peak)",
            )
        )
    return tuple(found)
