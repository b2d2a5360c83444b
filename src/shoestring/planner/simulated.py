"""One simulated run: the policy decides, time passes on a made-up market, and the bill is rated by the ledger."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from shoestring.domain.fleet import (
    Action,
    AttemptView,
    Bounds,
    FleetView,
    Launch,
    Phase,
    Release,
    RunView,
    Save,
    Suspend,
)
from shoestring.domain.offer import Offer
from shoestring.domain.plan import WorkRange
from shoestring.domain.run import PriceSpan, RunState
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.usage import UsageKind, UsageRecord
from shoestring.domain.workload import Goal
from shoestring.ledger.rate import rate
from shoestring.planner.estimate import BOOT_SPREAD, Terms
from shoestring.planner.lives import Lives, drawn_work_h, positive
from shoestring.policies.base import Policy
from shoestring.policies.checkpoint import interval_s

START = datetime(2026, 1, 1, tzinfo=UTC)  # only differences matter
LOOKS = 48  # decisions over the horizon, beside those when the zone changes
SOON_H = 1 / 60
LONGEST = 20.0  # a run that takes so many times its work or deadline is given up, and counts as never ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One way to run the job, as it is simulated.

    Attributes:
        offer: what may be taken away. fallback: what may not, and the policy may switch to; None: nothing.
        work: hours on the offer; the fallback is taken to be of the same shape.
        scale: on the prior's hazard, as in the closed form.
        data_usd, storage_usd_per_hour: beside the instances; the storage for as long as the job takes.
    """

    offer: Offer
    fallback: Offer | None
    work: WorkRange
    scale: float
    terms: Terms
    goal: Goal = Goal.CHEAPEST
    budget_usd: float | None = None
    data_usd: float = 0.0
    storage_usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """How a simulated run ended. Hours are infinite if it did not."""

    cost_usd: float
    finish_h: float
    up_h: float
    losses: int


@dataclass(slots=True)
class _Attempt:
    """An instance in use. Hours from the start of the simulation."""

    offer: Offer
    launched_h: float
    trains_from_h: float
    lost_at_h: float


@dataclass(slots=True)
class _Bill:
    """What was used so far; rated as it is booked."""

    usd: float = 0.0
    up_h: float = 0.0
    losses: int = 0


class SimulatedRun:
    """One job on one made-up market."""

    def __init__(self, course: Course, policy: Policy, lives: Lives, rng: np.random.Generator) -> None:
        self.course, self.policy, self.rng = course, policy, rng
        self.work_h = drawn_work_h(course.work, rng)
        terms = course.terms
        self.horizon_h = LONGEST * max(self.work_h, terms.deadline_h or 0.0)
        self.ups = lives.intervals(rng, self.horizon_h)
        self.look_h = max((terms.deadline_h or 2 * self.work_h) / LOOKS, 1 / 60)
        lifetime_s = min(lives.mean_up_h * SECONDS_PER_HOUR, 1e9)
        best_h = interval_s(max(terms.save_h * SECONDS_PER_HOUR, 1e-3), lifetime_s) / SECONDS_PER_HOUR
        self.save_every_h = best_h if terms.interval_h is None else terms.interval_h
        self.pace = 1 / (1 + terms.save_h / self.save_every_h)
        self.done_h = self.saved_h = 0.0
        self.attempt: _Attempt | None = None
        self.bill = _Bill()
        self.offers = {course.offer.id: course.offer}
        if course.fallback is not None:
            self.offers[course.fallback.id] = course.fallback

    def live(self) -> End:
        """From submission to the end; gives up at the horizon."""
        belief, now_h = self.policy.start(), 0.0
        while now_h < self.horizon_h:
            next_h = min(now_h + self.look_h, self._next_change(now_h))
            view = self._view(now_h)
            belief = self.policy.update(belief, view)
            for action in self.policy.decide(belief, view):
                if isinstance(action, Suspend):
                    return self._give_up(now_h)
                self._act(action, now_h)
                if isinstance(action, Release):  # production looks again as soon as the instance is gone
                    next_h = min(next_h, now_h + max(self.course.terms.save_h, SOON_H))
            finish_h = self._pass(now_h, next_h)
            if finish_h is not None:
                return self._end(finish_h)
            now_h = next_h
        return self._give_up(now_h)

    def _act(self, action: Action, now_h: float) -> None:
        match action:
            case Launch(offer_id=offer_id) if self.attempt is None:
                self.attempt = self._launch(self.offers[offer_id], now_h)
            case Release() if self.attempt is not None:
                self.saved_h = self.done_h
                self._close(now_h + self.course.terms.save_h, interrupted=False)
            case Save():
                self.saved_h = self.done_h
            case _:
                pass

    def _launch(self, offer: Offer, now_h: float) -> _Attempt:
        terms = self.course.terms
        failures = int(self.rng.geometric(1 - terms.launch_failure)) - 1
        launched_h = now_h + failures * terms.retry_h
        boot_h = positive(terms.boot_h, BOOT_SPREAD, self.rng)
        more = terms.restore_h if self.saved_h > 0 else 0.0
        lost_at = self._lost_after(launched_h) if offer.market.preemptible else math.inf
        return _Attempt(offer, launched_h, launched_h + boot_h + more, lost_at)

    def _lost_after(self, hours: float) -> float:
        """When an instance launched then is taken back: the zone's next loss; at once if it has just gone."""
        at = int(np.searchsorted(self.ups[:, 1], hours, side="right"))
        if at >= len(self.ups):
            return math.inf
        return float(self.ups[at, 1]) if self.ups[at, 0] <= hours else hours

    def _next_change(self, hours: float) -> float:
        """When the zone next comes up or goes down: production looks often enough to see it at once."""
        at = int(np.searchsorted(self.ups[:, 1], hours, side="right"))
        if at >= len(self.ups):
            return math.inf
        return float(self.ups[at, 0] if self.ups[at, 0] > hours else self.ups[at, 1])

    def _up(self, hours: float) -> bool:
        at = int(np.searchsorted(self.ups[:, 1], hours, side="right"))
        return at < len(self.ups) and bool(self.ups[at, 0] <= hours)

    def _pass(self, from_h: float, to_h: float) -> float | None:
        """Let time pass; when the job ends in it, the moment it does."""
        attempt = self.attempt
        if attempt is None:
            return None
        until = min(to_h, attempt.lost_at_h)
        pace = self.pace if attempt.offer.market.preemptible else 1.0  # what stays needs few saves
        trained = max(0.0, until - max(from_h, attempt.trains_from_h)) * pace
        left = self.work_h - self.done_h
        if trained >= left:
            finish_h = max(from_h, attempt.trains_from_h) + left / pace
            self._close(finish_h, interrupted=False)
            return finish_h
        self.done_h += trained
        kept = math.floor(self.done_h / self.save_every_h + 1e-9) * self.save_every_h
        self.saved_h = max(self.saved_h, kept)
        if attempt.lost_at_h <= to_h:
            if self._saves_in_time(attempt.offer):
                self.saved_h = self.done_h
            self.done_h = self.saved_h
            self.bill.losses += 1
            self._close(attempt.lost_at_h, interrupted=True)
        return None

    def _saves_in_time(self, offer: Offer) -> bool:
        """Whether an emergency save fits into the provider's warning."""
        return offer.notice_s is not None and self.course.terms.save_h * SECONDS_PER_HOUR < offer.notice_s

    def _close(self, end_h: float, *, interrupted: bool) -> None:
        attempt, self.attempt = self.attempt, None
        assert attempt is not None
        end_h = max(end_h, attempt.launched_h)
        self.bill.usd += _rated_usd(attempt, end_h, self.course.terms.nodes, interrupted=interrupted)
        self.bill.up_h += end_h - attempt.launched_h

    def _give_up(self, now_h: float) -> End:
        if self.attempt is not None:
            self._close(now_h, interrupted=False)
        return replace(self._end(now_h), finish_h=math.inf)

    def _end(self, finish_h: float) -> End:
        course = self.course
        beside = course.data_usd + course.storage_usd_per_hour * finish_h
        return End(self.bill.usd + beside, finish_h, self.bill.up_h, self.bill.losses)

    def _view(self, now_h: float) -> FleetView:
        course, terms, attempt = self.course, self.course.terms, self.attempt
        accelerator = course.offer.accelerator or "cpu"
        spot = (
            replace(course.offer, available=self._up(now_h))
            if course.offer.market.preemptible
            else course.offer
        )
        offers = {spot.id: spot}
        if course.fallback is not None:
            offers[course.fallback.id] = course.fallback
        restart_s = (terms.boot_h + terms.restore_h) * SECONDS_PER_HOUR
        run = RunView(
            run_id="plan",
            state=RunState.WAITING if attempt is None else RunState.RUNNING,
            submitted_at=START,
            work_total_s={accelerator: self.work_h * SECONDS_PER_HOUR},
            work_left_s={accelerator: (self.work_h - self.saved_h) * SECONDS_PER_HOUR
                         if attempt is None else (self.work_h - self.done_h) * SECONDS_PER_HOUR},
            deadline=None if terms.deadline_h is None else START + timedelta(hours=terms.deadline_h),
            spent_usd=self._spent_usd(now_h),
            budget_usd=course.budget_usd,
            goal=course.goal,
            num_nodes=terms.nodes,
            eligible=tuple(offers),
            attempt=None if attempt is None else _attempt_view(attempt, now_h),
            restart_s=restart_s,
            save_s=terms.save_h * SECONDS_PER_HOUR,
            checkpoint_age_s=0.0 if attempt is None else (self.done_h - self.saved_h) * SECONDS_PER_HOUR,
            checkpoint_place=course.offer.place if self.saved_h > 0 else None,
            bounds=Bounds(
                boot_s=(1 + 2 * BOOT_SPREAD) * terms.boot_h * SECONDS_PER_HOUR
                + terms.restore_h * SECONDS_PER_HOUR,
                retry_s=terms.retry_h * SECONDS_PER_HOUR,
                poll_gap_s=self.look_h * SECONDS_PER_HOUR,
                save_s=terms.save_h * SECONDS_PER_HOUR,
            ),
        )  # fmt: skip
        return FleetView(now=START + timedelta(hours=now_h), runs=(run,), offers=offers)

    def _spent_usd(self, now_h: float) -> float:
        if self.attempt is None or self.attempt.offer.price.usd_per_hour is None:
            return self.bill.usd
        hours = max(0.0, now_h - self.attempt.launched_h)
        return self.bill.usd + hours * self.course.terms.nodes * float(self.attempt.offer.price.usd_per_hour)


def _attempt_view(attempt: _Attempt, now_h: float) -> AttemptView:
    left_s = max(0.0, attempt.trains_from_h - now_h) * SECONDS_PER_HOUR
    return AttemptView(
        attempt_id="plan",
        offer_id=attempt.offer.id,
        place=attempt.offer.place,
        phase=Phase.BOOTING if left_s > 0 else Phase.TRAINING,
        age_s=max(0.0, now_h - attempt.launched_h) * SECONDS_PER_HOUR,
        restart_left_s=left_s,
    )


def _rated_usd(attempt: _Attempt, end_h: float, nodes: int, *, interrupted: bool) -> float:
    """Dollars of one attempt, by the ledger's own rules."""
    start, end = (START + timedelta(hours=h) for h in (attempt.launched_h, end_h))
    offer = attempt.offer
    record = UsageRecord(
        id="plan",
        run_id="plan",
        attempt_id="plan",
        kind=UsageKind.COMPUTE,
        resource_id="plan",
        provider=offer.provider,
        region=offer.region,
        zone=offer.zone,
        market=offer.market,
        start=start,
        end=end,
        quantity=Decimal(0),
        price_spans=(PriceSpan(start=start, end=None, price=offer.price),),
        billing=offer.billing,
        instances=nodes,
        interrupted=interrupted,
    )
    return float(sum(charge.amount_usd for charge in rate(record)))
