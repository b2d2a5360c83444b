"""The deadline policy's decisions, word for word: work on its speed must not change a single one.

A wanted change of the decisions comes with a new ``Deadline.version`` and new figures here.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from shoestring.domain.fleet import Action, FleetView
from shoestring.market.generate import ZoneShape, generate
from shoestring.market.memory import extended, remember
from shoestring.policies.deadline import Deadline
from shoestring.policies.watch import Watch
from shoestring.sim.known import KnownJob, KnownWindow
from shoestring.sim.replay import play
from tests.policies.game import START, offer

ROUGH = ZoneShape(short_up_h=0.4, long_up_h=3.0, long_down_h=6.0, drift=0.0)


@dataclass
class Overheard:
    policy: Deadline = field(default_factory=Deadline)
    said: list[Action] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def decide(self, belief: Watch, view: FleetView) -> tuple[Action, ...]:
        actions = self.policy.decide(belief, view)
        self.said += actions
        return actions


def market(move_usd: float) -> KnownWindow:
    """Two zones, 30 h, the first 10 h of which are past."""
    traces = [
        generate(zone, seed=3, hours=30, spot_usd_per_hour=usd, gap_s=600.0, shape=ROUGH)
        for zone, usd in (("a", 1.0), ("b", 1.1))
    ]
    up = np.array([trace.available for trace in traces]).T.astype(bool)
    prices = np.broadcast_to([1.0, 1.1], up.shape).copy()
    return KnownWindow(
        zones=("a", "b"),
        step_s=600,
        available=up,
        spot_usd_per_hour=prices,
        on_demand_usd_per_hour=3.0,
        move_usd=move_usd,
        past=60,
    )


FREE = {
    "spot_up": 11,
    "keep_spot": 50,
    "wait_for_spot": 11,
    "buy_time": 2,
    "stay_guaranteed": 12,
    "leave_on_demand": 2,
}
PAID = {
    "spot_up": 7,
    "keep_spot": 12,
    "wait_for_spot": 10,
    "skip_spot": 6,
    "buy_time": 2,
    "stay_guaranteed": 50,
    "leave_on_demand": 1,
}


@pytest.mark.parametrize(
    ("move_usd", "reasons", "digest"), [(0.0, FREE, "a8588ff4d954897c"), (2.0, PAID, "0d1cc40488827799")]
)
def test_the_decisions_are_the_same_to_the_word(
    move_usd: float, reasons: dict[str, int], digest: str
) -> None:
    overheard = Overheard()
    play(market(move_usd), KnownJob(work_s=10 * 3600, restart_s=720, deadline_steps=90), overheard)  # type: ignore[arg-type]
    said = [(type(a).__name__, a.reason.code, a.reason.runner_up) for a in overheard.said]

    assert Counter(code for _, code, _ in said) == reasons
    assert hashlib.sha256(repr(said).encode()).hexdigest()[:16] == digest


def test_looking_again_at_the_same_market_changes_nothing() -> None:
    policy, spot = Deadline(), offer("east-1a")
    belief = policy.start()
    for k in range(4):
        look = FleetView(now=START + timedelta(hours=k), runs=(), offers={spot.id: spot})
        belief = policy.update(belief, look)
    gone = replace(look, offers={spot.id: replace(spot, available=False)})

    assert policy.update(belief, look) is belief
    assert policy.update(belief, gone).memory.switches.sum() == 1


def test_zones_in_the_order_they_have_are_not_copied() -> None:
    memory = remember(np.random.default_rng(1).random((50, 3)) < 0.6, 600.0)

    assert extended(memory, (0, 1, 2)) is memory
    assert extended(memory, (0, 1)).zones == 2
    assert (extended(memory, (0, 2, 1)).exposure == memory.exposure[[0, 2, 1]]).all()
