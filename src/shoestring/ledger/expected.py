"""Savings still to be had: what could be cut, how much at most, and why. Nothing here is on any bill."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from shoestring.domain.units import CENT, money
from shoestring.ledger.receipt import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A recommendation with the range of what it saves in as many days again as were looked at.

    Attributes:
        kind: ``idle`` | ``unused_commitment`` | ``renew_less`` | ``kept_checkpoints`` | ``stop_early`` |
            ``oversized_memory`` | ``spot`` | ``commitment`` | ``cheaper_region``. subject: whose or what, e.g. a team.
    """

    kind: str
    subject: str
    low_usd: Decimal
    high_usd: Decimal
    reason: str


def expected(
    idle_usd: Mapping[str, Decimal], unused_usd: Decimal, receipts: Iterable[Receipt], *, days: int
) -> tuple[Expected, ...]:
    """Recommendations, the largest possible saving first.

    How much of it can really be had is not known beforehand: every range begins at nothing. What is worth less
    than a cent is not told.

    Args:
        idle_usd: paid and not training, by team, in ``days`` days. unused_usd: commitments nobody used in them.
        receipts: runs; those that are over and whose checkpoints still cost money are named.
    """
    found = [
        Expected(
            kind="idle",
            subject=team,
            low_usd=money(0),
            high_usd=usd,
            reason=f"{usd:,.2f} $ went to machines that were paid and did not train: boot, wait, tail, rounding",
        )
        for team, usd in idle_usd.items()
    ]
    found.append(
        Expected(
            kind="unused_commitment",
            subject="organization",
            low_usd=money(0),
            high_usd=unused_usd,
            reason=f"{unused_usd:,.2f} $ of commitments nobody used: move work onto them, or let them end",
        )
    )
    for paid in receipts:
        daily = paid.storage_usd_per_day
        if paid.state.terminal and daily is not None:
            found.append(
                Expected(
                    kind="kept_checkpoints",
                    subject=paid.run_id,
                    low_usd=money(0),
                    high_usd=money(daily * days),
                    reason=f"the run {paid.state.value}; its checkpoints cost {daily:,.4f} $ a day while kept",
                )
            )
    return by_size(found)


def by_size(found: Iterable[Expected]) -> tuple[Expected, ...]:
    """The largest possible saving first; what is worth less than a cent is not told."""
    worth = [e for e in found if e.high_usd >= CENT]
    return tuple(sorted(worth, key=lambda e: (-e.high_usd, e.kind, e.subject)))
