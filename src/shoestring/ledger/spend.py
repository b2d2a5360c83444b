"""What runs have cost so far, quickly: floats for the supervisor's every tick; receipts use `rate`."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from math import ceil

from shoestring.domain.run import Attempt, CheckpointFact, Spend
from shoestring.domain.units import GIB, HOURS_PER_MONTH, SECONDS_PER_HOUR, money
from shoestring.ledger.data_prices import NO_DATA_PRICES, DataPrices
from shoestring.ledger.usage import billed_until


def spent(
    attempts: Sequence[Attempt],
    now: datetime,
    *,
    nodes: int = 1,
    keep_last: int = 2,
    prices: DataPrices = NO_DATA_PRICES,
) -> float:
    """Dollars that these attempts have cost until ``now``: the sum of `rate` over them, within rounding.

    Use without a known price is left out, so the figure is then a lower bound. The cost of an ended attempt's
    compute never changes: a caller in a hurry sums those once and passes only the live one.
    """
    total = nodes * sum(compute_usd(attempt, now) for attempt in attempts)
    if prices.storage:
        total += _storage_usd(attempts, now, keep_last, prices)
    if prices.egress:
        total += _egress_usd(attempts, prices)
    return total


def compute_usd(attempt: Attempt, now: datetime) -> float:
    """Dollars for one node of an attempt until ``now``; 0 before billing began and for unrated time."""
    seen, rule = attempt.observation, attempt.offer.billing
    start, spans = seen.launched_at, seen.price_spans
    if start is None or not spans:
        return 0.0
    used = max(0.0, (billed_until(attempt, now) - start).total_seconds())
    free_s = rule.free_if_interrupted_within_s
    if free_s is not None and seen.interrupted and used < free_s:
        return 0.0
    step = max(1, rule.granularity_s)
    billed = ceil(max(used, rule.minimum_s) / step) * step
    if len(spans) > 1 and any(a.start > b.start for a, b in pairwise(spans)):
        spans = tuple(sorted(spans, key=lambda s: s.start))
    if spans[0].start > start:
        return 0.0
    total, last = 0.0, len(spans) - 1
    for index, span in enumerate(spans):
        begin = max(0.0, (span.start - start).total_seconds())
        end = billed if index == last else min(billed, (spans[index + 1].start - start).total_seconds())
        if end > begin:
            if span.price.usd_per_hour is None:
                return 0.0
            total += (end - begin) * float(span.price.usd_per_hour)
    return total / SECONDS_PER_HOUR


def spend_of(total_usd: Decimal, attempts: Sequence[Attempt], *, keep_last: int, prices: DataPrices) -> Spend:
    """A run's spend with what its kept checkpoints go on costing a day; None for the latter if unknown."""
    daily = Decimal(0)
    for checkpoint, attempt in _saved(attempts)[-max(1, keep_last) :]:
        price = prices.storage_price(attempt.offer.provider, attempt.offer.region)
        if price is None or price.usd_per_hour is None:
            return Spend(total_usd=total_usd, storage_usd_per_day=None)
        daily += Decimal(checkpoint.size_bytes) / GIB * price.usd_per_hour * 24 / HOURS_PER_MONTH
    return Spend(total_usd=total_usd, storage_usd_per_day=money(daily))


def _storage_usd(attempts: Sequence[Attempt], now: datetime, keep_last: int, prices: DataPrices) -> float:
    saved = _saved(attempts)
    total = 0.0
    for index, (checkpoint, attempt) in enumerate(saved):
        price = prices.storage_price(attempt.offer.provider, attempt.offer.region)
        if price is None or price.usd_per_hour is None:
            continue
        successor = index + max(1, keep_last)
        end = min(saved[successor][0].at, now) if successor < len(saved) else now
        hours = max(0.0, (end - checkpoint.at).total_seconds()) / SECONDS_PER_HOUR
        total += checkpoint.size_bytes / GIB * hours * float(price.usd_per_hour) / HOURS_PER_MONTH
    return total


def _egress_usd(attempts: Sequence[Attempt], prices: DataPrices) -> float:
    written_in = {c.id: a.offer for a in attempts for c in a.observation.checkpoints}
    total = 0.0
    for attempt in attempts:
        here = attempt.offer
        for restore in attempt.observation.restores:
            origin = written_in.get(restore.checkpoint_id, here)
            if (origin.provider, origin.region) == (here.provider, here.region):
                continue
            price = prices.egress_price(origin.provider, origin.region, here.provider, here.region)
            if price is not None and price.usd_per_hour is not None:
                total += restore.size_bytes / GIB * float(price.usd_per_hour)
    return total


def _saved(attempts: Sequence[Attempt]) -> list[tuple[CheckpointFact, Attempt]]:
    pairs = [(c, a) for a in attempts for c in a.observation.checkpoints]
    return sorted(pairs, key=lambda pair: (pair[0].at, pair[0].id))
