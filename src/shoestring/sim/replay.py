"""One run of a production policy on a known market: the policy sees a FleetView, each step, and is obeyed.

The semantics are those of the omniscient optimum (:mod:`shoestring.market.optimum`) and of the literature (Wu et
al., "Can't Be Late", NSDI'24), so that costs can be compared to the cent: the market is constant within a step;
every launch owes one restart; a step on an instance is billed in full; work is never lost, only restarts are.
A run that has not ended at its deadline is late; guaranteed capacity then does the rest, and is billed.
"""

import math
from datetime import timedelta

from shoestring.domain.fleet import (
    Action,
    AttemptView,
    Bounds,
    FleetView,
    Hold,
    Launch,
    Phase,
    Reason,
    Release,
    RunView,
    Suspend,
)
from shoestring.domain.offer import Market, Offer
from shoestring.domain.run import RunState
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.policies.base import Policy
from shoestring.sim.known import KnownJob, KnownWindow, Played, Turn
from shoestring.sim.quotes import Quotes, offer_id_of

DONE_S = 1e-6
LOOKS = 2  # in a step: production looks again as soon as an instance is given back


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
        self.quotes = Quotes(window)
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
        self.waits_for: str | None = None  # the reason last noted for holding nothing

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
                case Hold() if self.held is None and action.reason.code != self.waits_for:
                    self.waits_for = action.reason.code
                    self._note("wait", step, action.reason)
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
        self.waits_for = None
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
            self.held = self.quotes.fixed[offer_id_of(self.home or self.window.zones[0], Market.ON_DEMAND)]
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
