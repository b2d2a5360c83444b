"""An up-front fee spread over its term, day by day, to those who used what it paid for; the rest was unused."""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

from shoestring.ledger.split import split

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Generic[K]):
    """Machine time under a fee: ``machines`` of it from ``start`` until ``end``, by ``holder``."""

    holder: K
    start: datetime
    end: datetime
    machines: Decimal = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeShare(Generic[K]):
    """A part of a fee. ``holder`` None: nobody used it; it stays with whoever bought it."""

    start: datetime
    end: datetime
    holder: K | None
    amount: Decimal


def amortize(
    fee: Decimal, start: datetime, end: datetime, held: Iterable[Held[K]], *, machines: int
) -> tuple[FeeShare[K], ...]:
    """Straight-line over ``[start, end)``: every second of every machine costs the same.

    Shares are multiples of the ledger's step and add up to ``fee`` exactly. Where more was held in a day than there
    are machines, the day is shared in proportion and nothing was unused.

    Raises:
        ValueError: the term is empty, or there are no machines.
    """
    if end <= start or machines < 1:
        raise ValueError("a fee is spread over a term that is not empty, and over one machine or more")
    days = list(_days(start, end))
    used: list[dict[K, Decimal]] = [{} for _ in days]
    for line in held:
        for index, (since, until) in enumerate(days):
            seconds = _seconds(min(until, line.end) - max(since, line.start))
            if seconds > 0:
                used[index][line.holder] = used[index].get(line.holder, Decimal(0)) + seconds * line.machines
    by_day = split(fee, {index: _seconds(until - since) for index, (since, until) in enumerate(days)})
    shares = []
    for index, (since, until) in enumerate(days):
        weights: dict[K | None, Decimal] = {holder: seconds for holder, seconds in used[index].items()}  # noqa: C416
        rest = _seconds(until - since) * machines - sum(used[index].values(), Decimal(0))
        if rest > 0:
            weights[None] = rest
        amounts = split(by_day[index], weights)
        shares += [
            FeeShare(start=since, end=until, holder=holder, amount=amount)
            for holder, amount in amounts.items()
        ]
    return tuple(shares)


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        yield start, min(midnight, end)
        start = midnight


def _seconds(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(microseconds=1)) / 1_000_000
