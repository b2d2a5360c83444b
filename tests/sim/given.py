"""Small markets to play on, drawn as text: ``#`` up, ``.`` down, a row of text for each zone."""

import numpy as np

from shoestring.market.optimum import KnownMarket
from shoestring.sim.known import KnownJob, KnownWindow

STEP_S = 600


def window(*zones: str, spot: float = 1.0, move_usd: float = 0.0, past: int = 0) -> KnownWindow:
    """Zones ``a``, ``b`` ... at one spot price; on-demand costs 3 $/h."""
    available = np.array([[mark == "#" for mark in zone] for zone in zones]).T
    return KnownWindow(
        zones=tuple("abcdefgh"[: len(zones)]),
        step_s=STEP_S,
        available=available,
        spot_usd_per_hour=np.full(available.shape, spot),
        on_demand_usd_per_hour=3.0,
        move_usd=move_usd,
        past=past,
        label="drawn",
    )


def job(work_steps: float, deadline_steps: int, restart_s: int = 120, **more: int) -> KnownJob:
    """A job of so many steps of work."""
    return KnownJob(
        work_s=int(work_steps * STEP_S), restart_s=restart_s, deadline_steps=deadline_steps, **more
    )


def known(drawn: KnownWindow, played: KnownJob) -> KnownMarket:
    """The same in the optimum's words."""
    zones = range(len(drawn.zones))
    return KnownMarket(
        step_s=drawn.step_s,
        work_s=played.work_s,
        restart_s=played.restart_s,
        spot_usd_per_hour=tuple(float(usd) for usd in drawn.spot_usd_per_hour[0]),
        on_demand_usd_per_hour=drawn.on_demand_usd_per_hour,
        move_usd=tuple(tuple(0.0 if a == b else drawn.move_usd for b in zones) for a in zones),
    )
