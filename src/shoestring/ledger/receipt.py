"""The receipt: one cost for a run over all its attempts, in disjoint parts, against a named baseline."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shoestring.domain.charge import Charge
from shoestring.domain.facts import Fact
from shoestring.domain.lateness import Lateness
from shoestring.domain.run import Attempt, ExitKind, Heartbeat, RunState
from shoestring.domain.units import money, seconds_between
from shoestring.domain.usage import CostPart, UsageKind, UsageRecord
from shoestring.ledger.baseline import (
    BaselineCost,
    MeasuredTime,
    Saving,
    main_baseline,
    price_baseline,
    saving_against,
)
from shoestring.ledger.data_prices import NO_DATA_PRICES, DataPrices
from shoestring.ledger.history import Move, RunHistory, history_of
from shoestring.ledger.provenance import Energy, PriceSource, energy_of, price_sources_of
from shoestring.ledger.rate import Rated, billable_micros, rate_all
from shoestring.ledger.side_by_side import Stay
from shoestring.ledger.spend import spend_of
from shoestring.ledger.usage import first_step, kept_steps, usage_of_run

METERED, BILLED = "METERED", "BILLED"
MONEY_PARTS = tuple(CostPart)
KIND_OF_PART = {CostPart.STORAGE: UsageKind.STORAGE, CostPart.EGRESS: UsageKind.EGRESS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Dollars by disjoint part. A part with unrated use is None, and so is the total: unknown is not 0.

    ``rated_usd`` is what is known, always; it equals the total when nothing is unrated.
    """

    parts: Mapping[CostPart, Decimal | None]
    total_usd: Decimal | None
    rated_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """One attempt on the receipt. Steps are None until the job told one; ``kept_step`` None: all kept."""

    attempt: Attempt
    reason: str | None
    reason_code: str | None
    launched_at: datetime | None
    ended_at: datetime | None
    step_from: int | None
    step_to: int | None
    kept_step: int | None
    cost: Cost
    price_low_usd_per_hour: Decimal | None
    price_high_usd_per_hour: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a run cost, why, and what it saved.

    Attributes:
        basis: METERED: rated from our own meters at the prices then in force; BILLED once the provider's bill
            was matched with it.
        billed_usd: what that bill says for the compute; None before. Parts stay as metered: no bill has them.
        goodput: useful hours over hours held (rounding included); None before anything was held.
        saving: against ``baseline``; only for a run that has succeeded, else unknown.
        unrated: uses without a known price, outside every sum.
        trail: every heartbeat that was seen, oldest first.
        in_time: whether the run succeeded by its deadline; None without a deadline, or while it may still.
        lateness: by how much it is late and why; None in time, or where nobody has looked into it.
    """

    run_id: str
    name: str
    labels: Mapping[str, str]
    user: str
    state: RunState
    cause: str
    basis: str
    submitted_at: datetime
    until: datetime
    attempts: tuple[AttemptLine, ...]
    moves: tuple[Move, ...]
    preemptions: int
    refused_launches: int
    cost: Cost
    baselines: tuple[BaselineCost, ...]
    baseline: BaselineCost | None
    saving: Saving
    goodput: float | None
    useful_s: float
    held_s: float
    energy: Energy
    price_sources: tuple[PriceSource, ...]
    unrated: tuple[UsageRecord, ...]
    storage_usd_per_day: Decimal | None
    deadline: datetime | None
    in_time: bool | None
    usage: tuple[UsageRecord, ...] = field(repr=False)
    charges: tuple[Charge, ...] = field(repr=False)
    billed_usd: Decimal | None = None
    lateness: Lateness | None = None
    trail: tuple[Heartbeat, ...] = field(default=(), repr=False)


def receipt(
    facts: Iterable[Fact],
    run_id: str,
    *,
    now: datetime,
    prices: DataPrices = NO_DATA_PRICES,
    neighbors: Sequence[Stay] = (),
) -> Receipt:
    """The receipt of a run, from its facts alone; folding them again gives the same.

    Args:
        now: up to when a run that is not over has been used; later for storage of a suspended one.
        prices: storage and egress; what it does not name stays unrated.
        neighbors: stays of other runs on machines that this one may have shared.

    Raises:
        NotFound: the facts know no such run.
    """
    history = history_of(facts, run_id, now)
    workload = history.submitted.workload
    nodes, keep_last = workload.num_nodes, workload.checkpoint.keep_last
    usage = usage_of_run(
        history.attempts,
        until=history.until,
        state=history.state,
        nodes=nodes,
        keep_last=keep_last,
        prices=prices,
        neighbors=neighbors,
    )
    rated = rate_all(usage)
    cost = cost_of(rated)
    measured = _measured(history, usage)
    held_s = sum(billable_micros(u) for u in usage if u.kind is UsageKind.COMPUTE) / 1e6
    baselines = tuple(
        price_baseline(b, measured, nodes=nodes, started=history.submitted.at)
        for b in history.submitted.baselines
    )
    chosen = main_baseline(baselines)
    return Receipt(
        run_id=run_id,
        name=workload.name,
        labels=workload.labels,
        user=history.submitted.user,
        state=history.state,
        cause=history.cause,
        basis=METERED,
        submitted_at=history.submitted.at,
        until=history.until,
        attempts=_attempt_lines(history, usage, rated),
        moves=history.moves,
        preemptions=sum(_preempted(a) for a in history.attempts),
        refused_launches=history.refused_launches,
        cost=cost,
        baselines=baselines,
        baseline=chosen,
        saving=_saving(history.state, chosen, cost),
        goodput=measured.useful_s / held_s if held_s > 0 else None,
        useful_s=measured.useful_s,
        held_s=held_s,
        energy=energy_of(history.attempts, usage),
        price_sources=price_sources_of(rated.charges),
        unrated=rated.unrated,
        storage_usd_per_day=spend_of(
            cost.rated_usd, history.attempts, keep_last=keep_last, prices=prices
        ).storage_usd_per_day,
        deadline=history.deadline,
        in_time=_in_time(history),
        usage=usage,
        charges=rated.charges,
        trail=history.trail,
    )


def _in_time(history: RunHistory) -> bool | None:
    if history.deadline is None:
        return None
    if history.state is RunState.SUCCEEDED:
        return _done_at(history) <= history.deadline
    return False if history.state.terminal or history.until > history.deadline else None


def _done_at(history: RunHistory) -> datetime:
    """When the work was done, whoever noticed it when."""
    ends = (a.observation.exit for a in history.attempts)
    return max((e.at for e in ends if e is not None and e.kind is ExitKind.DONE), default=history.until)


def cost_of(rated: Rated) -> Cost:
    """Charges summed by part. Unrated compute makes every part of the time unknown, not just one."""
    sums = dict.fromkeys(MONEY_PARTS, money(0))
    for charge in rated.charges:
        sums[charge.part] += charge.amount_usd
    unknown = {u.kind for u in rated.unrated}
    parts = {p: None if KIND_OF_PART.get(p, UsageKind.COMPUTE) in unknown else sums[p] for p in MONEY_PARTS}
    known = sum(sums.values(), money(0))
    return Cost(parts=parts, total_usd=None if unknown else known, rated_usd=known)


def _saving(state: RunState, baseline: BaselineCost | None, cost: Cost) -> Saving:
    """Against half a job's cost a whole job's baseline always looks good: only finished runs have savings."""
    if baseline is None or state is not RunState.SUCCEEDED:
        return Saving(usd=None, fraction=None, low_usd=None, high_usd=None)
    return saving_against(baseline, cost.total_usd)


def _preempted(attempt: Attempt) -> bool:
    end = attempt.observation.exit
    return attempt.observation.interrupted or (end is not None and end.kind is ExitKind.PREEMPTED)


def _measured(history: RunHistory, usage: tuple[UsageRecord, ...]) -> MeasuredTime:
    seconds = dict.fromkeys(CostPart, 0.0)
    for record in usage:
        for part in record.parts:
            seconds[part.part] += seconds_between(part.start, part.end)
    boots = [
        seconds_between(seen.launched_at, seen.booted_at)
        for seen in (a.observation for a in history.attempts)
        if seen.launched_at is not None and seen.booted_at is not None
    ]
    return MeasuredTime(
        useful_s=seconds[CostPart.COMPUTE],
        checkpoint_s=seconds[CostPart.CHECKPOINT],
        boot_s=sum(boots) / len(boots) if boots else None,
        accelerators=frozenset(
            (u.accelerator or "cpu", u.accelerator_count) for u in usage if u.kind is UsageKind.COMPUTE
        ),
    )


def _attempt_lines(
    history: RunHistory, usage: tuple[UsageRecord, ...], rated: Rated
) -> tuple[AttemptLine, ...]:
    kept = kept_steps(history.attempts, history.state)
    compute = {u.attempt_id: u for u in usage if u.kind is UsageKind.COMPUTE}
    lines = []
    for attempt in history.attempts:
        seen, record = attempt.observation, compute.get(attempt.id)
        own = Rated(
            charges=tuple(c for c in rated.charges if c.attempt_id == attempt.id),
            unrated=tuple(u for u in rated.unrated if u.attempt_id == attempt.id),
        )
        paid = [s.price.usd_per_hour for s in seen.price_spans if s.price.usd_per_hour is not None]
        reason = history.reasons.get(attempt.id)
        lines.append(
            AttemptLine(
                attempt=attempt,
                reason=None if reason is None else reason.text,
                reason_code=None if reason is None else reason.code,
                launched_at=seen.launched_at,
                ended_at=record.end if record is not None and record.final else None,
                step_from=first_step(attempt),
                step_to=_last_step(attempt),
                kept_step=kept[attempt.id],
                cost=cost_of(own),
                price_low_usd_per_hour=min(paid, default=None),
                price_high_usd_per_hour=max(paid, default=None),
            )
        )
    return tuple(lines)


def _last_step(attempt: Attempt) -> int | None:
    seen = attempt.observation
    steps = [s.step_to for s in seen.spans] + ([seen.heartbeat.step] if seen.heartbeat is not None else [])
    return max(steps, default=None)
