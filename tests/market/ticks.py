"""The simulated market of the literature in a few lines: time in steps, billing by the step, work never lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.market.optimum import KnownMarket

Choice = tuple[str, int]  # (wait | spot | on_demand, zone)


@dataclass
class State:
    """A run at the start of step ``tick``; ``up`` by zone."""

    tick: int
    work_left_s: float
    restart_left_s: float
    running: str | None
    zone: int | None
    home: int | None
    up: tuple[bool, ...]
    usd: float


def simulate(
    market: KnownMarket, available: NDArray[np.bool_], choose: Callable[[State], Choice], steps: int
) -> tuple[float, int | None]:
    """(dollars, steps it took); None for the steps if the job has not ended after ``steps`` of them."""
    state = State(0, float(market.work_s), 0.0, None, None, None, (), 0.0)
    hours = market.step_s / 3600
    for tick in range(steps):
        state.tick, state.up = tick, tuple(bool(u) for u in available[tick])
        if state.running == "spot" and not state.up[state.zone or 0]:
            state.running, state.zone, state.restart_left_s = None, None, 0.0
        kind, zone = choose(state)
        if kind == "wait":
            state.running, state.zone, state.restart_left_s = None, None, 0.0
            continue
        assert kind == "on_demand" or state.up[zone], "spot where there is none"
        if (kind, zone) != (state.running, state.zone):
            if state.home is not None:
                state.usd += market.move_usd[state.home][zone]
            state.running, state.zone, state.home = kind, zone, zone
            state.restart_left_s = market.restart_s
        price = market.on_demand_usd_per_hour if kind == "on_demand" else market.spot_usd_per_hour[zone]
        state.usd += price * hours
        used = min(state.restart_left_s, market.step_s)
        state.restart_left_s -= used
        state.work_left_s -= min(state.work_left_s, market.step_s - used)
        if state.work_left_s <= 1e-6:
            return state.usd, tick + 1
    return state.usd, None


def flat(zones: int, usd: float = 0.0) -> tuple[tuple[float, ...], ...]:
    """One price for every move."""
    return tuple(tuple(0.0 if a == b else usd for b in range(zones)) for a in range(zones))


def chains(
    rng: np.random.Generator, steps: int, zones: int, up_h: Sequence[float] = (0.5, 6.0)
) -> NDArray[np.bool_]:
    """Availability of independent zones: up-runs short or long, down-runs an hour, in steps of ten minutes."""
    out = np.zeros((steps, zones), dtype=bool)
    for zone in range(zones):
        at, up = 0, bool(rng.random() < 0.5)
        while at < steps:
            mean = up_h[int(rng.integers(len(up_h)))] if up else 1.0
            length = 1 + int(rng.exponential(mean * 6))
            out[at : at + length, zone] = up
            at, up = at + length, not up
    return out
