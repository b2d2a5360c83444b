"""`shoestring status`: where runs stand, from the book (always) and the newest view (while supervised)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import isfinite

from shoestring.domain.fleet import Hold, Release, RunView
from shoestring.domain.offer import Offer
from shoestring.domain.run import ExitKind
from shoestring.domain.units import seconds_between
from shoestring.policies.base import best, cost_to_finish_usd, eligible_offers, is_guaranteed
from shoestring.policies.guard import slack_s
from shoestring.supervisor.attempts import phase_of
from shoestring.supervisor.book import RunBook
from shoestring.supervisor.view import fleet_view, progress_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One run at one moment of the fleet's clock. Unknown is None throughout.

    Attributes:
        finish_usd: expected total at the end, from the offer in use or the cheapest that may be used.
        slack_s: time until the deadline guard must act; negative means it has.
        checkpoint_age_s: age of the newest durable checkpoint.
        storage_usd_per_day: what keeping the checkpoints costs while nothing runs.
    """

    run_id: str
    name: str
    state: str
    cause: str
    at: datetime
    step: int | None
    total_steps: int | None
    loss: float | None
    spent_usd: float | None
    finish_usd: float | None
    budget_usd: float | None
    deadline: datetime | None
    slack_s: float | None
    checkpoint_age_s: float | None
    checkpoint_step: int | None
    attempt: int
    offer: str | None
    place: str | None
    market: str | None
    phase: str | None
    preemptions: int
    moves: int
    decision: str | None
    decision_code: str | None
    runner_up: str | None
    notice: str | None = None
    away: str | None = None
    storage_usd_per_day: float | None = None


def status_of(
    run: RunBook,
    *,
    now: datetime,
    spent_usd: float | None,
    seen: RunView | None = None,
    offers: Mapping[str, Offer] | None = None,
    away: str | None = None,
    storage_usd_per_day: float | None = None,
) -> Status:
    """Where ``run`` stands. ``seen`` and ``offers`` are None when nobody supervises it."""
    progress, live = progress_of(run), run.live
    checkpoints = run.checkpoints()
    beats = [a.observation.heartbeat for a in run.attempts if a.observation.heartbeat is not None]
    unpriced = any(
        a.observation.launched_at is not None and a.offer.price.usd_per_hour is None for a in run.attempts
    )
    spent_usd = None if unpriced else spent_usd
    reason = run.last_intent.action.reason if run.last_intent is not None else None
    finish, slack = (None, None) if seen is None else _outlook(seen, offers or {}, now)
    place = live.offer.place if live is not None else None
    return Status(
        run_id=run.run_id,
        name=run.submitted.workload.name,
        state=run.state.value,
        cause=run.cause,
        at=now,
        step=progress.step,
        total_steps=progress.total,
        loss=beats[-1].loss if beats else None,
        spent_usd=spent_usd,
        finish_usd=None if finish is None or spent_usd is None else spent_usd + finish,
        budget_usd=None if run.budget_usd is None else float(run.budget_usd),
        deadline=run.deadline,
        slack_s=slack,
        checkpoint_age_s=seconds_between(max(c.at for c in checkpoints), now) if checkpoints else None,
        checkpoint_step=checkpoints[0].step if checkpoints else None,
        attempt=len(run.attempts),
        offer=live.offer.id if live is not None else None,
        place=place,
        market=live.offer.market.value if live is not None else None,
        phase=phase_of(live).value if live is not None else None,
        preemptions=preemptions(run),
        moves=moves(run),
        decision=reason.text if reason is not None else None,
        decision_code=reason.code if reason is not None else None,
        runner_up=reason.runner_up if reason is not None else None,
        notice=live.observation.notice_at.isoformat() if live and live.observation.notice_at else None,
        away=away,
        storage_usd_per_day=storage_usd_per_day,
    )


def preemptions(run: RunBook) -> int:
    """How often the provider took an instance of this run back."""
    return sum(
        1
        for attempt in run.attempts
        if attempt.observation.exit is not None and attempt.observation.exit.kind is ExitKind.PREEMPTED
    )


def moves(run: RunBook) -> int:
    """How often the run went on in another place than before."""
    places = [a.offer.place for a in run.attempts if a.observation.launched_at is not None]
    return sum(1 for before, after in pairwise(places) if before != after)


def describe_decision(run: RunBook) -> str:
    """The last decision in a few words, e.g. ``launch us-east-1a: spot is up``."""
    if run.last_intent is None:
        return "none yet"
    action = run.last_intent.action
    if isinstance(action, Hold):
        return f"hold: {action.reason.text}"
    kind = "move" if isinstance(action, Release) else type(action).__name__.lower()
    return f"{kind}: {action.reason.text}"


def _outlook(seen: RunView, offers: Mapping[str, Offer], now: datetime) -> tuple[float | None, float | None]:
    """Dollars still to spend, and slack of the deadline guard in seconds."""
    view = fleet_view([seen], offers, now)
    usable = eligible_offers(seen, view)
    here = offers.get(seen.attempt.offer_id) if seen.attempt is not None else None
    chosen = here if here is not None else best(usable, seen)
    finish = None if chosen is None else cost_to_finish_usd(chosen, seen)
    slack = slack_s(seen, best([o for o in usable if is_guaranteed(o)], seen), now)
    return finish, slack if slack is not None and isfinite(slack) else None
