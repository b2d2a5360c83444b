"""What a replay is given and what comes of it: a window of a market, a job in numbers, turns, and the result."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.fleet import Reason
from shoestring.domain.workload import Goal

EPOCH = datetime(2026, 1, 5, tzinfo=UTC)  # where a recording does not say when it began


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownWindow:
    """A stretch of a market, recorded or made up.

    Attributes:
        zones: names, in the order of the columns. step_s: seconds of a row.
        available: bool, shape (rows, zones). spot_usd_per_hour: $/h of one node, same shape.
        on_demand_usd_per_hour: of one node, the same in every zone, never out of capacity.
        move_usd: to bring the checkpoint from any zone to any other.
        past: rows before the run is submitted, which the policy has watched.
        start: the moment of row 0; a stand-in where nobody knows it. dated: whether somebody does.
        label: names the window in reports.
    """

    zones: tuple[str, ...]
    step_s: int
    available: NDArray[np.bool_]
    spot_usd_per_hour: NDArray[np.float64]
    on_demand_usd_per_hour: float
    move_usd: float = 0.0
    past: int = 0
    start: datetime = EPOCH
    dated: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        shape = (len(self.available), len(self.zones))
        if self.available.shape != shape or self.spot_usd_per_hour.shape != shape or not shape[1]:
            raise ValueError(f"{self.label}: prices and availability must both be rows x {shape[1]} zones")
        if self.step_s <= 0 or not 0 <= self.past < shape[0]:
            raise ValueError(f"{self.label}: step {self.step_s} s, {self.past} of {shape[0]} rows are past")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownJob:
    """The job in numbers: whole seconds, and a deadline in whole steps of the window it is played on."""

    work_s: int
    restart_s: int
    deadline_steps: int
    nodes: int = 1
    goal: Goal = Goal.CHEAPEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that changed in a run. ``place``, ``market``: where it is from then on; None: nowhere.

    Attributes:
        at_h: since submission. usd: spent until then. reason: None where the market acted, not the policy.
    """

    at_h: float
    event: str  # launch | wait | release | lost | late | done
    place: str | None
    market: str | None
    usd: float
    work_left_h: float
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a run. Costs are of the whole gang; hours are of the clock.

    Attributes:
        finish_h: since submission, at the end of the step in which the work was done.
        late_h: beyond the deadline; 0 in time. spot_h, on_demand_h: billed. work_h: useful work.
        moves: launches away from where the checkpoint lay; the first launch is none.
        losses: instances taken back. decisions: how often the policy was asked.
        turns: empty unless they were asked for.
    """

    policy: str
    window: str
    cost_usd: float
    finish_h: float
    late_h: float
    spot_h: float
    on_demand_h: float
    work_h: float
    launches: int
    moves: int
    losses: int
    decisions: int
    turns: tuple[Turn, ...] = ()

    @property
    def goodput(self) -> float:
        """Share of the billed hours that was useful work."""
        return self.work_h / (self.spot_h + self.on_demand_h)
