"""The deadline policy: never late, and as cheap as the market allows (``--policy deadline``).

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

from dataclasses import dataclass
from functools import lru_cache

from shoestring.domain.fleet import Action, FleetView, Phase, RunView, Save
from shoestring.domain.offer import Offer
from shoestring.domain.units import describe_duration
from shoestring.domain.workload import Goal
from shoestring.market.estimate import Learning, Terms, outlook
from shoestring.market.memory import Memory, extended, recount
from shoestring.market.value import solve
from shoestring.policies.acts import decidable, go, leaving, reason
from shoestring.policies.base import cost_to_finish_usd, is_guaranteed
from shoestring.policies.budget import within_budget
from shoestring.policies.footing import Footing, footing
from shoestring.policies.gang import hold_or_release, is_short, with_its_place
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
from shoestring.policies.watch import STEP_S, Watch, watched

MOVE_MARGIN = 0.05  # leaving guaranteed capacity for other guaranteed capacity must save this share
PLAIN = Style()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """The policy; see the module. ``style`` holds its few constants."""

    style: Style = PLAIN
    name: str = "deadline"
    version: int = 2

    def start(self) -> Watch:
        """Nothing seen yet: the pooled prior holds."""
        return Watch()

    def update(self, belief: Watch, view: FleetView) -> Watch:
        """The market after one more look; what was not said to change is taken to have lasted until now."""
        return watched(belief, view, fresh_s=self.style.replan_s)

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
        if leaving(run):
            return None
        stand = footing(with_its_place(run), view, watch.memory, watch.ids)
        if stand is None or (run.goal is Goal.FASTEST and run.deadline is None):
            return _simple(run, view)
        if is_short(run):
            return hold_or_release(stand, run, self._plan(watch, stand), self.style, view)
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
    second = next((o for o in ranked if _keeps(stand, o)), None)
    if second is None or second is chosen:
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


def _keeps(stand: Footing, option: Option) -> bool:
    """Whether this option goes on with what runs: the natural rival of a change."""
    now = stand.situation
    return now.running is not None and option.kind == now.running and option.zone in (now.zone, now.home)


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
    if stand.situation.running == ON_DEMAND:
        return stand.current
    twin = None if option.zone is None else stand.twins[option.zone]
    return twin or stand.guaranteed


def _named(stand: Footing, option: Option) -> str:
    offer = _offer(stand, option)
    return "wait" if offer is None else offer.id
