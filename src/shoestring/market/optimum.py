"""The omniscient optimum: the least that any schedule could have paid, knowing the future. A lower bound.

Exact forward dynamic program over *effective progress*: a launch subtracts the whole restart at once, each
step on an instance adds a step. The state also holds what ran last and where the checkpoint lies. It equals
the simulated market to the cent except for an instance given up before its restart was over, which gains
nothing and is billed, so no optimal schedule holds one. Source of the problem: Wu et al., "Can't Be Late",
NSDI'24, section 3 (there solved as an integer program); billing is by the whole step, as there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMarket:
    """A job and what it pays, with zones as positions. All seconds are whole.

    Attributes:
        spot_usd_per_hour: by zone. on_demand_usd_per_hour: the same in every zone, never out of capacity.
        move_usd: ``move_usd[i][j]``, paid at a launch in j with the checkpoint in i; the first launch is free.
    """

    step_s: int
    work_s: int
    restart_s: int
    spot_usd_per_hour: tuple[float, ...]
    on_demand_usd_per_hour: float
    move_usd: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if self.step_s <= 0 or self.work_s <= 0 or self.restart_s < 0:
            raise ValueError(f"step {self.step_s} s, work {self.work_s} s, restart {self.restart_s} s")
        moves, zones = np.array(self.move_usd, float), len(self.spot_usd_per_hour)
        if moves.shape != (zones, zones) or (moves < 0).any() or np.diag(moves).any():
            raise ValueError(f"move_usd must be {zones} x {zones}, 0 on the diagonal and nowhere negative")
        if (moves[:, None, :] > moves[:, :, None] + moves[None, :, :] + 1e-9).any():
            raise ValueError("move_usd: a detour is cheaper than the direct move; fix the prices of moves")


def optimum_usd(
    market: KnownMarket,
    available: NDArray[np.bool_],
    deadlines: Sequence[int],
    *,
    spot_prices: Floats | None = None,
) -> list[float]:
    """Least cost for each deadline (in steps); infinite where there is no way to be in time.

    Args:
        available: bool, shape (steps, zones), at least as long as the longest deadline.
        spot_prices: $/h by step and zone, same shape, where they change; None: the market's own hold throughout.
    """
    longest = max(deadlines)
    if spot_prices is not None and spot_prices.shape != available.shape:
        raise ValueError(f"prices of shape {spot_prices.shape} for availability of {available.shape}")
    if available.ndim != 2 or available.shape[1] != len(market.spot_usd_per_hour) or len(available) < longest:
        raise ValueError(
            f"availability of shape {available.shape} does not cover {longest} steps of the zones"
        )
    unit = math.gcd(market.step_s, market.restart_s, market.work_s)
    step, restart, work = (s // unit for s in (market.step_s, market.restart_s, market.work_s))
    hours = market.step_s / 3600
    spot_usd = np.array(market.spot_usd_per_hour)[:, None] * hours
    on_demand_usd = market.on_demand_usd_per_hour * hours
    moves = np.array(market.move_usd, float)
    idle = np.full((len(spot_usd), work + restart + 1), np.inf)
    spot, on_demand = idle.copy(), idle.copy()
    idle[:, restart] = 0.0  # the index is progress + restart, so that progress may be negative
    cost = np.empty(longest + 1)
    for k in range(longest):
        idle = np.minimum(np.minimum(idle, spot), on_demand)  # by zone of the checkpoint
        launch = _landed(_forward(idle, step - restart), moves)
        on_demand = np.minimum(_forward(on_demand, step), launch) + on_demand_usd
        now_usd = spot_usd if spot_prices is None else spot_prices[k][:, None] * hours
        spot = np.minimum(_forward(spot, step), launch) + now_usd
        spot[~available[k]] = np.inf
        cost[k + 1] = min(idle[:, -1].min(), spot[:, -1].min(), on_demand[:, -1].min())
    return [float(cost[steps]) for steps in deadlines]


def _forward(value: Floats, by: int) -> Floats:
    """Value after ``by`` more units of progress (fewer if negative); what is done stays at the last index."""
    out = np.full_like(value, np.inf)
    size = value.shape[-1]
    if by < 0:
        out[:, :by] = value[:, -by:]
        return out
    by = min(by, size - 1)
    out[:, by:] = value[:, : size - by]
    out[:, -1] = value[:, size - 1 - by :].min(-1)
    return out


def _landed(value: Floats, moves: Floats) -> Floats:
    """Least cost of having launched in each zone, from any zone."""
    apart = ~np.eye(len(moves), dtype=bool)
    prices = moves[apart]
    if prices.size == 0:
        return value
    if np.ptp(prices) == 0:  # one price for all moves: no need to look at pairs
        return np.asarray(np.minimum(value, value.min(0) + prices[0]), dtype=np.float64)
    return np.asarray((value[:, None, :] + moves[:, :, None]).min(0), dtype=np.float64)
