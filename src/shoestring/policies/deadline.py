"""The deadline policy: never late, and as cheap as the market allows. The default for jobs with a deadline.

It watches every spot offer, learns how long each lasts and stays away (:mod:`shoestring.market.memory`),
and at each decision ranks waiting, each spot offer and the best guaranteed offer by what the whole rest of
the job is expected to cost (:mod:`shoestring.policies.lookahead`).

**Never late**, within the bounds of ``RunView.bounds`` and while guaranteed capacity is granted within its
stated retries (with ``p_capacity`` known, early enough for 99.9 %): waiting and spot are chosen only while
the guard's slack is not negative (:mod:`shoestring.policies.guard` has the proof; here
``slack >= 0`` at every such decision, and otherwise the run is, or is being switched, on guaranteed
capacity, which it then never leaves while slack is negative). Nothing learnt enters the guard.

**Bounded cost**: a run with a deadline chooses waiting or spot only while what was spent plus the worst end
of the step stays within ``Style.cost_cap`` (103 %) of the bill of guaranteed capacity from the first moment.
Later price rises and failed guaranteed launches come on top: no policy can bound those.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import numpy as np

from shoestring.domain.fleet import Action, FleetView, Phase, RunView, Save
from shoestring.domain.offer import Offer
from shoestring.domain.units import describe_duration, seconds_between
from shoestring.domain.workload import Goal
from shoestring.market.estimate import Learning, Terms, outlook
from shoestring.market.memory import Memory, blank, extended, observe, recount
from shoestring.market.value import solve
from shoestring.policies.acts import decidable, go, reason
from shoestring.policies.base import cost_to_finish_usd, is_guaranteed
from shoestring.policies.budget import within_budget
from shoestring.policies.footing import Footing, footing
from shoestring.policies.lookahead import (
    ON_DEMAND,
    SPOT,
    WAIT,
    Option,
    Plan,
    Style,
    options,
    plan_step_s,
)
from shoestring.policies.uniform_progress import UniformProgress

STEP_S = 600.0  # of the memory; tables of long jobs use a multiple of it
MOVE_MARGIN = 0.05  # leaving guaranteed capacity for other guaranteed capacity must save this share
PLAIN = Style()
NOTHING_SEEN = blank(0, STEP_S)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watch:
    """What the policy has learnt. ``basis``: evidence that the tables in force were made from."""

    ids: tuple[str, ...] = ()
    memory: Memory = NOTHING_SEEN
    at: datetime | None = None
    basis: Memory = NOTHING_SEEN
    basis_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The policy; see the module. ``style`` holds its few constants."""

    style: Style = PLAIN
    name: str = "deadline"
    version: int = 1

    def start(self) -> Watch:
        """Nothing seen yet: the pooled prior holds."""
        return Watch()

    def update(self, belief: Watch, view: FleetView) -> Watch:
        """The market after one more look; what was not said to change is taken to have lasted until now."""
        watch = _seen(belief, view)
        stale = watch.basis_at is None or seconds_between(watch.basis_at, view.now) >= self.style.replan_s
        if stale or watch.basis.zones != len(watch.ids):
            return replace(watch, basis=watch.memory, basis_at=view.now)
        return watch

    def decide(self, belief: Watch, view: FleetView) -> tuple[Action, ...]:
        """One action for each run that waits or runs and can be reached."""
        watch = self.update(belief, view)
        actions = []
        for run in decidable(view.runs):
            action = within_budget(run, self._decide_one(watch, run, view), view)
            if action is not None:
                actions.append(action)
        return tuple(actions)

    def _decide_one(self, watch: Watch, run: RunView, view: FleetView) -> Action | None:
        attempt = run.attempt
        if attempt is not None and attempt.phase in (Phase.STOPPING, Phase.NOTICED, Phase.UNKNOWN):
            return None  # it is on its way out, or nobody can say: wait for the next look
        stand = footing(run, view, watch.memory, watch.ids)
        if stand is None or (run.goal is Goal.FASTEST and run.deadline is None):
            return _simple(run, view)
        if stand.current is not None and is_guaranteed(stand.current):
            better = _better_guaranteed(stand)
            if better is not None:
                return better
        plan = self._plan(watch, stand)
        ranked = options(plan, recount(stand.memory, plan.step_s), stand.situation, self.style)
        return _save_first(stand, ranked[0]) or explained(stand, ranked)

    def _plan(self, watch: Watch, stand: Footing) -> Plan:
        step_s = plan_step_s(STEP_S, stand.span_s)
        order = tuple(
            watch.ids.index(z.id) if z is not None and z.id in watch.ids else -1 for z in stand.zones
        )
        steps = int(max(stand.span_s, stand.situation.time_left_s) // step_s) + 1
        return _plan(watch.basis, order, stand.terms, step_s, steps, self.style.learning)


@lru_cache(maxsize=32)
def _plan(
    basis: Memory, columns: tuple[int, ...], terms: Terms, step_s: float, steps: int, learning: Learning
) -> Plan:
    """Tables by what they are made from: a cache, no knowledge. Slack may reach the whole horizon."""
    market = outlook(recount(extended(basis, columns), step_s), terms, learning)
    return Plan(terms, market, solve(market, steps, steps * step_s))


def _seen(belief: Watch, view: FleetView) -> Watch:
    """The belief with every spot offer of the view brought to its moment; an unknown state stays as it was."""
    spot = {o.id: o.available for o in view.offers.values() if not is_guaranteed(o)}
    ids = tuple(sorted({*belief.ids, *spot}))
    if not ids:
        return replace(belief, at=view.now)
    columns = tuple(belief.ids.index(i) if i in belief.ids else -1 for i in ids)
    memory, basis = extended(belief.memory, columns), extended(belief.basis, columns)
    before = np.ones(len(ids), dtype=bool) if memory.up is None else memory.up
    states = [spot.get(i, False) for i in ids]
    up = np.array([b if s is None else s for b, s in zip(before, states, strict=True)], dtype=bool)
    if memory.up is not None:  # a zone seen for the first time has not just changed
        memory = replace(memory, up=np.where(np.array(columns) < 0, up, memory.up))
    elapsed_s = 0.0 if belief.at is None else max(seconds_between(belief.at, view.now), 0.0)
    memory = observe(memory, up, elapsed_s)
    same = ids == belief.ids
    return replace(belief, ids=ids, memory=memory, at=view.now, basis=belief.basis if same else basis)


def _simple(run: RunView, view: FleetView) -> Action | None:
    """Where the future can't be priced (unknown work, nothing guaranteed, no spot at all): Uniform Progress."""
    alone = FleetView(now=view.now, runs=(run,), offers=view.offers, pools=view.pools)
    return next(iter(UniformProgress().decide(None, alone)), None)


def _better_guaranteed(stand: Footing) -> Action | None:
    """A move between guaranteed offers, e.g. to owned hours that have become free."""
    run, here, there = stand.run, stand.current, stand.guaranteed
    assert here is not None
    stay, go_on = cost_to_finish_usd(here, run), cost_to_finish_usd(there, run)
    if here.id == there.id or stay is None or go_on is None or go_on >= (1 - MOVE_MARGIN) * stay:
        return None
    text = f"{there.id} finishes for {go_on:.2f} $ instead of {stay:.2f} $, the move included"
    if stand.slack_s is not None and stand.slack_s < 0:
        return None  # no time for another restart
    numbers = {"usd": go_on, "stay_usd": stay, "slack_s": stand.slack_s}
    return go(
        run, there, "cheaper_guaranteed", text, numbers, runner_up=f"stay on {here.id}", saving=stay - go_on
    )


def _save_first(stand: Footing, chosen: Option) -> Action | None:
    """Near the guard's line unsaved work is what endangers spot: save it while there is time to."""
    run, slack_s = stand.run, stand.slack_s
    if (
        slack_s is None
        or chosen.kind != SPOT
        or run.attempt is None
        or run.attempt.phase is not Phase.TRAINING
    ):
        return None
    soon_s = 2 * (run.bounds.poll_gap_s + run.bounds.save_s)
    if run.checkpoint_age_s <= run.bounds.save_s or not 0 <= slack_s < soon_s:
        return None
    text = f"{describe_duration(run.checkpoint_age_s)} of work are not saved, and the deadline is near"
    numbers = {"slack_s": slack_s, "checkpoint_age_s": run.checkpoint_age_s}
    return Save(run_id=run.run_id, reason=reason("save_first", text, numbers, "hold", None))


def explained(stand: Footing, ranked: list[Option]) -> Action:
    """The best option as an action, with why, the numbers used and what came second."""
    run, chosen = stand.run, ranked[0]
    second = ranked[1] if len(ranked) > 1 else None
    to = _offer(stand, chosen)
    code, text = _why(stand, chosen, to)
    numbers = {
        "expected_usd": chosen.usd,
        "runner_up_usd": None if second is None else second.usd,
        "slack_s": stand.slack_s,
        "work_left_s": stand.situation.work_left_s,
    }
    if chosen.kind == SPOT and chosen.zone is not None:
        numbers["up_for_s"] = float(stand.memory.age_s[chosen.zone])
    name = None if second is None else _named(stand, second)
    saving = None if second is None else second.usd - chosen.usd
    return go(run, to, code, text, numbers, runner_up=name, saving=saving)


def _why(stand: Footing, chosen: Option, to: Offer | None) -> tuple[str, str]:
    running, up = stand.situation.running, stand.memory.up
    assert up is not None
    if chosen.kind == WAIT:
        if up.any():
            return "skip_spot", "what is up now is likely to be lost too soon, or too dear to move to"
        return "wait_for_spot", "no spot is up, and there is time to wait for it"
    if chosen.kind == SPOT:
        assert to is not None
        age = describe_duration(float(stand.memory.age_s[chosen.zone or 0]))
        if running == SPOT and stand.situation.zone == chosen.zone:
            return "keep_spot", f"{to.place} has been up for {age}"
        if running == SPOT:
            return "move", f"{to.place} is worth more than its move costs"
        if running == ON_DEMAND:
            return "leave_on_demand", f"{to.place} has been up for {age}, and there is slack to risk it"
        return "spot_up", f"{to.place} has been up for {age}"
    if stand.slack_s is not None and stand.slack_s < 0:
        return "deadline_guard", "a switch to guaranteed capacity can't wait any longer"
    if running == ON_DEMAND:
        return "stay_guaranteed", "leaving guaranteed capacity would cost more than it saves"
    if stand.terms.on_demand_usd_per_hour[0] <= min(stand.terms.spot_usd_per_hour):
        return "cheapest", "nothing finishes the job for less"
    return "buy_time", "waiting for spot would cost more in the end than guaranteed capacity now"


def _offer(stand: Footing, option: Option) -> Offer | None:
    if option.kind == WAIT:
        return None
    if option.kind == SPOT:
        return stand.zones[option.zone or 0]
    return stand.current if stand.situation.running == ON_DEMAND else stand.guaranteed


def _named(stand: Footing, option: Option) -> str:
    offer = _offer(stand, option)
    return "wait" if offer is None else offer.id
