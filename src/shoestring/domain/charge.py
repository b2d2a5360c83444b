"""Charge: money for one usage record, derived again at will from usage, prices and a rule version."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoestring.domain.offer import Price
from shoestring.domain.usage import CostPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One part of one usage record at one price.

    Attributes:
        id: made of usage id, part, price and rule version; deriving twice gives the same id.
        amount_usd: in the ledger's step (1e-12).
        seconds: billable seconds in it; None where time is not the measure.
        fraction: of the machine that these are seconds of, on average; below 1 where runs shared one.
    """

    id: str
    usage_id: str
    run_id: str
    attempt_id: str | None
    part: CostPart
    start: datetime
    end: datetime
    amount_usd: Decimal
    price: Price
    seconds: float | None = None
    fraction: float = 1.0
    rule_version: int = 1
