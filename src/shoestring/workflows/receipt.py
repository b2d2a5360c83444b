"""`shoestring receipt`: a journal and a run id in, the receipt out, as a value and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from shoestring.domain.facts import MarketSeen
from shoestring.domain.lateness import Lateness
from shoestring.domain.usage import CostPart
from shoestring.ledger.baseline import BaselineCost
from shoestring.ledger.data_prices import NO_DATA_PRICES, DataPrices
from shoestring.ledger.provenance import utilization_of
from shoestring.ledger.receipt import BILLED, AttemptLine, Cost, Receipt, receipt
from shoestring.ledger.side_by_side import Stay
from shoestring.policies.lateness import lateness
from shoestring.ports import Journal
from shoestring.store.charges_manifest import Manifest
from shoestring.store.charges_runs import source_of_run


def receipt_of(
    journal: Journal,
    run_id: str,
    *,
    now: datetime,
    prices: DataPrices = NO_DATA_PRICES,
    neighbors: Sequence[Stay] = (),
) -> Receipt:
    """The receipt of a run as its journal tells it until ``now`` (in the fleet's clock).

    Args:
        neighbors: stays of other runs on machines that this one may have shared.

    Raises:
        NotFound: the journal has no such run.
    """
    facts = (entry.fact for entry in journal.read() if not isinstance(entry.fact, MarketSeen))
    paid = receipt(facts, run_id, now=now, prices=prices, neighbors=neighbors)
    if paid.in_time is not False:
        return paid
    return replace(paid, lateness=lateness((entry.fact for entry in journal.read()), run_id, now))


def lateness_json(late: Lateness | None) -> dict[str, Any] | None:
    """By how much, whose fault, and the seconds found beyond the bounds by cause; null when in time."""
    if late is None:
        return None
    seconds = {cause.value: s for cause, s in sorted(late.seconds.items())}
    return {"late_s": late.late_s, "cause": late.cause.value, "seconds": seconds, "text": late.text}


def with_bill(paid: Receipt, manifest: Manifest) -> Receipt:
    """The receipt, headed BILLED if the ledger has matched the run with its bill."""
    found = manifest.billed_runs.get(source_of_run(paid.run_id))
    if found is None:
        return paid
    return replace(paid, basis=BILLED, billed_usd=Decimal(found["billed_usd"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMachine:
    """That a run shared its machines with others. ``fraction``: charged to it, of the hours that it held them."""

    machine: str
    fraction: float
    basis: str


def shared_machine(paid: Receipt) -> SharedMachine | None:
    """How far a run's machines were its own; None where they were so all the time, or nobody knows them."""
    shared = [record for record in paid.usage if record.shares]
    if not shared:
        return None
    charged = sum(c.seconds or 0.0 for c in paid.charges)
    held = sum((c.seconds or 0.0) / c.fraction for c in paid.charges if c.fraction > 0)
    return SharedMachine(
        machine=", ".join(sorted({record.machine or "" for record in shared})),
        fraction=charged / held if held > 0 else 1.0,
        basis=", ".join(sorted({share.basis for record in shared for share in record.shares})),
    )


def receipt_json(paid: Receipt) -> dict[str, Any]:
    """The receipt as plain data: dollars as numbers, moments as ISO 8601, unknown as null."""
    energy, saving = paid.energy, paid.saving
    return {
        "run": paid.run_id,
        "name": paid.name,
        "state": paid.state.value,
        "cause": paid.cause or None,
        "basis": paid.basis,
        "labels": dict(paid.labels),
        "user": paid.user or None,
        "submitted_at": paid.submitted_at.isoformat(),
        "until": paid.until.isoformat(),
        "deadline": None if paid.deadline is None else paid.deadline.isoformat(),
        "in_time": paid.in_time,
        "lateness": lateness_json(paid.lateness),
        "attempts": [_attempt(line) for line in paid.attempts],
        "cost_usd": _cost(paid.cost),
        "rated_usd": _usd(paid.cost.rated_usd),
        "billed_usd": _usd(paid.billed_usd),
        "unrated_usages": len(paid.unrated),
        "unrated": [{"usage": u.id, "kind": u.kind.value, "quantity": str(u.quantity)} for u in paid.unrated],
        "baseline": None if paid.baseline is None else _baseline(paid.baseline),
        "baselines": [_baseline(b) for b in paid.baselines],
        "saving_usd": _usd(saving.usd),
        "saving_fraction": saving.fraction,
        "saving_range_usd": None if saving.usd is None else [_usd(saving.low_usd), _usd(saving.high_usd)],
        "goodput": paid.goodput,
        "useful_hours": paid.useful_s / 3600,
        "held_hours": paid.held_s / 3600,
        "preemptions": paid.preemptions,
        "moves": len(paid.moves),
        "moves_detail": [
            {
                "at": move.at.isoformat(),
                "from": move.from_place,
                "to": move.to_place,
                "code": move.reason.code,
                "reason": move.reason.text,
            }
            for move in paid.moves
        ],
        "refused_launches": paid.refused_launches,
        "energy_kwh": energy.kwh,
        "energy_kind": energy.kind,
        "energy_covered": energy.covered,
        "shared_machine": None if (shared := shared_machine(paid)) is None else asdict(shared),
        "utilization": utilization_of(line.attempt for line in paid.attempts),
        "storage_usd_per_day": _usd(paid.storage_usd_per_day),
        "price_sources": [
            {
                "source": p.source,
                "kind": p.kind,
                "as_of": p.as_of_last.isoformat(),
                "as_of_first": p.as_of_first.isoformat(),
                "age_s_max": p.age_max.total_seconds(),
                "amount_usd": _usd(p.amount_usd),
            }
            for p in paid.price_sources
        ],
    }


def _attempt(line: AttemptLine) -> dict[str, Any]:
    attempt, end = line.attempt, line.attempt.observation.exit
    offer = attempt.offer
    return {
        "attempt": attempt.id,
        "number": attempt.number,
        "offer": offer.id,
        "provider": offer.provider,
        "region": offer.region,
        "place": offer.place,
        "market": offer.market.value,
        "instance_type": offer.instance_type,
        "accelerator": offer.accelerator,
        "launched_at": _moment(line.launched_at),
        "ended_at": _moment(line.ended_at),
        "exit": None if end is None else end.kind.value,
        "exit_code": None if end is None else end.code,
        "step_from": line.step_from,
        "step_to": line.step_to,
        "kept_step": line.kept_step,
        "reason": line.reason,
        "cost_usd": _cost(line.cost),
        "price_usd_per_hour": [_usd(line.price_low_usd_per_hour), _usd(line.price_high_usd_per_hour)],
    }


def _baseline(baseline: BaselineCost) -> dict[str, Any]:
    return {
        "name": baseline.name,
        "cost_usd": _usd(baseline.cost_usd),
        "range_usd": None if baseline.cost_usd is None else [_usd(baseline.low_usd), _usd(baseline.high_usd)],
        "method": baseline.method,
        "offer": baseline.offer_id,
        "hours": baseline.hours,
        "hours_source": baseline.hours_source,
    }


def _cost(cost: Cost) -> dict[str, float | None]:
    return {"total": _usd(cost.total_usd)} | {part.value: _usd(cost.parts[part]) for part in CostPart}


def _usd(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
