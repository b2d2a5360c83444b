"""Uniform Progress: keep to the straight line from nothing to done, on spot where there is spot.

Source: Wu et al., "Can't Be Late", NSDI'24, section 4 (parameter-free policy), with its hysteresis for
leaving on-demand as an option. The hard deadline guard (:mod:`shoestring.policies.guard`) stands above it.
"""

from dataclasses import dataclass

from shoestring.domain.fleet import (
    Action,
    AttemptView,
    FleetView,
    Hold,
    Launch,
    Phase,
    Reason,
    Release,
    RunView,
)
from shoestring.domain.offer import Offer
from shoestring.domain.run import RunState
from shoestring.domain.units import describe_duration, seconds_between
from shoestring.domain.workload import Goal
from shoestring.policies.base import best, cost_to_finish_usd, eligible_offers, is_guaranteed
from shoestring.policies.budget import within_budget
from shoestring.policies.gang import is_short, replaced_at_once
from shoestring.policies.guard import slack_s

MOVE_MARGIN = 0.05  # a move must save this share of the cost to finish, beyond its own cost


@dataclass(frozen=True, slots=True)
class Choices:
    """The best offer of each kind for one run now; None if there is none."""

    spot: Offer | None
    guaranteed: Offer | None
    current: Offer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformProgress:
    """Uniform Progress over one or many zones.

    Attributes:
        hysteresis: leave on-demand only when progress would still be on the line two restarts later.
    """

    hysteresis: bool = True
    name: str = "uniform_progress"
    version: int = 1

    def start(self) -> None:
        """Nothing to learn: the policy is parameter-free."""

    def update(self, belief: None, view: FleetView) -> None:
        """Nothing to learn."""

    def decide(self, belief: None, view: FleetView) -> tuple[Action, ...]:
        """One action for each run that is not at its end."""
        actions = []
        for run in sorted(view.runs, key=lambda r: r.run_id):
            if run.state in (RunState.WAITING, RunState.RUNNING):
                action = within_budget(run, self._decide_one(run, view), view)
                if action is not None:
                    actions.append(action)
        return tuple(actions)

    def _decide_one(self, run: RunView, view: FleetView) -> Action | None:
        attempt = run.attempt
        if attempt is not None and attempt.phase in (Phase.STOPPING, Phase.NOTICED, Phase.UNKNOWN):
            return None  # it is on its way out, or nobody can say: wait for the next look
        if is_short(run):
            return replaced_at_once(run, view)
        choices = choose(run, view)
        if attempt is None:
            return self._idle(run, view, choices)
        if choices.current is not None and is_guaranteed(choices.current):
            return self._on_guaranteed(run, view, choices)
        return _on_spot(run, view, attempt, choices)

    def _idle(self, run: RunView, view: FleetView, choices: Choices) -> Action:
        spot, guaranteed = choices.spot, choices.guaranteed
        slack = slack_s(run, guaranteed, view.now, extra_s=run.restart_s)
        behind = behind_line_s(run, guaranteed, view)
        numbers = _numbers(slack, behind)
        if spot is None and guaranteed is None:
            return _hold(run, "no_offer", "nothing this run may use is available now", numbers)
        if slack is not None and slack < 0 and guaranteed is not None:
            known = run.work_left_on(guaranteed) is not None
            text = "a switch to guaranteed capacity can't wait any longer"
            if not known:
                text = "how much work is left is unknown: measure it where nothing is taken away"
            return _launch(run, guaranteed, "deadline_guard", text, numbers, spot)
        if spot is not None and (guaranteed is None or _worth(spot, guaranteed, run)):
            return _launch(run, spot, "spot_up", f"spot is up in {spot.place}", numbers, guaranteed)
        if guaranteed is not None:
            if spot is not None or not _could_get_spot(run, view):
                return _launch(run, guaranteed, "cheapest", "nothing cheaper finishes the job", numbers, spot)
            if run.goal is not Goal.CHEAPEST:
                return _launch(
                    run, guaranteed, "no_spot", f"no spot now, and the goal is {run.goal}", numbers, None
                )
            if behind is not None and behind > 0:
                text = f"{describe_duration(behind)} behind the line and no spot is up"
                return _launch(run, guaranteed, "behind_line", text, numbers, None)
        return _hold(run, "wait_for_spot", "on or ahead of the line: wait for spot", numbers)

    def _on_guaranteed(self, run: RunView, view: FleetView, choices: Choices) -> Action:
        spot, current = choices.spot, choices.current
        two_restarts = 2 * run.restart_s if self.hysteresis else run.restart_s
        slack = slack_s(run, current, view.now, extra_s=two_restarts)
        behind = behind_line_s(run, current, view, ahead_s=two_restarts if self.hysteresis else 0.0)
        numbers = _numbers(slack, behind)
        assert current is not None
        if spot is None or not _worth(spot, current, run):
            return _hold(run, "stay", "nothing cheaper would finish the job", numbers)
        if (slack is not None and slack < 0) or (behind is not None and behind > 0):
            return _hold(run, "stay_guaranteed", "too close to the line to risk spot", numbers, spot)
        return _release(run, spot, "leave_on_demand", "ahead of the line and spot is up", numbers, current)


def _on_spot(run: RunView, view: FleetView, attempt: AttemptView, choices: Choices) -> Action:
    slack = slack_s(run, choices.guaranteed, view.now)
    numbers = _numbers(slack, None)
    if slack is not None and slack < 0 and choices.guaranteed is not None:
        text = "losing this instance now would cost the deadline"
        return _release(run, choices.guaranteed, "deadline_guard", text, numbers, choices.current)
    better = choices.spot
    if better is not None and choices.current is not None and better.id != choices.current.id:
        there, here = cost_to_finish_usd(better, run), cost_to_finish_usd(choices.current, run)
        calm = attempt.phase is Phase.TRAINING and (slack is None or slack > run.restart_s)
        if there is not None and here is not None and calm and there < (1 - MOVE_MARGIN) * here:
            text = f"{better.place} finishes for {there:.2f} $ instead of {here:.2f} $, the move included"
            return _release(run, better, "cheaper_elsewhere", text, numbers, choices.current, here - there)
    return _hold(run, "keep_spot", "spot holds", numbers)


def choose(run: RunView, view: FleetView) -> Choices:
    """The best spot and the best guaranteed offer for a run, by its goal."""
    spot: list[Offer] = []
    guaranteed: list[Offer] = []
    for offer in eligible_offers(run, view):
        (guaranteed if is_guaranteed(offer) else spot).append(offer)
    current = view.offers.get(run.attempt.offer_id) if run.attempt is not None else None
    safe = best(guaranteed, run)
    if current is not None and is_guaranteed(current) and current.id in {o.id for o in guaranteed}:
        safe = current  # already there: the guard's switch costs nothing
    return Choices(spot=best(spot, run), guaranteed=safe, current=current)


def behind_line_s(run: RunView, on: Offer | None, view: FleetView, *, ahead_s: float = 0.0) -> float | None:
    """Seconds of work by which the run is behind its line ``work x t / deadline``; negative when ahead.

    Args:
        ahead_s: look at the line so many seconds from now.

    Returns:
        None without a deadline, or when the work on that offer is unknown.
    """
    if run.deadline is None or on is None:
        return None
    accelerator = on.accelerator or "cpu"
    total, left = run.work_total_s.get(accelerator), run.work_left_s.get(accelerator)
    if total is None or left is None:
        return None
    span = seconds_between(run.submitted_at, run.deadline)
    elapsed = min(seconds_between(run.submitted_at, view.now) + ahead_s, span)
    return total * elapsed / span - (total - left)


def _worth(spot: Offer, guaranteed: Offer, run: RunView) -> bool:
    there, here = cost_to_finish_usd(spot, run), cost_to_finish_usd(guaranteed, run)
    if there is None or here is None:  # unknown speed: compare what is known, the prices
        spot_usd, guaranteed_usd = spot.price.usd_per_hour, guaranteed.price.usd_per_hour
        return spot_usd is not None and (guaranteed_usd is None or spot_usd < guaranteed_usd)
    return there < here


def _could_get_spot(run: RunView, view: FleetView) -> bool:
    return any(not is_guaranteed(view.offers[i]) for i in run.eligible if i in view.offers)


def _numbers(slack: float | None, behind: float | None) -> dict[str, float]:
    pairs = {"slack_s": slack, "behind_line_s": behind}
    return {name: round(value, 3) for name, value in pairs.items() if value is not None and abs(value) < 1e15}


def _hold(
    run: RunView, code: str, text: str, numbers: dict[str, float], runner_up: Offer | None = None
) -> Hold:
    second = None if runner_up is None else runner_up.id
    return Hold(run_id=run.run_id, reason=Reason(code=code, text=text, numbers=numbers, runner_up=second))


def _launch(
    run: RunView, offer: Offer, code: str, text: str, numbers: dict[str, float], runner_up: Offer | None
) -> Launch:
    second = "wait" if runner_up is None else runner_up.id
    saving = None
    if runner_up is not None:
        there, here = cost_to_finish_usd(offer, run), cost_to_finish_usd(runner_up, run)
        saving = None if there is None or here is None else round(here - there, 6)
    reason = Reason(code=code, text=text, numbers=numbers, runner_up=second, saving_usd=saving)
    return Launch(run_id=run.run_id, offer_id=offer.id, reason=reason)


def _release(
    run: RunView,
    to: Offer,
    code: str,
    text: str,
    numbers: dict[str, float],
    stay: Offer | None,
    saving: float | None = None,
) -> Release:
    second = None if stay is None else f"stay on {stay.id}"
    reason = Reason(code=code, text=text, numbers=numbers, runner_up=second, saving_usd=saving)
    return Release(run_id=run.run_id, to_offer_id=to.id, reason=reason)
