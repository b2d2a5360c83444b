"""What the ledger's accelerator hours could cost less: spot, a commitment, another region. Each stands alone."""

from collections.abc import Iterable
from decimal import Decimal

from shoestring.domain.units import money
from shoestring.ledger.expected import Expected
from shoestring.workflows.accelerator_uses import Range, Use
from shoestring.workflows.lookback import SPOT_KEPT

WAYS = {"spot": "spot", "committed": "commitment", "elsewhere": "cheaper_region"}


def recommended(uses: Iterable[Use]) -> tuple[Expected, ...]:
    """A recommendation for each kind of hardware and way, from the uses where that way costs less than was paid.

    The range is what was paid less the dearest and the cheapest it would have been; it never begins below zero.
    """
    grouped: dict[tuple[str, str], list[tuple[Use, Range]]] = {}
    for use in uses:
        for way in WAYS:
            would: Range | None = getattr(use, way)
            if would is not None:
                name = use.hardware.instance_type or use.hardware.accelerator
                grouped.setdefault((way, f"{use.provider} {name} in {use.region}"), []).append((use, would))
    return tuple(_one(way, subject, pairs) for (way, subject), pairs in sorted(grouped.items()))


def _one(way: str, subject: str, pairs: list[tuple[Use, Range]]) -> Expected:
    paid = sum(use.paid_usd for use, _ in pairs)
    hours = sum(use.hours for use, _ in pairs)
    low = max(0.0, paid - sum(would.high for _, would in pairs))
    high = paid - sum(would.low for _, would in pairs)
    gap = max(use.gap_days or 0 for use, _ in pairs)
    first = pairs[0][0]
    told = {
        "spot": f"spot by the deadline policy, which keeps {SPOT_KEPT[0]:.0%} to {SPOT_KEPT[2]:.0%} of its discount; "
        "prove that the scripts resume: shoestring rehearse",
        "committed": f"a commitment of {first.committed_years} years for the steady part of it; "
        "it is paid whether it is used or not",
        "elsewhere": f"{first.elsewhere_region} is cheaper; moving data costs egress, and residency may forbid it",
    }[way]
    reason = f"{hours:,.0f} h cost {paid:,.2f} $; {told} (catalog prices up to {gap} days from the use)"
    return Expected(kind=WAYS[way], subject=subject, low_usd=_usd(low), high_usd=_usd(high), reason=reason)


def _usd(amount: float) -> Decimal:
    return money(str(round(amount, 6)))
