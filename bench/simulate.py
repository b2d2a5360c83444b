"""How fast the simulator is: decisions per second of one core, one zone, by policy.

    python bench/simulate.py [--runs 6] [--days 60] [--seed 0] [--json out.json]

Plays jobs of 48 h in 60 h, 10 min a step, on made-up zones in this process. ``whole`` counts everything: views,
policy, bookkeeping, tables. ``warm`` leaves out the looks in which the deadline policy made new tables of expected
cost (it does so once a day of the job), ``policy`` counts the policy's own time in those looks alone. Then a long
job, at an hour a step: a job of ``--days`` days of work.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _machine import describe
from shoestring.app.wiring import BASELINES, POLICIES
from shoestring.domain.fleet import Action, FleetView
from shoestring.executors.marketfile import MarketFile, ZoneFile
from shoestring.policies import deadline
from shoestring.policies.base import Policy
from shoestring.sim.known import KnownJob, KnownWindow
from shoestring.sim.replay import play
from shoestring.workflows.markets import Span, modelled
from shoestring.workflows.simulate import window_optimum_usd

STEP_S = 600
MARKET = MarketFile(zones={"a": ZoneFile(region="r", spot=0.9731, on_demand=3.06)})
JOB = KnownJob(work_s=48 * 3600, restart_s=720, deadline_steps=360)


@dataclass
class Timed:
    """A policy with a watch on it; a look is one update and one decision."""

    policy: Policy
    looks_s: list[float] = field(default_factory=list)
    tables_s: float = 0.0
    tables: int = 0
    _updated_s: float = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def update(self, belief: Any, view: FleetView) -> Any:
        begin = time.perf_counter()
        after = self.policy.update(belief, view)
        self._updated_s = time.perf_counter() - begin
        return after

    def decide(self, belief: Any, view: FleetView) -> tuple[Action, ...]:
        made = deadline._plan.cache_info().misses
        begin = time.perf_counter()
        actions = self.policy.decide(belief, view)
        took_s = time.perf_counter() - begin + self._updated_s
        if deadline._plan.cache_info().misses != made:
            self.tables, self.tables_s = self.tables + 1, self.tables_s + took_s
        else:
            self.looks_s.append(took_s)
        return actions


def rates(windows: list[KnownWindow], make: Callable[[], Policy], job: KnownJob) -> dict[str, float]:
    """Decisions per second, each run once."""
    timed = Timed(make())
    begin = time.perf_counter()
    decisions = sum(play(window, job, timed).decisions for window in windows)  # type: ignore[arg-type]
    seconds = time.perf_counter() - begin
    warm = len(timed.looks_s)
    return {
        "decisions": decisions,
        "seconds": seconds,
        "whole_per_s": decisions / seconds,
        "warm_per_s": warm / (seconds - timed.tables_s),
        "policy_per_s": warm / sum(timed.looks_s),
        "tables": timed.tables,
        "tables_ms_each": 1e3 * timed.tables_s / timed.tables if timed.tables else 0.0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--days", type=int, default=60, help="work of the long job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    span = Span(step_s=STEP_S, deadline_steps=JOB.deadline_steps)
    windows = modelled(MARKET, span, starts=options.runs, seed=options.seed)
    begin = time.perf_counter()
    best = [window_optimum_usd(window, JOB) for window in windows]
    optimum_ms = 1e3 * (time.perf_counter() - begin) / len(best)
    out: dict[str, Any] = {
        "machine": describe("numpy"), "command": sys.argv[1:], "optimum_ms": optimum_ms, "policies": {},
    }  # fmt: skip
    print(f"{'policy':24}{'whole/s':>10}{'warm/s':>10}{'policy/s':>10}{'tables':>8}{'ms each':>9}")
    for name, make in (POLICIES | BASELINES).items():
        row = out["policies"][name] = rates(windows, make, JOB)
        print(f"{name:24}{row['whole_per_s']:10,.0f}{row['warm_per_s']:10,.0f}{row['policy_per_s']:10,.0f}"
              f"{row['tables']:8.0f}{row['tables_ms_each']:9.1f}", flush=True)  # fmt: skip
    print(f"the optimum of a window: {optimum_ms:.1f} ms")
    out["long"] = _long(options.days, options.seed)
    if options.json:
        options.json.write_text(json.dumps(out, indent=1) + "\n")
        print(f"written: {options.json}")
    return 0


def _long(days: int, seed: int) -> dict[str, float]:
    hours = days * 24
    job = KnownJob(work_s=hours * 3600, restart_s=720, deadline_steps=round(hours * 1.25))
    windows = modelled(MARKET, Span(step_s=3600, deadline_steps=job.deadline_steps), starts=1, seed=seed)
    row = rates(windows, POLICIES["deadline"], job)
    print(f"a job of {days} days under the deadline policy, an hour a step: {row['seconds']:.1f} s")
    return row


if __name__ == "__main__":
    sys.exit(main())
