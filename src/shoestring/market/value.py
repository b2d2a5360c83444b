"""What the rest of a job will cost, by backward induction over (ticks left, slack, what runs, zone's phase).

*Slack* is time left less work left: running keeps it, waiting a step uses a step, a launch uses one restart.
In these coordinates progress needs no grid of its own and nothing is rounded while a job runs.

Each zone has its own table, written from the point of view of a job that is bound to it. Other zones enter
twice: when the instance is lost, another zone takes the job with some chance; while all is down, another
zone comes up with some chance. Both landings are averages over the zones that could be landed in, paid
with the move. Tables that tracked "the best other zone" as well were tried and lost: the average over such a
class promises at each step what none of its members holds (docs/decisions, deadline policy).

The optimum of such a chain by backward induction: Puterman, Markov Decision Processes (1994), section 4.5;
for this problem see also Wu et al., "Can't Be Late", NSDI'24, section 3.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
TOO_LATE_USD = np.float32(1e5)  # stands for a missed deadline: dearer than any plan that keeps it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlook:
    """The modelled market: z zones, c age classes per state.

    Attributes:
        step_s: time between two decisions. restart_s: work lost at each launch.
        hazard: chance per step that the state ends, shape (z, 2, c): [:, 0] losses, [:, 1] returns.
        advance: chance per step of growing into the next class, shape (c,).
        spot_usd, on_demand_usd: dollars per step, shape (z,).
        lands: chance that another zone takes the job when this one is lost, shape (z,).
        landing: where, given that it does: shape (z, z, c), zone and age class; sums to 1.
        lit: chance per step that another zone is offered while this one is down, shape (z,).
        lighting: which one and how old, shape (z, z, c); sums to 1.
        landing_move_usd, lighting_move_usd: expected cost of those moves, shape (z,).
    """

    step_s: float
    restart_s: float
    hazard: NDArray[np.float64]
    advance: NDArray[np.float64]
    spot_usd: NDArray[np.float64]
    on_demand_usd: NDArray[np.float64]
    lands: NDArray[np.float64]
    landing: NDArray[np.float64]
    lit: NDArray[np.float64]
    lighting: NDArray[np.float64]
    landing_move_usd: NDArray[np.float64]
    lighting_move_usd: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ValueTables:
    """Expected dollars still to pay *after* the step at hand, by what runs during that step.

    Arrays have shape (steps + 1, z, phases, slack points); the first axis counts the steps left after this
    one. Phases are the up classes, then the down classes; ``spot`` has up classes only.
    """

    slack_s: tuple[float, ...]
    idle: Array
    on_demand: Array
    spot: Array

    def after(self, table: Array, steps_left: int, zone: int, phase: int, slack_s: float) -> float:
        """Value between grid points, linear in slack; slack beyond the grid counts as its edge."""
        grid = self.slack_s
        at = min(max(bisect_right(grid, slack_s) - 1, 0), len(grid) - 2)
        share = min(max((slack_s - grid[at]) / (grid[at + 1] - grid[at]), 0.0), 1.0)
        row = table[min(steps_left, len(table) - 1), zone, phase]
        return float(row[at]) * (1 - share) + float(row[at + 1]) * share


def slack_grid(most_s: float, step_s: float, restart_s: float) -> NDArray[np.float64]:
    """Slack points: fine near 0, where a step decides, coarser above; the borders of feasibility are points."""
    borders = [k * restart_s + j * step_s for k in (0, 1, 2, 3) for j in (0, 1, 2)]
    points, at, by = [0.0, step_s / 100, *borders, most_s], 0.0, max(step_s / 6, min(step_s / 3, most_s / 80))
    while at < most_s:
        at += by
        if at > 10 * step_s:
            by = max(by, 0.05 * at)
        points.append(at)
    return np.unique(np.round([p for p in points if p <= max(most_s, step_s)], 3))


def solve(outlook: Outlook, steps: int, most_slack_s: float) -> ValueTables:
    """The tables for up to ``steps`` steps and ``most_slack_s`` of slack."""
    grid = slack_grid(most_slack_s, outlook.step_s, outlook.restart_s)
    return _Induction(outlook, grid).run(steps)


class _Induction:
    """One backward pass; holds what stays the same from step to step."""

    def __init__(self, outlook: Outlook, grid: NDArray[np.float64]) -> None:
        f = np.float32
        step_s, restart_s = outlook.step_s, outlook.restart_s
        self.outlook, self.grid = outlook, grid
        self.zones, _, self.classes = outlook.hazard.shape
        self.loss, self.back = (outlook.hazard[:, k, :, None].astype(f) for k in (0, 1))
        self.advance = outlook.advance.astype(f)[:, None]
        self.spot_usd = outlook.spot_usd.astype(f)[:, None, None]
        self.on_demand_usd = outlook.on_demand_usd.astype(f)[:, None, None]
        self.lands, self.lit = (v.astype(f)[:, None, None] for v in (outlook.lands, outlook.lit))
        self.landing = outlook.landing.reshape(self.zones, -1).astype(f)
        self.lighting = outlook.lighting.reshape(self.zones, -1).astype(f)
        self.landing_usd = outlook.landing_move_usd.astype(f)[:, None]
        self.lighting_usd = outlook.lighting_move_usd.astype(f)[:, None]
        near = 1e-6
        # Slack points from which on a choice is in time; the points before them are too late for it.
        self.may_wait, self.may_launch, self.may_gamble, self.may_stay = (
            int(np.searchsorted(grid, needed_s - near))
            for needed_s in (
                restart_s + step_s,  # a launch afterwards must still be in time
                restart_s,
                2 * restart_s,  # launch on spot, lose it at once, launch again
                restart_s,
            )
        )
        self.after_wait, self.after_launch = _shift(grid, step_s), _shift(grid, restart_s)

    def run(self, steps: int) -> ValueTables:
        z, c, points = self.zones, self.classes, len(self.grid)
        unspotted = np.empty((steps + 1, 2, z, 2 * c, points), np.float32)  # nothing, or on-demand, runs
        spot = np.empty((steps + 1, z, c, points), np.float32)
        worth = (np.zeros_like(unspotted[0]), np.zeros_like(spot[0]))
        for left in range(steps + 1):
            self._expect(worth, unspotted[left], spot[left])
            worth = self._choose(unspotted[left], spot[left])
            done = int(np.searchsorted(self.grid, (left + 1) * self.outlook.step_s - 1e-6))
            for value in worth:
                value[..., done:] = 0.0
        return ValueTables(tuple(self.grid.tolist()), unspotted[:, 0], unspotted[:, 1], spot)

    def _expect(self, worth: tuple[Array, Array], unspotted: Array, spot: Array) -> None:
        """Expectation over the market's next step: from what a state is worth to what it is worth before."""
        c = self.classes
        value, held = worth
        free = value[0]
        land = (self.landing @ free[:, :c].reshape(self.zones * c, -1) + self.landing_usd)[:, None]
        light = (self.lighting @ free[:, :c].reshape(self.zones * c, -1) + self.lighting_usd)[:, None]
        unspotted[:, :, :c] = self._while_up(value[:, :, :c], value[:, :, c : c + 1], land)
        down = _grow(value[:, :, c:], self.advance)
        down += self.lit * np.minimum(light - down, 0)
        down += self.back * (value[:, :, :1] - down)
        unspotted[:, :, c:] = down
        spot[:] = self._while_up(held, free[:, c : c + 1], land)

    def _while_up(self, up: Array, lost: Array, land: Array) -> Array:
        stays = _grow(up, self.advance)
        lost = lost + self.lands * np.minimum(land - lost, 0)
        stays += self.loss * (lost - stays)
        return stays

    def _choose(self, unspotted: Array, spot: Array) -> tuple[Array, Array]:
        """The cheapest choice in each state, one step earlier."""
        c = self.classes
        idle, on_demand = unspotted
        wait, buy = self.after_wait(idle), self.after_launch(on_demand)
        gamble, held = self.after_launch(spot), spot + self.spot_usd
        buy += self.on_demand_usd
        gamble += self.spot_usd
        wait[..., : self.may_wait] = TOO_LATE_USD
        buy[..., : self.may_launch] = TOO_LATE_USD
        gamble[..., : self.may_gamble] = TOO_LATE_USD
        held[..., : self.may_stay] = TOO_LATE_USD
        worth = np.empty_like(unspotted)
        free, paid = worth
        np.minimum(wait, buy, out=free)
        np.minimum(free[:, :c], gamble, out=free[:, :c])
        np.minimum(free, on_demand + self.on_demand_usd, out=paid)
        return worth, np.minimum(free[:, :c], held, out=held)


def _grow(value: Array, advance: Array) -> Array:
    """Ageing within a state, along the axis of classes, the last but one."""
    older = value[..., 1:, :] - value[..., :-1, :]
    older *= advance[:-1]
    grown = value.copy()
    grown[..., :-1, :] += older
    return grown


def _shift(grid: NDArray[np.float64], by_s: float) -> Callable[[Array], Array]:
    """Reads values at ``slack - by_s``, linearly; below 0 it reads 0 (the caller masks those)."""
    at = np.clip(grid - by_s, 0, None)
    left = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    right = left + 1
    share = ((at - grid[left]) / (grid[right] - grid[left])).astype(np.float32)

    def read(value: Array) -> Array:
        low, high = value.take(left, axis=-1), value.take(right, axis=-1)
        high -= low
        high *= share
        low += high
        return low

    return read
