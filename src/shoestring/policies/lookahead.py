"""The decision core: one step of lookahead into the tables of a modelled market, behind two guards.

Numbers in, ranked options out. The production policy (:mod:`shoestring.policies.deadline`) and the adapter
of the referee both call this, and nothing else decides. Zones are positions in fixed tuples.

**Never late.** Let T be the time left, W the work left, d the restart, h the step until the next decision.
On-demand launched now ends in time iff ``T - W >= d`` (feasible). An option is offered only if, whatever
the market does during the step, the run is feasible again at its end, or has ended, or runs on on-demand:

* wait: nothing is done, so ``T - h - W >= d`` is demanded;
* spot (kept or launched, with r of restart still owed): in the step ``h - min(r, h)`` of work is done, and a
  loss forgets the rest of the restart, so ``T - W - min(r, h) >= d`` is demanded;
* on-demand: each step does as much work as time passes once the restart is over, so it stays in time.

By induction every decision has an option: on-demand at the least. The bound is exact, on unrounded numbers;
what the tables promise plays no part in it. It holds if on-demand starts within d of being asked for, and
work is always saved. Where neither is so, the caller gives the slack of :mod:`shoestring.policies.guard`,
which counts unsaved work, missed polls, failed launches and slow boots; then waiting and spot are offered
only while that slack is not negative (the guard's docstring has the proof).

**Never much dearer than on-demand.** An option is offered only if what was spent, plus the step, plus
finishing on on-demand from the worst end of the step stays within ``cost_cap`` times the bill of a run that
takes on-demand from its first moment, or within ``futile_restarts`` restarts above it where that is more (a
short job must be allowed to try spot at all); on-demand itself is always offered.
"""

import math
from dataclasses import dataclass

from shoestring.market.estimate import Learning, Terms, outlook
from shoestring.market.memory import Memory
from shoestring.market.value import Array, Outlook, ValueTables, solve

WAIT, SPOT, ON_DEMAND = "wait", "spot", "on_demand"
INFINITE = float("inf")
TABLE_STEPS = 600  # a longer horizon is planned in coarser steps


PRIOR_LEARNING = Learning()


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How the lookahead weighs its options.

    Attributes:
        learning: how fast evidence replaces the prior.
        haste_h: waiting while spot could be had without a move must save what so many hours on that spot
            save against on-demand: slack is worth more than the model knows.
        move_margin: a paid move must save its price and this share of it while spot at home is up: such a move is
            made for a price, which is known.
        leave_margin: the same while spot at home is gone: it may come back, and the move is paid for certain.
        switch_margin: leaving a running instance for another zone must save this many restarts.
        cost_cap: worst admissible bill relative to on-demand from the start.
        futile_restarts: restarts on on-demand, with a step each, that the bill may be above it in any case.
        replan_s: how long tables are kept before they are made anew from what has been seen since.
    """

    learning: Learning = PRIOR_LEARNING
    haste_h: float = 0.3
    move_margin: float = 0.1
    leave_margin: float = 0.5
    switch_margin: float = 0.0
    cost_cap: float = 1.03
    futile_restarts: float = 2.0
    replan_s: float = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One run at one decision.

    Attributes:
        time_left_s: until the deadline. work_left_s: useful work. restart_left_s: owed by what runs.
        step_s: until the next decision, at most.
        running: ``spot``, ``on_demand`` or None. zone: where; None if nothing runs.
        home: where the checkpoint lies; None before the first launch (which then moves nothing).
        spent_usd: so far. baseline_usd: what on-demand from the first moment would cost in total; infinite
            if there is nothing to compare with.
        guard_slack_s: of the deadline guard, infinite without a deadline; None: the exact rule above.
        attempt_age_s: how long what runs has been billed; matters for first-hour-free rules.
    """

    time_left_s: float
    work_left_s: float
    restart_left_s: float
    step_s: float
    running: str | None
    zone: int | None
    home: int | None
    spent_usd: float = 0.0
    baseline_usd: float = INFINITE
    guard_slack_s: float | None = None
    attempt_age_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Something to do for one step. ``usd``: expected dollars from now to the end of the job."""

    kind: str
    zone: int | None
    usd: float
    moves: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Tables with what they were made for. ``step_s`` may be a multiple of the time between decisions."""

    terms: Terms
    outlook: Outlook
    tables: ValueTables

    @property
    def step_s(self) -> float:
        return self.outlook.step_s


def plan_step_s(step_s: float, horizon_s: float) -> float:
    """Step of the tables: the decisions' own, or a multiple of it for long horizons."""
    return step_s * max(1, math.ceil(horizon_s / step_s / TABLE_STEPS))


def make_plan(memory: Memory, terms: Terms, situation: Situation, style: Style) -> Plan:
    """Tables from this moment on; ``memory`` must count in the plan's step."""
    step_s = memory.ages.step_s
    steps = math.ceil(situation.time_left_s / step_s)
    slack_s = max(situation.time_left_s - situation.work_left_s, step_s)
    market = outlook(memory, terms, style.learning)
    return Plan(terms, market, solve(market, steps, slack_s))


def options(plan: Plan, memory: Memory, now: Situation, style: Style) -> list[Option]:
    """What may be done, best first; never empty."""
    weigh = _Weighing(plan, memory, now, style)
    wishes = [*weigh.waits(), *weigh.spots()]
    safe = [o for o in wishes if in_time(o, now, plan.terms) and weigh.affordable(o)]
    ranked = [*safe, weigh.buys()]
    return sorted(ranked, key=lambda o: (o.usd, (ON_DEMAND, SPOT, WAIT).index(o.kind), o.zone or 0))


def in_time(option: Option, now: Situation, terms: Terms) -> bool:
    """Whether on-demand at the next decision would still end in time (see the module's proof)."""
    restart_s = terms.restart_s
    if now.guard_slack_s is not None:
        return now.guard_slack_s >= 0
    if option.kind == WAIT:
        return now.time_left_s - now.step_s - now.work_left_s >= restart_s - 1e-9
    owed_s = _owed_s(option, now, terms)
    if now.work_left_s + owed_s <= now.step_s:
        return now.time_left_s >= now.step_s  # it will have ended by then, if spot lasts the step
    return now.time_left_s - now.work_left_s - min(owed_s, now.step_s) >= restart_s - 1e-9


def _owed_s(option: Option, now: Situation, terms: Terms) -> float:
    kept = option.kind == now.running and option.zone == now.zone
    return now.restart_left_s if kept else terms.restart_s


class _Weighing:
    """Expected cost of each option; holds the numbers that they share."""

    def __init__(self, plan: Plan, memory: Memory, now: Situation, style: Style) -> None:
        assert memory.up is not None
        self.plan, self.now, self.style, self.memory = plan, now, style, memory
        self.terms, self.tables = plan.terms, plan.tables
        self.phase = memory.phase().tolist()
        self.up = [zone for zone, up in enumerate(memory.up.tolist()) if up]
        self.hours = plan.step_s / 3600
        self.left = max(math.ceil(now.time_left_s / plan.step_s - 1e-9) - 1, 0)
        self.slack_s = now.time_left_s - now.work_left_s
        self.margin = style.move_margin if now.home in self.up else style.leave_margin
        self.homes = range(memory.zones) if now.home is None else (now.home,)

    def waits(self) -> list[Option]:
        terms = self.terms
        if min(terms.on_demand_usd_per_hour) <= min(terms.spot_usd_per_hour):
            return []  # nothing to wait for
        if self.slack_s < self.plan.step_s:
            return []  # a step of waiting passes the tables' end, where all that is left would cost nothing
        value = self._unbound(self.tables.idle, self.slack_s - self.plan.step_s, haste=True)
        value += max((self._haste_usd(z) for z in self.up if self._move_usd(z) == 0), default=0.0)
        return [Option(kind=WAIT, zone=None, usd=value)]

    def buys(self) -> Option:
        now = self.now
        running = now.running == ON_DEMAND
        zone = now.zone if running else now.home
        slack_s = self.slack_s - (now.restart_left_s if running else self.terms.restart_s)
        hourly, table = self.terms.on_demand_usd_per_hour, self.tables.on_demand
        if zone is None:  # the checkpoint will lie there: best where spot is expected to take over
            usd = {z: hourly[z] * self.hours + self._after(table, z, slack_s) for z in self.homes}
            zone = min(self.homes, key=lambda z: (usd[z], z))
            return Option(kind=ON_DEMAND, zone=zone, usd=usd[zone])
        bound_usd = hourly[zone] * self.hours + self._unbound(table, slack_s)
        return Option(kind=ON_DEMAND, zone=zone, usd=bound_usd)

    def spots(self) -> list[Option]:
        found = []
        for zone in self.up:
            kept = self.now.running == SPOT and zone == self.now.zone
            owed_s = self.now.restart_left_s if kept else self.terms.restart_s
            usd = self.terms.spot_usd_per_hour[zone] * self.hours
            usd += self._after(self.tables.spot, zone, self.slack_s - owed_s)
            usd -= self._refund_usd(zone, self.now.attempt_age_s if kept else 0.0)
            move = self._move_usd(zone)
            usd += move * (1 + self.margin)
            if not kept and self.now.running == SPOT:
                usd += self.style.switch_margin * usd_of(self.terms, zone)
            found.append(Option(kind=SPOT, zone=zone, usd=usd, moves=move > 0))
        return found

    def affordable(self, option: Option) -> bool:
        """Whether the worst that this option can lead to stays under the cost cap."""
        now, terms = self.now, self.terms
        if now.baseline_usd == INFINITE:
            return True
        hours, done_s, usd = now.step_s / 3600, 0.0, 0.0
        zone = now.home if option.zone is None else option.zone
        if option.kind == SPOT:
            assert option.zone is not None
            done_s = now.step_s - min(_owed_s(option, now, terms), now.step_s)
            usd = terms.spot_usd_per_hour[option.zone] * hours + self._move_usd(option.zone)
        rate = terms.on_demand_usd_per_hour[zone or 0]
        finish_s = max(now.work_left_s - done_s, 0.0) + terms.restart_s
        steps = math.ceil(finish_s / now.step_s - 1e-9)
        futile_usd = self.style.futile_restarts * (terms.restart_s + now.step_s) / 3600 * rate
        above_usd = max((self.style.cost_cap - 1) * now.baseline_usd, futile_usd)
        return now.spent_usd + usd + steps * hours * rate <= now.baseline_usd + above_usd

    def _unbound(self, table: Array, slack_s: float, *, haste: bool = False) -> float:
        """Worth of going on without an instance on spot: bound for home, or for a zone that is up."""
        worth = min(self._after(table, zone, slack_s) for zone in self.homes)
        for zone in self.up if self.now.home is not None else ():
            bound = self._after(table, zone, slack_s) + self._move_usd(zone) * (1 + self.margin)
            if haste and self._move_usd(zone) > 0:
                bound += self._haste_usd(zone)
            worth = min(worth, bound)
        return worth

    def _haste_usd(self, zone: int) -> float:
        terms = self.terms
        saved = terms.on_demand_usd_per_hour[zone] - terms.spot_usd_per_hour[zone]
        return self.style.haste_h * max(saved, 0.0)

    def _after(self, table: Array, zone: int, slack_s: float) -> float:
        return self.tables.after(table, self.left, zone, self.phase[zone], slack_s)

    def _refund_usd(self, zone: int, age_s: float) -> float:
        """Expected refund where an instance taken back early costs nothing, over the rest of its free time."""
        free_s = self.terms.free_if_lost_within_s[zone] if self.terms.free_if_lost_within_s else 0.0
        hazard, usd, lasts, at_s = self.plan.outlook.hazard[zone, 0], 0.0, 1.0, age_s
        here_s = self.memory.age_s[zone]
        while at_s < free_s:
            loss = float(hazard[self.memory.ages.index(here_s + at_s - age_s)])
            at_s += self.plan.step_s
            usd += lasts * loss * min(at_s, free_s) / 3600 * self.terms.spot_usd_per_hour[zone]
            lasts *= 1 - loss
        return usd

    def _move_usd(self, zone: int) -> float:
        return 0.0 if self.now.home is None else self.terms.move_usd[self.now.home][zone]


def usd_of(terms: Terms, zone: int) -> float:
    """Dollars that one restart wastes in a zone."""
    return terms.spot_usd_per_hour[zone] * terms.restart_s / 3600
