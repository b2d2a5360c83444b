"""What could still be saved: what idles, lies unused or is too large, and what the same hours cost elsewhere."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from shoestring.catalog.load import Catalog
from shoestring.domain.units import money
from shoestring.ledger.commitments import not_to_renew
from shoestring.ledger.expected import Expected, by_size, expected
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.right_size import oversized
from shoestring.ledger.stop_early import stop_early
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.dimensions import Condition
from shoestring.workflows.accelerator_uses import Range, Use
from shoestring.workflows.lookback import SPOT_KEPT, booked_uses
from shoestring.workflows.run_lines import in_days
from shoestring.workflows.waste import commitment_uses, memory_uses

NO_TEAM = "(no team)"
DAYS_AHEAD = 30  # where the period has no bounds
WAYS = {"spot": "spot", "committed": "commitment", "elsewhere": "cheaper_region"}


def recommendations(
    store: ChargeStore,
    receipts: Sequence[Receipt],
    *,
    since: date | None,
    until: date | None,
    catalog: Catalog | None,
    today: date | None,
) -> tuple[Expected, ...]:
    """Everything that could be cut in as many days again, the largest possible saving first; each stands alone.

    Args:
        catalog: prices on ``today`` of other ways to run the same; None leaves them out.
    """
    lived = in_days(receipts, since, until)
    idle = Condition(dimension="part", operator="=", value="idle")
    by_team = ask(store, Question(by=("team",), since=since, until=until, where=(idle,)))
    everything = ask(store, Question(by=("charge",), since=since, until=until))
    days = DAYS_AHEAD if since is None or until is None else (until - since).days
    found = [
        *expected(
            {row.keys[0] or NO_TEAM: row.known_usd for row in by_team.rows},
            everything.unused_usd,
            lived,
            days=days,
        ),
        *not_to_renew(commitment_uses(store, since=since, until=until)),
        *stop_early(lived),
    ]
    if catalog is not None and today is not None:
        found += recommended(booked_uses(store, catalog, today=today, since=since, until=until))
        found += oversized(memory_uses(lived, catalog))
    return by_size(found)


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
