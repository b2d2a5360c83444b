"""Makers of ledger values with one plain default for everything, and Hypothesis strategies over them."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from shoestring.domain.facts import Baseline, Completed, Intended, Observed, RunSubmitted, StateChanged
from shoestring.domain.fleet import Launch, Reason
from shoestring.domain.offer import BillingRule, Market, Offer, Price
from shoestring.domain.run import (
    Attempt,
    CheckpointFact,
    Exit,
    ExitKind,
    Heartbeat,
    MeterTotals,
    Observation,
    Outcome,
    PriceSpan,
    ProgressSpan,
    Restore,
    RunState,
)
from shoestring.domain.usage import EXACT, CostPart, PartSpan, UsageKind, UsageRecord
from shoestring.domain.workload import Backend, Workload
from shoestring.ledger.data_prices import DataPrices

T0 = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1024**3
DATA_PRICES = DataPrices(
    storage={"*": Price(usd_per_hour=Decimal("0.023"), source="test", as_of=T0)},
    egress={("*", "*"): Price(usd_per_hour=Decimal("0.02"), source="test", as_of=T0)},
)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def price(usd: str | Decimal | None, as_of_s: float = 0) -> Price:
    return Price(usd_per_hour=None if usd is None else Decimal(usd), source="test", as_of=at(as_of_s))


def offer(
    usd: str = "1.00",
    *,
    zone: str = "us-east-1a",
    market: Market = Market.SPOT,
    billing: BillingRule = EXACT,
    accelerator: str | None = "T4",
) -> Offer:
    return Offer(
        id=f"rehearsal/{zone}/{market.value}",
        executor="rehearsal",
        provider="rehearsal",
        region=zone[:-1],
        zone=zone,
        market=market,
        instance_type="g.1x",
        price=price(usd),
        accelerator=accelerator,
        accelerator_count=1 if accelerator else 0,
        backend=Backend.CUDA,
        billing=billing,
    )


def spans(*prices: tuple[float, str | Decimal | None]) -> tuple[PriceSpan, ...]:
    """Prices from their second on, each until the next."""
    return tuple(PriceSpan(start=at(s), end=None, price=price(usd, s)) for s, usd in prices)


def compute(
    seconds: float,
    *prices: tuple[float, str | Decimal | None],
    billing: BillingRule = EXACT,
    parts: tuple[PartSpan, ...] = (),
    interrupted: bool = False,
    instances: int = 1,
    record_id: str = "a1/compute",
) -> UsageRecord:
    return UsageRecord(
        id=record_id,
        run_id="r1",
        attempt_id="a1",
        kind=UsageKind.COMPUTE,
        resource_id="i-1",
        provider="rehearsal",
        region="us-east-1",
        zone="us-east-1a",
        market=Market.SPOT,
        start=T0,
        end=at(seconds),
        quantity=Decimal(str(seconds)),
        price_spans=spans(*(prices or ((0, "1.00"),))),
        billing=billing,
        parts=parts,
        interrupted=interrupted,
        instances=instances,
    )


def part(kind: CostPart, start: float, end: float) -> PartSpan:
    return PartSpan(part=kind, start=at(start), end=at(end))


def checkpoint(
    step: int, when: float, *, size: int = GIB, blocked: float = 0.0, save: float = 0.0
) -> CheckpointFact:
    return CheckpointFact(
        id=f"c{step}",
        uri=f"mem://c{step}",
        manifest_sha256="0" * 64,
        at=at(when),
        step=step,
        size_bytes=size,
        save_s=max(save, blocked),
        blocked_s=blocked,
    )


def attempt(
    number: int,
    launched: float,
    ended: float | None,
    *,
    steps: tuple[tuple[float, float, int, int], ...] = (),
    checkpoints: tuple[CheckpointFact, ...] = (),
    restored: tuple[int, float, float] | None = None,
    exit_kind: ExitKind = ExitKind.DONE,
    on: Offer | None = None,
    prices: tuple[PriceSpan, ...] | None = None,
    energy_j: float | None = None,
    interrupted: bool | None = None,
) -> Attempt:
    """An attempt that trained in ``steps`` = (from second, to second, from step, to step)."""
    on = on or offer()
    restores = ()
    if restored is not None:
        step, when, took = restored
        restores = (
            Restore(at=at(when), checkpoint_id=f"c{step}", step=step, size_bytes=GIB, restore_s=took),
        )
    beat = Heartbeat(at=at(steps[-1][1]), step=steps[-1][3], resumed_step=steps[0][2]) if steps else None
    seen = Observation(
        attempt_id=f"a{number}",
        outcome=Outcome.RUNNING if ended is None else Outcome.ENDED,
        launched_at=at(launched),
        booted_at=at(steps[0][0]) if steps else None,
        terminated_at=None if ended is None else at(ended),
        heartbeat=beat,
        checkpoints=checkpoints,
        restores=restores,
        spans=tuple(ProgressSpan(start=at(a), end=at(b), step_from=x, step_to=y) for a, b, x, y in steps),
        meter=None
        if energy_j is None or ended is None
        else MeterTotals(sampled_s=ended - launched, energy_j=energy_j, energy_kind="measured"),
        price_spans=(PriceSpan(start=at(launched), end=None, price=on.price),) if prices is None else prices,
        interrupted=exit_kind is ExitKind.PREEMPTED if interrupted is None else interrupted,
        exit=None if ended is None else Exit(kind=exit_kind, at=at(ended), code=0),
    )
    return Attempt(
        id=f"a{number}", run_id="r1", number=number, token=f"t{number}", offer=on, observation=seen
    )


def facts_of(
    attempts: tuple[Attempt, ...],
    *,
    state: RunState = RunState.SUCCEEDED,
    ended: float,
    baselines: tuple[Baseline, ...] = (),
    run_id: str = "r1",
    **workload: object,
) -> list[object]:
    """The facts that a supervisor would have written about these attempts."""
    job = Workload(name="digits", run="python train.py", labels={"team": "vision"}, **workload)  # type: ignore[arg-type]
    facts: list[object] = [
        RunSubmitted(
            run_id=run_id,
            at=T0,
            workload=job,
            executor="rehearsal",
            policy="uniform_progress",
            code_sha256="0" * 64,
            baselines=baselines,
        )
    ]
    for a in attempts:
        launched = a.observation.launched_at or T0
        why = Reason(code="spot_up", text=f"spot is up in {a.offer.place}")
        action = Launch(run_id=run_id, offer_id=a.offer.id, reason=why)
        facts += [
            Intended(
                run_id=run_id,
                at=launched,
                action_id=a.id,
                action=action,
                view_digest="",
                attempt_id=a.id,
                attempt_number=a.number,
                token=a.token,
                offer=a.offer,
            ),
            Completed(run_id=run_id, at=launched, action_id=a.id, result="done"),
            Observed(run_id=run_id, at=launched, observation=a.observation),
        ]
    facts.append(StateChanged(run_id=run_id, at=at(ended), state=state, cause=""))
    return facts


# Strategies: money amounts as prices have them, times in whole microseconds.
usd = st.decimals(min_value=0, max_value=1000, places=6)
seconds = st.integers(0, 5 * 86400 * 10**6).map(lambda us: us / 1e6)
rules = st.builds(
    BillingRule,
    granularity_s=st.sampled_from([1, 60, 3600]),
    minimum_s=st.sampled_from([0, 60, 600]),
    free_if_interrupted_within_s=st.sampled_from([None, 3600]),
)


@st.composite
def compute_records(draw: st.DrawFn) -> UsageRecord:
    """Any instance life: price changes, parts that tile it, any billing rule, interrupted or not."""
    total = draw(st.integers(0, 200_000 * 10**6))
    cuts = sorted(draw(st.lists(st.integers(0, total), max_size=6)))
    edges = [0, *cuts, total]
    kinds = [CostPart.COMPUTE, CostPart.LOST_WORK, CostPart.CHECKPOINT, CostPart.IDLE]
    parts = tuple(
        part(draw(st.sampled_from(kinds)), a / 1e6, b / 1e6) for a, b in itertools.pairwise(edges) if a < b
    )
    changes = sorted(set(draw(st.lists(st.integers(1, max(1, total)), max_size=5))))
    prices = [(0.0, draw(usd))] + [(c / 1e6, draw(usd)) for c in changes]
    return compute(
        total / 1e6,
        *prices,
        billing=draw(rules),
        parts=parts,
        interrupted=draw(st.booleans()),
        instances=draw(st.integers(1, 4)),
    )
