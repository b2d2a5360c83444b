"""One run of a production policy on a known market: the policy sees a FleetView, each step, and is obeyed.

The semantics are those of the omniscient optimum (:mod:`shoestring.market.optimum`) and of the literature (Wu et
al., "Can't Be Late", NSDI'24), so that costs can be compared to the cent: the market is constant within a step;
every launch owes one restart; a step on an instance is billed in full; work is never lost, only restarts are.
A run that has not ended at its deadline is late; guaranteed capacity then does the rest, and is billed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.fleet import (
    Action,
    AttemptView,
    Bounds,
    FleetView,
    Launch,
    Phase,
    Reason,
    Release,
    RunView,
    Suspend,
)
from shoestring.domain.offer import BillingRule, Market, Offer, Price
from shoestring.domain.run import RunState
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Goal
from shoestring.policies.base import Policy

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)  # where a recording does not say when it began
DONE_S = 1e-6
LOOKS = 2  # in a step: production looks again as soon as an instance is given back


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownWindow:
    """A stretch of a market, recorded or made up.

    Attributes:
        zones: names, in the order of the columns. step_s: seconds of a row.
        available: bool, shape (rows, zones). spot_usd_per_hour: $/h of one node, same shape.
        on_demand_usd_per_hour: of one node, the same in every zone, never out of capacity.
        move_usd: to bring the checkpoint from any zone to any other.
        past: rows before the run is submitted, which the policy has watched.
        start: the moment of row 0.
        label: names the window in reports.
    """

    zones: tuple[str, ...]
    step_s: int
    available: NDArray[np.bool_]
    spot_usd_per_hour: NDArray[np.float64]
    on_demand_usd_per_hour: float
    move_usd: float = 0.0
    past: int = 0
    start: datetime = EPOCH
    label: str = ""

    def __post_init__(self) -> None:
        shape = (len(self.available), len(self.zones))
        if self.available.shape != shape or self.spot_usd_per_hour.shape != shape or not shape[1]:
            raise ValueError(f"{self.label}: prices and availability must both be rows x {shape[1]} zones")
        if self.step_s <= 0 or not 0 <= self.past < shape[0]:
            raise ValueError(f"{self.label}: step {self.step_s} s, {self.past} of {shape[0]} rows are past")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownJob:
    """The job in numbers: whole seconds, and a deadline in whole steps of the window it is played on."""

    work_s: int
    restart_s: int
    deadline_steps: int
    nodes: int = 1
    goal: Goal = Goal.CHEAPEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that changed in a run. ``place``, ``market``: where it is from then on; None: nowhere.

    Attributes:
        at_h: since submission. usd: spent until then. reason: None where the market acted, not the policy.
    """

    at_h: float
    event: str  # launch | release | lost | late | done
    place: str | None
    market: str | None
    usd: float
    work_left_h: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a run. Costs are of the whole gang; hours are of the clock.

    Attributes:
        finish_h: since submission, at the end of the step in which the work was done.
        late_h: beyond the deadline; 0 in time. spot_h, on_demand_h: billed. work_h: useful work.
        moves: launches away from where the checkpoint lay; the first launch is none.
        losses: instances taken back. decisions: how often the policy was asked.
        turns: empty unless they were asked for.
    """

    policy: str
    window: str
    cost_usd: float
    finish_h: float
    late_h: float
    spot_h: float
    on_demand_h: float
    work_h: float
    launches: int
    moves: int
    losses: int
    decisions: int
    turns: tuple[Turn, ...] = ()

    @property
    def goodput(self) -> float:
        """Share of the billed hours that was useful work."""
        return self.work_h / (self.spot_h + self.on_demand_h)


def play(window: KnownWindow, job: KnownJob, policy: Policy, *, record: bool = False) -> Played:
    """The policy runs the job on the window.

    Raises:
        ValueError: the window ends before the deadline.
    """
    if len(window.available) - window.past < job.deadline_steps:
        raise ValueError(
            f"{window.label}: {len(window.available) - window.past} steps do not reach the deadline, "
            f"{job.deadline_steps} steps after the start"
        )
    return _Replay(window, job, policy, record).play()


class _Replay:
    """The state of one run. Seconds; times count from submission."""

    def __init__(self, window: KnownWindow, job: KnownJob, policy: Policy, record: bool) -> None:
        self.window, self.job, self.policy, self.record = window, job, policy, record
        self.quotes = _Quotes(window)
        self.hours = window.step_s / SECONDS_PER_HOUR
        self.submitted = window.start + timedelta(seconds=window.past * window.step_s)
        self.deadline = self.submitted + timedelta(seconds=job.deadline_steps * window.step_s)
        self.work = {"cpu": float(job.work_s)}
        self.eligible = tuple(sorted(self.quotes.fixed))
        self.moves_from = {
            home: {zone: window.move_usd for zone in window.zones if zone != home} for home in window.zones
        }
        self.bounds = Bounds(
            boot_s=job.restart_s, launch_retries=0, retry_s=0.0, poll_gap_s=window.step_s, save_s=0.0
        )
        self.left_s, self.usd = float(job.work_s), 0.0
        self.held: Offer | None = None
        self.held_zone = 0
        self.restart_left_s, self.launched_step = 0.0, 0
        self.home: str | None = None
        self.launches = self.moves = self.losses = self.decisions = 0
        self.spot_steps = self.on_demand_steps = 0
        self.turns: list[Turn] = []

    def play(self) -> Played:
        belief = self._watched()
        for step in range(self.job.deadline_steps):
            row = self.window.past + step
            self._lose(step, row)
            for _ in range(LOOKS):
                view = self._view(step, row)
                belief = self.policy.update(belief, view)
                self.decisions += 1
                actions = self.policy.decide(belief, view)
                if not self._obey(actions, step):
                    break
            if self._work(row):
                return self._end(step + 1)
        return self._late()

    def _watched(self) -> object:
        """The belief after what passed before the run was submitted."""
        belief = self.policy.start()
        for row in range(self.window.past):
            now = self.window.start + timedelta(seconds=row * self.window.step_s)
            belief = self.policy.update(belief, FleetView(now=now, runs=(), offers=self.quotes.at(row)))
        return belief

    def _lose(self, step: int, row: int) -> None:
        on_spot = self.held is not None and self.held.market.preemptible
        if on_spot and not self.window.available[row, self.held_zone]:
            self.held, self.restart_left_s = None, 0.0
            self.losses += 1
            self._note("lost", step)

    def _obey(self, actions: tuple[Action, ...], step: int) -> bool:
        """Carry out what was decided; True if the policy has to be asked again in this step."""
        for action in actions:
            match action:
                case Launch(offer_id=offer_id):
                    self._launch(offer_id, step, action.reason)
                case Release() if self.held is not None:
                    self.held, self.restart_left_s = None, 0.0
                    self._note("release", step, action.reason)
                    return True
                case Suspend():
                    raise ValueError(f"{self.policy.name} suspends; a simulated job has no budget")
        return False

    def _launch(self, offer_id: str, step: int, why: Reason) -> None:
        assert self.held is None, f"{self.policy.name} launches while it holds an instance"
        offer = self.quotes.now[offer_id]
        assert offer.available is not False, f"{self.policy.name} launches {offer_id}, which is gone"
        self.held, self.held_zone = offer, self.quotes.zone_of[offer_id]
        if self.home not in (None, offer.place):
            self.usd += self.window.move_usd
            self.moves += 1
        self.home, self.launched_step = offer.place, step
        self.launches += 1
        self.restart_left_s = float(self.job.restart_s)
        self._note("launch", step, why)

    def _work(self, row: int) -> bool:
        """One step on what is held, billed in full; True when the job has ended in it."""
        if self.held is None:
            return False
        if self.held.market.preemptible:
            price = float(self.window.spot_usd_per_hour[row, self.held_zone])
            self.spot_steps += 1
        else:
            price = self.window.on_demand_usd_per_hour
            self.on_demand_steps += 1
        self.usd += price * self.hours * self.job.nodes
        starting_s = min(self.restart_left_s, self.window.step_s)
        self.restart_left_s -= starting_s
        self.left_s -= self.window.step_s - starting_s
        return self.left_s <= DONE_S

    def _late(self) -> Played:
        """The rest on guaranteed capacity, from the deadline on."""
        step = self.job.deadline_steps
        stays = self.held is not None and not self.held.market.preemptible
        owed_s = self.left_s + (self.restart_left_s if stays else self.job.restart_s)
        if not stays:
            self.launches += 1
            self.held = self.quotes.fixed[_id(self.home or self.window.zones[0], Market.ON_DEMAND)]
        more = math.ceil(owed_s / self.window.step_s - 1e-9)
        self._note("late", step)
        self.usd += more * self.hours * self.window.on_demand_usd_per_hour * self.job.nodes
        self.on_demand_steps += more
        return self._end(step + more)

    def _end(self, steps: int) -> Played:
        self.held, self.left_s = None, 0.0
        self._note("done", steps)
        return Played(
            policy=self.policy.name,
            window=self.window.label,
            cost_usd=self.usd,
            finish_h=steps * self.hours,
            late_h=max(0, steps - self.job.deadline_steps) * self.hours,
            spot_h=self.spot_steps * self.hours,
            on_demand_h=self.on_demand_steps * self.hours,
            work_h=self.job.work_s / SECONDS_PER_HOUR,
            launches=self.launches,
            moves=self.moves,
            losses=self.losses,
            decisions=self.decisions,
            turns=tuple(self.turns),
        )

    def _note(self, event: str, step: int, why: Reason | None = None) -> None:
        if self.record:
            self.turns.append(
                Turn(
                    at_h=step * self.hours,
                    event=event,
                    place=None if self.held is None else self.held.place,
                    market=None if self.held is None else str(self.held.market),
                    usd=self.usd,
                    work_left_h=max(self.left_s, 0.0) / SECONDS_PER_HOUR,
                    reason=why,
                )
            )

    def _view(self, step: int, row: int) -> FleetView:
        offers = self.quotes.at(row)
        held = self.held
        attempt = None
        if held is not None:
            attempt = AttemptView(
                attempt_id=f"job-{self.launches}",
                offer_id=held.id,
                place=held.place,
                phase=Phase.BOOTING if self.restart_left_s > 0 else Phase.TRAINING,
                age_s=float((step - self.launched_step) * self.window.step_s),
                restart_left_s=self.restart_left_s,
            )
        run = RunView(
            run_id="job",
            state=RunState.WAITING if held is None else RunState.RUNNING,
            submitted_at=self.submitted,
            work_total_s=self.work,
            work_left_s={"cpu": self.left_s},
            deadline=self.deadline,
            spent_usd=self.usd,
            goal=self.job.goal,
            num_nodes=self.job.nodes,
            eligible=self.eligible,
            attempt=attempt,
            restart_s=float(self.job.restart_s),
            save_s=0.0,
            checkpoint_place=self.home,
            move_usd={} if self.home is None else self.moves_from[self.home],
            bounds=self.bounds,
        )
        now = self.submitted + timedelta(seconds=step * self.window.step_s)
        return FleetView(now=now, runs=(run,), offers=offers)


class _Quotes:
    """The offers of each row; what does not change is not made again."""

    def __init__(self, window: KnownWindow) -> None:
        self.window = window
        self.fixed: dict[str, Offer] = {}
        self.zone_of: dict[str, int] = {}
        for column, zone in enumerate(window.zones):
            for market in (Market.SPOT, Market.ON_DEMAND):
                offer = _offer(zone, market, window)
                self.fixed[offer.id], self.zone_of[offer.id] = offer, column
        self.now = dict(self.fixed)
        self.row = -1
        self.changed = dict(_changes(window))

    def at(self, row: int) -> dict[str, Offer]:
        """Offers by id in ``row``; rows are asked for in order."""
        if row == self.row:
            return self.now
        columns = self.changed.get(row) if row == self.row + 1 else range(len(self.window.zones))
        self.row = row
        if columns:
            self.now = dict(self.now)  # a view may still hold the last ones
            for column in columns:
                offer_id = _id(self.window.zones[column], Market.SPOT)
                self.now[offer_id] = self._quoted(self.fixed[offer_id], row, column)
        return self.now

    def _quoted(self, offer: Offer, row: int, column: int) -> Offer:
        usd = Decimal(repr(float(self.window.spot_usd_per_hour[row, column])))
        price = replace(offer.price, usd_per_hour=usd)
        return replace(offer, available=bool(self.window.available[row, column]), price=price)


def _changes(window: KnownWindow) -> Iterator[tuple[int, list[int]]]:
    """Rows where a zone's state or price differs from the row before, and which zones'; row 0 names all."""
    yield 0, list(range(len(window.zones)))
    differs = (window.available[1:] != window.available[:-1]) | (
        window.spot_usd_per_hour[1:] != window.spot_usd_per_hour[:-1]
    )
    for row in np.flatnonzero(differs.any(axis=1)):
        yield int(row) + 1, [int(column) for column in np.flatnonzero(differs[row])]


def _id(zone: str, market: Market) -> str:
    return f"sim/{zone}/{market}"


def _offer(zone: str, market: Market, window: KnownWindow) -> Offer:
    usd = Decimal(repr(float(window.on_demand_usd_per_hour))) if market is Market.ON_DEMAND else None
    return Offer(
        id=_id(zone, market),
        executor="sim",
        provider="sim",
        region=zone,
        zone=zone,
        market=market,
        instance_type="sim",
        price=Price(usd_per_hour=usd, source=window.label, as_of=window.start),
        billing=BillingRule(granularity_s=window.step_s, minimum_s=window.step_s),
        available=market is Market.ON_DEMAND,
    )
