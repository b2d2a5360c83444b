"""``shoestring simulate``: production policies and baselines beside the optimum, on many windows of a market.

Every policy plays every window, in parallel processes; nothing is drawn while playing, so that the same windows give
the same answer whatever the number of processes.
"""

import math
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from shoestring.market.optimum import KnownMarket, optimum_usd
from shoestring.policies.base import Policy
from shoestring.sim.known import KnownJob, KnownWindow, Played
from shoestring.sim.replay import play

IN_TIME_H = 1e-6
CENT_USD = 0.01  # sums of floats: a budget met to the cent is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What came of one window: the least that it could have cost, and what each policy paid."""

    window: str
    optimum_usd: float
    played: tuple[Played, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One policy over all windows. Dollars of the gang; shares, not percents.

    Attributes:
        regret: of the sum of costs over the sum of optima. regret_p95: 95th percentile of single runs. None
            where an optimum is free, so that nothing can be a share of it.
        late: runs after their deadline; such a run may well cost less than the optimum, which is never late.
        moves, losses, launches, decisions: per run. goodput: useful hours of all hours billed.
        over_budget: runs above the job's budget, which no simulated policy knows; None without one.
    """

    policy: str
    runs: int
    mean_usd: float
    p50_usd: float
    p95_usd: float
    regret: float | None
    regret_p95: float | None
    late: int
    late_h_max: float
    finish_h: float
    moves: float
    losses: float
    launches: float
    goodput: float
    spot_share: float
    over_budget: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The answer: scores by mean cost, the optimum's mean, every scene, and one run in full.

    Attributes:
        shown: the recorded run of the first policy in the first window.
        shown_window: where it was played.
    """

    job: KnownJob
    optimum_mean_usd: float
    scores: tuple[Score, ...]
    scenes: tuple[Scene, ...]
    shown: Played
    shown_window: KnownWindow


def simulate(
    windows: Sequence[KnownWindow],
    job: KnownJob,
    policies: Sequence[Policy],
    *,
    processes: int = 1,
    budget_usd: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Simulation:
    """Play every policy on every window.

    Args:
        policies: at least one; the first is the one that is shown in full.
        processes: how many play at a time; 1 plays here.
        budget_usd: to count the runs above it.
        progress: called with how many windows are done, and of how many.
    """
    assert windows and policies, "nothing to play"
    scene = partial(play_scene, job=job, policies=tuple(policies))
    scenes: list[Scene] = []

    def done(found: Scene) -> None:
        scenes.append(found)
        if progress is not None:
            progress(len(scenes), len(windows))

    if processes == 1 or len(windows) == 1:
        for window in windows:
            done(scene(window))
    else:
        # spawn: a fork of a process with threads (numpy's) may hang, and this way all systems behave alike
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(processes, len(windows)), mp_context=context) as pool:
            for found in pool.map(scene, windows):
                done(found)
    return Simulation(
        job=job,
        optimum_mean_usd=float(np.mean([s.optimum_usd for s in scenes])),
        scores=scores(scenes, budget_usd),
        scenes=tuple(scenes),
        shown=play(windows[0], job, policies[0], record=True),
        shown_window=windows[0],
    )


def play_scene(window: KnownWindow, *, job: KnownJob, policies: Sequence[Policy]) -> Scene:
    """All policies on one window, and the optimum."""
    return Scene(
        window=window.label,
        optimum_usd=window_optimum_usd(window, job),
        played=tuple(play(window, job, policy) for policy in policies),
    )


def window_optimum_usd(window: KnownWindow, job: KnownJob) -> float:
    """What the job would have cost somebody who knows the window, in time."""
    zones, rows = len(window.zones), slice(window.past, window.past + job.deadline_steps)
    market = KnownMarket(
        step_s=window.step_s,
        work_s=job.work_s,
        restart_s=job.restart_s,
        spot_usd_per_hour=(0.0,) * zones,  # by step, below
        on_demand_usd_per_hour=window.on_demand_usd_per_hour,
        move_usd=tuple(
            # the program pays one node's prices, so a move weighs a gang's share of them
            tuple(0.0 if a == b else window.move_usd / job.nodes for b in range(zones))
            for a in range(zones)
        ),
    )
    [usd] = optimum_usd(
        market, window.available[rows], [job.deadline_steps], spot_prices=window.spot_usd_per_hour[rows]
    )
    assert math.isfinite(usd), "a deadline that on-demand can meet has an optimum"
    return usd * job.nodes


def scores(scenes: Sequence[Scene], budget_usd: float | None = None) -> tuple[Score, ...]:
    """Each policy's score, cheapest first; late ones after all that were in time."""
    best = np.array([s.optimum_usd for s in scenes])
    found = [_score([s.played[i] for s in scenes], best, budget_usd) for i in range(len(scenes[0].played))]
    return tuple(sorted(found, key=lambda s: (s.late > 0, s.mean_usd, s.policy)))


def _score(runs: Sequence[Played], best: np.ndarray[Any, Any], budget_usd: float | None) -> Score:
    usd = np.array([r.cost_usd for r in runs])
    late_h = np.array([r.late_h for r in runs])
    billed_h = sum(r.spot_h + r.on_demand_h for r in runs)
    return Score(
        policy=runs[0].policy,
        runs=len(runs),
        mean_usd=float(usd.mean()),
        p50_usd=float(np.percentile(usd, 50)),
        p95_usd=float(np.percentile(usd, 95)),
        regret=float(usd.sum() / best.sum() - 1) if best.sum() > 0 else None,
        regret_p95=float(np.percentile(usd / best - 1, 95)) if (best > 0).all() else None,
        late=int((late_h > IN_TIME_H).sum()),
        late_h_max=float(late_h.max()),
        finish_h=float(np.mean([r.finish_h for r in runs])),
        moves=float(np.mean([r.moves for r in runs])),
        losses=float(np.mean([r.losses for r in runs])),
        launches=float(np.mean([r.launches for r in runs])),
        goodput=sum(r.work_h for r in runs) / billed_h,
        spot_share=sum(r.spot_h for r in runs) / billed_h,
        over_budget=None if budget_usd is None else int((usd > budget_usd + CENT_USD / 2).sum()),
    )
