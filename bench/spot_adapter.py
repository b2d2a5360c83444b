"""The production deadline policy for the spot referee; see the contract in the referee's README.

    python ../shared/bench/spot/referee.py --traces ../shared/data/spot-traces-dev/check --adapter bench/spot_adapter.py

Nothing is decided here: the numbers of a run are put into the decision core's words and its answer back.
"""

import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from shoestring.market.estimate import Terms
from shoestring.market.memory import observe, remember
from shoestring.policies.lookahead import (
    ON_DEMAND,
    WAIT,
    Situation,
    Style,
    make_plan,
    options,
    plan_step_s,
)

STYLE = Style()


def single_zone(problem):
    terms = Terms(
        restart_s=problem.restart_overhead_s,
        spot_usd_per_hour=(problem.spot_usd_per_hour,),
        on_demand_usd_per_hour=(problem.on_demand_usd_per_hour,),
        move_usd=((0.0,),),
    )
    run = Run(problem, terms, np.asarray(problem.history, bool).reshape(-1, 1))

    def policy(seen):
        zone = None if seen.running is None else 0
        return run.decide(seen, [seen.available], zone, 0 if run.launched else None).kind

    return policy


def multi_zone(problem):
    zones = problem.zones
    terms = Terms(
        restart_s=problem.restart_overhead_s,
        spot_usd_per_hour=tuple(problem.spot_usd_per_hour[z] for z in zones),
        on_demand_usd_per_hour=(problem.on_demand_usd_per_hour,) * len(zones),
        move_usd=tuple(tuple(problem.egress_usd[a][b] for b in zones) for a in zones),
    )
    run = Run(problem, terms, np.asarray(problem.history, bool).reshape(-1, len(zones)))
    at = {zone: i for i, zone in enumerate(zones)}

    def policy(seen):
        up = [seen.available[z] for z in zones]
        option = run.decide(seen, up, at.get(seen.zone), at.get(seen.checkpoint_zone))
        return option.kind, None if option.kind == WAIT else zones[option.zone]

    return policy


class Run:
    """What the adapter carries through one run: the memory of the market and the money spent."""

    def __init__(self, problem, terms, history):
        self.problem, self.terms = problem, terms
        self.step_s = plan_step_s(problem.tick_s, problem.deadline_s)
        stride = round(self.step_s / problem.tick_s)
        history = history[len(history) % stride :]
        self.memory = remember(history[stride - 1 :: stride], self.step_s)
        self.plan, self.spent_usd, self.launched = None, 0.0, False
        ticks = math.ceil((problem.work_s + problem.restart_overhead_s) / problem.tick_s - 1e-9)
        self.baseline_usd = ticks * problem.tick_s / 3600 * min(terms.on_demand_usd_per_hour)

    def decide(self, seen, up, zone, home):
        self.memory = observe(self.memory, np.array(up, bool), self.problem.tick_s)
        now = Situation(
            time_left_s=self.problem.deadline_s - seen.elapsed_s,
            work_left_s=seen.work_left_s,
            restart_left_s=seen.restart_left_s,
            step_s=self.problem.tick_s,
            running=seen.running,
            zone=zone,
            home=home,
            spent_usd=self.spent_usd,
            baseline_usd=self.baseline_usd,
        )
        if self.plan is None or seen.elapsed_s >= self.replan_s:
            self.plan = make_plan(self.memory, self.terms, now, STYLE)
            self.replan_s = seen.elapsed_s + STYLE.replan_s
        option = options(self.plan, self.memory, now, STYLE)[0]
        self._pay(option, now)
        return option

    def _pay(self, option, now):
        if option.kind == WAIT:
            return
        prices = (
            self.terms.on_demand_usd_per_hour if option.kind == ON_DEMAND else self.terms.spot_usd_per_hour
        )
        self.spent_usd += prices[option.zone] * self.problem.tick_s / 3600
        if now.home is not None:
            self.spent_usd += self.terms.move_usd[now.home][option.zone]
        self.launched = True
