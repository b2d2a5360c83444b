"""Generated zones: up- and down-runs whose hazard falls with age, and prices that drift in small steps.

The shape follows what spot recordings show: half of all up-runs end within an hour, a few last days. An
up-run's length is a mixture of a short and a long exponential; so is a down-run's. Same seed, same zone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.market.traces import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShape:
    """How a generated zone behaves; times in hours.

    Attributes:
        short_up_h, long_up_h: means of the two kinds of up-run. long_up_share: share of the long kind.
        short_down_h, long_down_h, long_down_share: the same for down-runs.
        drift: standard deviation of the price's change per day, as a share; 0 keeps it steady.
    """

    short_up_h: float = 0.5
    long_up_h: float = 8.0
    long_up_share: float = 0.5
    short_down_h: float = 0.4
    long_down_h: float = 4.0
    long_down_share: float = 0.3
    drift: float = 0.02


def generate(
    zone: str,
    *,
    seed: int,
    hours: float,
    spot_usd_per_hour: float,
    gap_s: float = 60.0,
    shape: ZoneShape | None = None,
    starts_up: bool | None = None,
) -> Trace:
    """A zone's life.

    Args:
        seed: together with the zone's name it decides everything. gap_s: grid of the trace.
        starts_up: None leaves the first state to chance.
    """
    shape = shape or ZoneShape()
    rng = np.random.default_rng([seed, *zone.encode()])
    count = max(1, int(hours * 3600 / gap_s))
    available = _states(rng, count, gap_s, shape, starts_up)
    return Trace(
        zone=zone,
        gap_s=gap_s,
        available=available,
        price_usd_per_hour=_prices(rng, count, gap_s, shape, spot_usd_per_hour),
        source=f"generated, seed {seed}",
    )


def _states(
    rng: np.random.Generator, count: int, gap_s: float, shape: ZoneShape, starts_up: bool | None
) -> NDArray[np.bool_]:
    up = bool(rng.random() < 0.7) if starts_up is None else starts_up
    states = np.zeros(count, dtype=bool)
    place = 0
    while place < count:
        short, long, share = (
            (shape.short_up_h, shape.long_up_h, shape.long_up_share)
            if up
            else (shape.short_down_h, shape.long_down_h, shape.long_down_share)
        )
        hours = rng.exponential(long if rng.random() < share else short)
        length = max(1, round(hours * 3600 / gap_s))
        states[place : place + length] = up
        place, up = place + length, not up
    return states


def _prices(
    rng: np.random.Generator, count: int, gap_s: float, shape: ZoneShape, start_usd: float
) -> NDArray[np.float64]:
    """Prices change once an hour at most, as providers' do, and never by more than half from the start."""
    hours = int(count * gap_s // 3600) + 1
    steps = rng.normal(0.0, shape.drift / np.sqrt(24), size=hours)
    level = np.clip(np.exp(np.cumsum(steps)), 0.5, 1.5)
    level[0] = 1.0
    hourly = np.round(start_usd * level, 4)
    index = np.minimum((np.arange(count) * gap_s // 3600).astype(int), hours - 1)
    return np.asarray(hourly[index], dtype=np.float64)
