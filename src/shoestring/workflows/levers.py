"""`shoestring savings record|undo`: a data or model lever, judged by the quality it kept, with its dollars."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from shoestring.domain.errors import BadInput, NotFound, QualityNotShown
from shoestring.domain.lever import LeverKind, LeverVerdict, QualityEvidence
from shoestring.domain.run import RunState
from shoestring.domain.units import money, parse_usd
from shoestring.ledger.levers import (
    STATED,
    LeverAmount,
    against_plan,
    against_run,
    less_spent,
    lever_sum,
    work_of,
)
from shoestring.ledger.quality_cost import LOSS, more_is_better
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.tracking import TrackedRun
from shoestring.ledger.unit_costs import RunWork, beats_of
from shoestring.store.charges import ChargeStore
from shoestring.store.lever_book import record, verdicts, withdraw
from shoestring.store.tracked_book import tracked_runs
from shoestring.workflows.receipt import with_bill

PLAN = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s+(epochs?|steps?|samples?|tokens?)", re.IGNORECASE)
NAMES = {"epoch": ("epoch",), "token": ("tokens", "num_input_tokens_seen")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What somebody wants to have recorded.

    Attributes:
        run_id: the run that pulled the lever. against: a run's id, planned work (``20 epochs``), or dollars
            (``120 USD``).
        range_usd: (low, high) of stated dollars; None: from nothing to all of it.
        reference_quality, source: the metric without the lever and where it is from, where no run tells it.
        spent_usd: what the lever itself cost.
    """

    run_id: str
    kind: str
    what: str
    against: str
    metric: str
    tolerance: float = 0.0
    reference_quality: float | None = None
    source: str = ""
    range_usd: tuple[Decimal, Decimal] | None = None
    spent_usd: Decimal = Decimal(0)
    why: str = ""


def record_lever(
    store: ChargeStore, receipts: Sequence[Receipt], claim: Claim, *, now: datetime, user: str
) -> LeverVerdict:
    """Judge a claim and write the verdict down.

    Raises:
        QualityNotShown: the metric is missing on one side, or worse than the tolerance allows.
        NotFound: there is no such run here. BadInput: the claim can't be valued, or is no saving.
    """
    if not claim.what.strip() or not claim.why.strip():
        raise BadInput("say what was done and why it is booked", next_step="--what TEXT --why TEXT")
    if not isfinite(claim.tolerance) or claim.tolerance < 0:
        raise BadInput(f"--tolerance {claim.tolerance:g}: 0 or more, in the metric's own unit")
    kinds = tuple(LeverKind)
    if claim.kind not in kinds:
        raise BadInput(f"--lever {claim.kind!r} is none", next_step=f"one of: {', '.join(kinds)}")
    manifest = store.manifest()
    known = {r.run_id: with_bill(r, manifest) for r in receipts}
    own = _finished(known, claim.run_id)
    tracked = tracked_runs(store.folder)
    reference = None if _is_text(claim.against) else _finished(known, claim.against)
    quality = _judged(claim, own, reference, tracked)
    amount, counterfactual = _valued(claim, own, reference)
    amount = less_spent(amount, claim.spent_usd)
    if amount.usd <= 0:
        raise BadInput(
            f"{own.run_id} saved nothing against {counterfactual}: {amount.usd:,.2f} $",
            next_step="there is nothing to book; shoestring receipt shows both runs' useful hours",
        )
    verdict = LeverVerdict(
        at=now,
        user=user,
        run_id=own.run_id,
        run_ended=own.until,
        kind=LeverKind(claim.kind),
        what=claim.what.strip(),
        counterfactual=counterfactual,
        reference_run=None if reference is None else reference.run_id,
        basis=STATED if amount.hours_saved is None else own.basis,
        hours_saved=amount.hours_saved,
        usd_per_hour=amount.usd_per_hour,
        spent_usd=money(claim.spent_usd),
        usd=amount.usd,
        low_usd=amount.low_usd,
        high_usd=amount.high_usd,
        quality=quality,
        why=claim.why.strip(),
    )
    if not record(store.folder, verdict):
        raise BadInput(
            f"{own.run_id} has a verdict already; two against one run would count hours twice",
            next_step=f"shoestring savings undo {own.run_id}, or train and compare a run between the two",
        )
    return verdict


def undo_lever(store: ChargeStore, run_id: str, *, why: str, now: datetime, user: str) -> LeverVerdict:
    """Take a run's verdict out of force. Raises NotFound if it has none."""
    found = withdraw(store.folder, run_id, at=now, user=user, why=why)
    if found is None:
        there = ", ".join(v.run_id for v in verdicts(store.folder)) or "none"
        raise NotFound(f"{run_id} has no verdict in force", next_step=f"those that have: {there}")
    return found


def levers_in(store: ChargeStore, since: date | None, until: date | None) -> tuple[LeverVerdict, ...]:
    """Verdicts on runs that ended in these days (``until`` is not included)."""
    return tuple(
        v
        for v in verdicts(store.folder)
        if (since is None or v.run_ended.date() >= since) and (until is None or v.run_ended.date() < until)
    )


def verdict_of(store: ChargeStore, run_id: str) -> LeverVerdict | None:
    """A run's verdict in force."""
    return next((v for v in verdicts(store.folder) if v.run_id == run_id), None)


def levers_json(found: Sequence[LeverVerdict]) -> dict[str, Any]:
    """Verdicts and their sum as plain data."""
    total = lever_sum(found)
    return {
        "usd": float(total.usd),
        "range_usd": [float(total.low_usd), float(total.high_usd)],
        "verdicts": [verdict_json(v) for v in found],
    }


def verdict_json(verdict: LeverVerdict) -> dict[str, Any]:
    """A verdict as plain data: dollars as numbers, unknown as null."""
    q = verdict.quality
    return {
        "run": verdict.run_id,
        "lever": verdict.kind.value,
        "what": verdict.what,
        "counterfactual": verdict.counterfactual,
        "reference_run": verdict.reference_run,
        "usd": float(verdict.usd),
        "range_usd": [float(verdict.low_usd), float(verdict.high_usd)],
        "hours_saved": verdict.hours_saved,
        "usd_per_hour": None if verdict.usd_per_hour is None else float(verdict.usd_per_hour),
        "spent_usd": float(verdict.spent_usd),
        "basis": verdict.basis,
        "quality": {
            "metric": q.metric,
            "value": q.value,
            "reference": q.reference,
            "given_up": float(q.given_up),
            "tolerance": q.tolerance,
            "source": q.source,
        },
        "recorded_at": verdict.at.isoformat(),
        "recorded_by": verdict.user,
        "why": verdict.why,
    }


def _finished(known: Mapping[str, Receipt], run_id: str) -> Receipt:
    found = [r for name, r in known.items() if name == run_id] or [
        r for name, r in known.items() if name.startswith(run_id)
    ]
    if len(found) != 1:
        names = ", ".join(sorted(r.run_id for r in found) or sorted(known)[:5])
        raise NotFound(
            f"{'no' if not found else 'more than one'} run {run_id!r}", next_step=f"one of: {names or 'none'}"
        )
    if found[0].state is not RunState.SUCCEEDED:
        raise BadInput(f"{found[0].run_id} is {found[0].state.value}; only finished runs can be compared")
    return found[0]


def _is_text(against: str) -> bool:
    """Whether it is planned work or dollars, and no run."""
    return PLAN.fullmatch(against.strip()) is not None or _dollars(against) is not None


def _dollars(against: str) -> Decimal | None:
    if "$" not in against and not against.strip().lower().endswith("usd"):
        return None
    try:
        return parse_usd(against)
    except ValueError:
        return None


def _judged(
    claim: Claim, own: Receipt, reference: Receipt | None, tracked: Mapping[str, TrackedRun]
) -> QualityEvidence:
    value = _metric(own, claim.metric, tracked)
    told, source = claim.reference_quality, claim.source.strip()
    if told is None and reference is not None:
        told, source = _metric(reference, claim.metric, tracked), f"run {reference.run_id}, its newest value"
    if value is None or told is None:
        who = own.run_id if value is None else (claim.against if reference is None else reference.run_id)
        raise QualityNotShown(
            f"no {claim.metric!r} is known of {who}; without it nobody can tell what the lever cost",
            next_step="report it with step(..., metrics={...}) or read it with shoestring bridge; for a reference "
            "that is no run: --reference-quality VALUE --source TEXT",
        )
    if not source:
        raise QualityNotShown(
            "the reference's quality is only stated", next_step="say where it is from: --source TEXT"
        )
    quality = QualityEvidence(
        metric=claim.metric,
        value=value,
        reference=told,
        more_is_better=more_is_better(claim.metric),
        tolerance=claim.tolerance,
        source=source,
    )
    if not (isfinite(value) and isfinite(told)) or not quality.kept:
        raise QualityNotShown(
            f"{claim.metric} is {value:.6g} against {told:.6g}: worse by more than {claim.tolerance:g}",
            next_step="nothing is booked; a loss of quality that was agreed on is named by --tolerance",
        )
    return quality


def _metric(paid: Receipt, name: str, tracked: Mapping[str, TrackedRun]) -> float | None:
    """The newest value that heartbeats, or else a tracker, told."""
    known = tracked.get(paid.run_id)
    work = RunWork(
        run_id=paid.run_id,
        keys=(),
        usd=None,
        beats=beats_of(paid),
        tracked={} if known is None else known.metrics,
    )
    found = work.newest(name)
    if found is None and name == LOSS:
        found = next((b.loss for b in work.beats if b.loss is not None), None)
    return found


def _valued(claim: Claim, own: Receipt, reference: Receipt | None) -> tuple[LeverAmount, str]:
    if claim.range_usd is not None and _dollars(claim.against) is None:
        raise BadInput("--range is for stated dollars; measured ones bring their own")
    try:
        if reference is not None:
            if reference.run_id == own.run_id:
                raise BadInput(f"{own.run_id} can't be its own counterfactual")
            return against_run(work_of(own), work_of(reference)), f"run {reference.run_id}"
        if (plan := PLAN.fullmatch(claim.against.strip())) is not None:
            return _planned(own, float(plan[1]), plan[2].lower().rstrip("s"))
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(
            f"{own.run_id} against {claim.against}: {error}",
            next_step="state the dollars: --against '120 USD' --range 80..150",
        ) from None
    usd = _dollars(claim.against)
    assert usd is not None, "what is neither run nor plan is dollars"
    low, high = claim.range_usd or (Decimal(0), usd)
    if not low <= usd <= high:
        raise BadInput(f"--range {low}..{high} does not hold {usd}")
    return LeverAmount(usd=money(usd), low_usd=money(low), high_usd=money(high)), f"{usd:,.2f} $, stated"


def _planned(own: Receipt, planned: float, unit: str) -> tuple[LeverAmount, str]:
    beats = beats_of(own)
    if unit == "step":
        done = next((float(b.step) for b in beats), None)
    elif unit == "sample":
        done = next((float(b.samples) for b in beats if b.samples is not None), None)
    else:
        done = next((b.metrics[n] for b in beats for n in NAMES[unit] if n in b.metrics), None)
    if done is None:
        raise BadInput(f"{own.run_id} did not report how many {unit}s it did")
    return against_plan(work_of(own), planned, done), f"{planned:g} {unit}s as planned, {done:g} done"
