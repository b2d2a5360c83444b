"""From attempts, as executors observed them, to usage records: compute, egress, storage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from shoestring.domain.offer import Price
from shoestring.domain.run import Attempt, CheckpointFact, NodesLost, Outcome, PriceSpan, RunState
from shoestring.domain.units import GIB, seconds_between
from shoestring.domain.usage import UsageKind, UsageRecord
from shoestring.ledger.data_prices import NO_DATA_PRICES, DataPrices
from shoestring.ledger.parts import parts_of
from shoestring.ledger.side_by_side import Stay, shares_of, stays_of

SECOND = Decimal("0.000001")  # quantities are kept to the microsecond


def usage_of_run(
    attempts: Sequence[Attempt],
    *,
    until: datetime,
    state: RunState,
    nodes: int = 1,
    keep_last: int = 2,
    prices: DataPrices = NO_DATA_PRICES,
    neighbors: Sequence[Stay] = (),
) -> tuple[UsageRecord, ...]:
    """Everything a run has used so far, each use once, in the order of its attempts.

    Args:
        until: up to when still growing use is counted; for a run that is over, its end.
        state: decides what of the last attempt's work is kept.
        nodes: machines of the gang; each is billed.
        keep_last: how many checkpoints are kept; an older one is gone once that many newer ones are durable.
        neighbors: stays of other runs; where they held the same machine, each is charged its part of it.
    """
    ordered = sorted(attempts, key=lambda a: (a.number, a.id))
    kept = kept_steps(ordered, state)
    written_by = {c.id: a for a in ordered for c in a.observation.checkpoints}
    records: list[UsageRecord] = []
    for attempt in ordered:
        compute = compute_of(attempt, until=until, kept_step=kept[attempt.id], nodes=nodes)
        if compute is not None:
            records.append(compute)
        records += egress_of(attempt, written_by, prices=prices)
    records = _sharing(records, neighbors)
    records += storage_of(ordered, until=until, keep_last=keep_last, prices=prices)
    return tuple(records)


def _sharing(records: list[UsageRecord], neighbors: Sequence[Stay]) -> list[UsageRecord]:
    """With what each machine was shared by: other runs, and other attempts of this one."""
    own = {stay.attempt_id: stay for stay in stays_of(records)}
    everybody = (*own.values(), *neighbors)
    return [
        replace(record, shares=shares_of(own[record.attempt_id], everybody))
        if record.kind is UsageKind.COMPUTE and record.attempt_id in own
        else record
        for record in records
    ]


def usage_of(
    attempt: Attempt,
    *,
    until: datetime,
    kept_step: int | None = None,
    nodes: int = 1,
    prices: DataPrices = NO_DATA_PRICES,
) -> tuple[UsageRecord, ...]:
    """What one attempt has used by itself: its compute, and its checkpoints as if none were deleted.

    Args:
        kept_step: the step a later attempt resumed from, or the last durable one when the run ended without
            its result; None while every step counts.
    """
    compute = compute_of(attempt, until=until, kept_step=kept_step, nodes=nodes)
    keep_all = len(attempt.observation.checkpoints) + 1
    stored = storage_of((attempt,), until=until, keep_last=keep_all, prices=prices)
    return ((compute,) if compute is not None else ()) + stored


def kept_steps(attempts: Sequence[Attempt], state: RunState) -> dict[str, int | None]:
    """For each attempt, the last step whose work counts in the result; None: all of it.

    Work is kept up to the earliest step from which any later attempt went on. After the last attempt, the
    newest durable checkpoint of the run is what a later attempt would find; nothing is lost while an attempt
    still runs, or when the run has succeeded.
    """
    kept: dict[str, int | None] = {}
    bound: int | None = None
    durable = max((c.step for a in attempts for c in a.observation.checkpoints), default=0)
    last = attempts[-1] if attempts else None
    over = last is not None and last.observation.outcome is Outcome.ENDED and state is not RunState.SUCCEEDED
    if over:
        bound = durable
    for attempt in reversed(attempts):
        kept[attempt.id] = bound
        began = first_step(attempt)
        if began is not None:
            bound = began if bound is None else min(bound, began)
    return kept


def first_step(attempt: Attempt) -> int | None:
    """The step this attempt went on from; None if it never got so far."""
    seen = attempt.observation
    if seen.spans:
        return min(s.step_from for s in seen.spans)
    if seen.heartbeat is not None and seen.heartbeat.resumed_step is not None:
        return seen.heartbeat.resumed_step
    return None


def billed_until(attempt: Attempt, until: datetime) -> datetime:
    """When an attempt's billing ended, or ``until`` while it goes on (an engine that is away: it goes on)."""
    seen = attempt.observation
    if seen.terminated_at is not None:
        return seen.terminated_at
    if seen.outcome is Outcome.ENDED and seen.exit is not None:
        return seen.exit.at
    return until


def compute_of(
    attempt: Attempt, *, until: datetime, kept_step: int | None, nodes: int = 1
) -> UsageRecord | None:
    """The instance time of an attempt; None if billing never began."""
    seen, offer = attempt.observation, attempt.offer
    if seen.launched_at is None:
        return None
    start = seen.launched_at
    end = max(start, billed_until(attempt, until))
    return UsageRecord(
        id=f"{attempt.id}/compute",
        run_id=attempt.run_id,
        attempt_id=attempt.id,
        kind=UsageKind.COMPUTE,
        resource_id=seen.machine or attempt.token,
        provider=offer.provider,
        region=offer.region,
        zone=offer.zone,
        market=offer.market,
        start=start,
        end=end,
        quantity=_seconds(start, end) * nodes - _gone(seen.nodes_lost, end),
        price_spans=seen.price_spans,
        billing=offer.billing,
        instances=nodes,
        nodes_lost=seen.nodes_lost,
        parts=parts_of(seen, start, end, kept_step=kept_step),
        interrupted=seen.interrupted,
        final=seen.outcome is Outcome.ENDED,
        accelerator=offer.accelerator,
        accelerator_count=offer.accelerator_count,
        machine=seen.machine,
        devices=None if seen.meter is None else seen.meter.devices,
    )


def egress_of(
    attempt: Attempt, written_by: Mapping[str, Attempt], *, prices: DataPrices
) -> tuple[UsageRecord, ...]:
    """Checkpoints that this attempt fetched from another region. Within a region object stores send free."""
    records: list[UsageRecord] = []
    for index, restore in enumerate(attempt.observation.restores):
        writer = written_by.get(restore.checkpoint_id)
        origin, here = (writer or attempt).offer, attempt.offer
        if (origin.provider, origin.region) == (here.provider, here.region):
            continue
        price = prices.egress_price(origin.provider, origin.region, here.provider, here.region)
        records.append(
            UsageRecord(
                id=f"{attempt.id}/egress/{index}",
                run_id=attempt.run_id,
                attempt_id=attempt.id,
                kind=UsageKind.EGRESS,
                resource_id=restore.checkpoint_id,
                provider=origin.provider,
                region=origin.region,
                zone=None,
                market=None,
                start=restore.at,
                end=restore.at,
                quantity=Decimal(restore.size_bytes) / GIB,
                price_spans=_constant(price, restore.at),
            )
        )
    return tuple(records)


def storage_of(
    attempts: Sequence[Attempt], *, until: datetime, keep_last: int, prices: DataPrices
) -> tuple[UsageRecord, ...]:
    """What the run's checkpoints have occupied, each from its commit until it was replaced (or ``until``)."""
    saved = sorted(
        ((c, a) for a in attempts for c in a.observation.checkpoints), key=lambda p: (p[0].at, p[0].id)
    )
    records: list[UsageRecord] = []
    for index, (checkpoint, attempt) in enumerate(saved):
        successor = index + max(1, keep_last)
        gone_at = saved[successor][0].at if successor < len(saved) else None
        end = until if gone_at is None else min(gone_at, until)
        if checkpoint.at < end:
            price = prices.storage_price(attempt.offer.provider, attempt.offer.region)
            records.append(_stored(checkpoint, attempt, end, price, final=gone_at is not None))
    return tuple(records)


def _stored(
    checkpoint: CheckpointFact, attempt: Attempt, end: datetime, price: Price | None, *, final: bool
) -> UsageRecord:
    hours = _seconds(checkpoint.at, end) / 3600
    return UsageRecord(
        id=f"{attempt.id}/storage/{checkpoint.id}",
        run_id=attempt.run_id,
        attempt_id=attempt.id,
        kind=UsageKind.STORAGE,
        resource_id=checkpoint.id,
        provider=attempt.offer.provider,
        region=attempt.offer.region,
        zone=None,
        market=None,
        start=checkpoint.at,
        end=end,
        quantity=Decimal(checkpoint.size_bytes) / GIB * hours,
        price_spans=_constant(price, checkpoint.at),
        final=final,
    )


def _gone(lost: tuple[NodesLost, ...], end: datetime) -> Decimal:
    """Instance seconds that a gang's missing nodes were not held."""
    return sum((n.count * _seconds(n.start, max(n.start, n.end or end)) for n in lost), Decimal(0))


def _constant(price: Price | None, start: datetime) -> tuple[PriceSpan, ...]:
    return () if price is None else (PriceSpan(start=start, end=None, price=price),)


def _seconds(start: datetime, end: datetime) -> Decimal:
    return Decimal(seconds_between(start, end)).quantize(SECOND)
