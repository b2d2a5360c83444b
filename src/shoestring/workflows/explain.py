"""`shoestring explain`: the journal as a story: every decision with its reason, numbers and runner-up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from shoestring.domain.facts import (
    Asked,
    Completed,
    Intended,
    MarketSeen,
    Observed,
    RunSubmitted,
    StateChanged,
    SweptOrphan,
)
from shoestring.domain.fleet import Launch, Release
from shoestring.domain.run import Observation
from shoestring.ports import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story. ``kind``: submitted | decision | result | seen | state | asked | orphan."""

    seq: int
    at: datetime
    run_id: str
    kind: str
    what: str
    code: str | None = None
    numbers: dict[str, float] | None = None
    runner_up: str | None = None
    saving_usd: float | None = None


def story(entries: Iterable[Entry], run_id: str | None = None) -> Iterator[Line]:
    """The lines of one run, or of all, in the order in which they were journaled."""
    known: dict[str, Observation] = {}
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, MarketSeen) or (run_id is not None and fact.run_id != run_id):
            continue
        base = {"seq": entry.seq, "at": fact.at, "run_id": fact.run_id}
        match fact:
            case RunSubmitted():
                what = f"submitted {fact.workload.name} to {fact.executor} under policy {fact.policy}"
                yield Line(kind="submitted", what=what, **base)  # type: ignore[arg-type]
            case Intended():
                yield _decision(fact, entry.seq)
            case Completed() if fact.result != "done":
                detail = f": {fact.detail}" if fact.detail else ""
                yield Line(kind="result", what=f"{fact.action_id} {fact.result}{detail}", **base)  # type: ignore[arg-type]
            case Observed():
                for what in _news(known.get(fact.observation.attempt_id), fact.observation):
                    yield Line(kind="seen", what=f"{fact.observation.attempt_id} {what}", **base)  # type: ignore[arg-type]
                known[fact.observation.attempt_id] = fact.observation
            case StateChanged():
                detail = f": {fact.detail}" if fact.detail else ""
                yield Line(kind="state", what=f"{fact.state} ({fact.cause}){detail}", **base)  # type: ignore[arg-type]
            case Asked():
                limits = [f"budget {fact.budget_usd} $"] if fact.budget_usd is not None else []
                limits += [f"deadline {fact.deadline:%Y-%m-%d %H:%M}Z"] if fact.deadline is not None else []
                what = " ".join([fact.what, *limits, f"by {fact.user or 'unknown'} (not authenticated)"])
                yield Line(kind="asked", what=what, **base)  # type: ignore[arg-type]
            case SweptOrphan():
                yield Line(kind="orphan", what=f"ended {fact.token}: {fact.detail}", **base)  # type: ignore[arg-type]


def _decision(fact: Intended, seq: int) -> Line:
    action, reason = fact.action, fact.action.reason
    target = ""
    if isinstance(action, Launch):
        target = f" {action.offer_id} (attempt {fact.attempt_number})"
    elif isinstance(action, Release) and action.to_offer_id:
        target = f" to {action.to_offer_id}"
    verb = "move" if isinstance(action, Release) else type(action).__name__.lower()
    return Line(
        seq=seq,
        at=fact.at,
        run_id=fact.run_id,
        kind="decision",
        what=f"{verb}{target}: {reason.text}",
        code=reason.code,
        numbers=dict(reason.numbers),
        runner_up=reason.runner_up,
        saving_usd=reason.saving_usd,
    )


def _news(before: Observation | None, after: Observation) -> Iterator[str]:
    if after.launched_at is not None and (before is None or before.launched_at is None):
        yield "launched"
    if after.booted_at is not None and (before is None or before.booted_at is None):
        yield "booted"
    for restore in after.restores[len(before.restores) if before else 0 :]:
        yield f"resumed at step {restore.step} from {restore.checkpoint_id}"
    for checkpoint in after.checkpoints[len(before.checkpoints) if before else 0 :]:
        yield f"saved step {checkpoint.step} ({checkpoint.trigger}, {checkpoint.save_s:.1f} s)"
    for lost in after.nodes_lost[len(before.nodes_lost) if before else 0 :]:
        yield f"lost {lost.count} nodes of its gang; the rest is held"
    if before is not None and before.nodes_missing and not after.nodes_missing:
        yield "is whole again"
    if after.notice_at is not None and (before is None or before.notice_at is None):
        yield "got notice: the provider takes the instance back"
    if after.exit is not None and (before is None or before.exit is None):
        code = f", exit code {after.exit.code}" if after.exit.code is not None else ""
        detail = f": {after.exit.detail}" if after.exit.detail else ""
        yield f"ended {after.exit.kind}{code}{detail}"
