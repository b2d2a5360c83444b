"""A market in numbers that an adversary drives, and one run in it under any policy.

The adversary chooses availability, prices, boot times, failed launches, save times and the time between two
decisions, within the run"s stated bounds; unsaved work is lost with the instance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

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
)
from shoestring.domain.offer import Market, Offer, Price
from shoestring.domain.run import RunState

START = datetime(2026, 11, 2, tzinfo=UTC)
Luck = Callable[[str, int], int]  # luck(what, n) is one of 0 .. n - 1; more is worse


def offer(
    place: str, market: Market = Market.SPOT, usd: float = 1.0, *, up: bool | None = True, **more: object
) -> Offer:
    """An offer of the same machine in a place."""
    return Offer(
        id=f"cloud/{place}/g.1x/{market}",
        executor="cloud",
        provider="cloud",
        region=place.rstrip("abc"),
        zone=place,
        market=market,
        instance_type="g.1x",
        price=Price(usd_per_hour=Decimal(str(usd)), source="test", as_of=START),
        accelerator="G",
        accelerator_count=1,
        available=up,
        **more,  # type: ignore[arg-type]
    )


def run_view(work_h: float, deadline_h: float | None, eligible: Sequence[str], **more: object) -> RunView:
    """A run of ``work_h`` hours that has just been submitted, or stands where ``more`` says."""
    fields: dict[str, object] = {
        "run_id": "job",
        "state": RunState.WAITING,
        "submitted_at": START,
        "work_total_s": {"G": work_h * 3600},
        "work_left_s": {"G": work_h * 3600},
        "deadline": None if deadline_h is None else START + timedelta(hours=deadline_h),
        "eligible": tuple(eligible),
        "restart_s": 300.0,
        "bounds": Bounds(boot_s=600.0, poll_gap_s=300.0),
    }
    return RunView(**(fields | more))  # type: ignore[arg-type]


@dataclass
class Game:
    """One run against the adversary ``luck``. Times are seconds since the start."""

    luck: Luck
    work_s: float
    deadline_s: float
    bounds: Bounds
    spot: Sequence[str]
    restart_s: float = 300.0
    move_usd: float = 0.0
    now_s: float = 0.0
    saved_s: float = 0.0
    unsaved_s: float = 0.0
    held: Offer | None = None
    ready_s: float = 0.0  # when the held instance begins to work
    stopping_s: float | None = None  # when it will have been given back
    launched_s: float = 0.0
    home: str | None = None
    refused: int = 0
    usd: float = 0.0
    launches: int = 0
    said: list[Action] = field(default_factory=list)
    _offers: dict[str, Offer] = field(default_factory=dict)

    def play(self, policy: object) -> float:
        """The time at which the job ended. Raises AssertionError when it never does."""
        self._shuffle()
        belief = policy.start()  # type: ignore[attr-defined]
        while self.now_s < 4 * self.deadline_s:
            view = self._view()
            belief = policy.update(belief, view)  # type: ignore[attr-defined]
            failed = self._act(policy.decide(belief, view))  # type: ignore[attr-defined]
            gap_s = self.bounds.poll_gap_s * (1 + self.luck("gap", 4)) / 4 + (
                self.bounds.retry_s if failed else 0
            )
            end_s = self._pass(gap_s)
            if end_s is not None:
                return end_s
            self._shuffle()
        raise AssertionError("the job never ended")

    def _view(self) -> FleetView:
        attempt = None
        if self.held is not None:
            booting = self.now_s < self.ready_s
            phase = Phase.BOOTING if booting else Phase.TRAINING
            attempt = AttemptView(
                attempt_id=f"job-{self.launches}", offer_id=self.held.id, place=self.held.place,
                phase=Phase.STOPPING if self.stopping_s is not None else phase,
                age_s=self.now_s - self.launched_s, restart_left_s=max(0.0, self.ready_s - self.now_s),
            )  # fmt: skip
        run = run_view(
            self.work_s / 3600, self.deadline_s / 3600, sorted(self._offers),
            state=RunState.WAITING if attempt is None else RunState.RUNNING,
            work_left_s={"G": self.work_s - self.saved_s - self.unsaved_s},
            attempt=attempt, spent_usd=self.usd, restart_s=self.restart_s, bounds=self.bounds,
            checkpoint_age_s=self.unsaved_s, checkpoint_place=self.home,
            move_usd={} if self.home is None else {z: self.move_usd for z in self.spot if z != self.home},
        )  # fmt: skip
        return FleetView(now=START + timedelta(seconds=self.now_s), runs=(run,), offers=dict(self._offers))

    def _act(self, actions: Sequence[Action]) -> bool:
        """Carry the actions out; True if a launch was refused."""
        assert len(actions) <= 1
        self.said.extend(actions)
        for action in actions:
            if isinstance(action, Launch):
                assert self.held is None, "launched while an instance is held"
                return self._launch(self._offers[action.offer_id])
            if isinstance(action, Release) and self.held is not None and self.stopping_s is None:
                self.stopping_s = self.now_s + self.bounds.save_s * self.luck("save", 3) / 2
            if isinstance(action, Save):
                self.saved_s, self.unsaved_s = self.saved_s + self.unsaved_s, 0.0
        return False

    def _launch(self, wanted: Offer) -> bool:
        spot = wanted.market is Market.SPOT
        assert wanted.available is not False or not spot, f"{wanted.id} is known to be gone"
        refuse = self.luck("refuse", 2) == 1
        if refuse and (spot or self.refused < self.bounds.launch_retries):
            self.refused += 0 if spot else 1
            return True
        if self.home not in (None, wanted.place):
            self.usd += self.move_usd
        self.held, self.refused, self.home = wanted, 0, wanted.place
        self.launches, self.launched_s = self.launches + 1, self.now_s
        self.ready_s = self.now_s + self.bounds.boot_s * (1 + self.luck("boot", 4)) / 4
        return False

    def _pass(self, gap_s: float) -> float | None:
        """Let time pass; the end of the job if it ends."""
        until_s = self.now_s + gap_s
        if self.held is not None:
            lost_s = None
            if self.held.market is Market.SPOT and self.luck("lost", 3) == 2:
                lost_s = self.now_s + gap_s * self.luck("when lost", 3) / 2
            stop_s = min(until_s, lost_s if lost_s is not None else until_s, self.stopping_s or until_s)
            done_s = 0.0 if self.stopping_s is not None else max(0.0, stop_s - max(self.now_s, self.ready_s))
            left_s = self.work_s - self.saved_s - self.unsaved_s
            price = float(self.held.price.usd_per_hour or 0)
            if done_s >= left_s:
                self.usd += price * (stop_s - done_s + left_s - self.now_s) / 3600
                return stop_s - done_s + left_s
            self.usd += price * (stop_s - self.now_s) / 3600
            self.unsaved_s += done_s
            if self.luck("unsaved", 2) == 0:  # the job saves by itself now and then
                self.saved_s, self.unsaved_s = self.saved_s + self.unsaved_s, 0.0
            if lost_s is not None and stop_s == lost_s:
                self.held, self.unsaved_s, self.stopping_s = None, 0.0, None
            elif self.stopping_s is not None and stop_s == self.stopping_s:
                self.saved_s += self.unsaved_s
                self.held, self.unsaved_s, self.stopping_s = None, 0.0, None
        self.now_s = until_s
        return None

    def _shuffle(self) -> None:
        """The market until the next decision. Guaranteed capacity keeps its price."""
        self._offers = {}
        for place in self.spot:
            up = self.luck("down", 3) != 2
            made = offer(place, usd=round(0.5 + 0.5 * self.luck("price", 4), 2), up=up)
            self._offers[made.id] = made
        safe = offer("west-1a", Market.ON_DEMAND, 3.0)
        self._offers[safe.id] = safe
