"""A policy on a known market: what is billed, what is lost, and that it is the market of the optimum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.fleet import Action, FleetView, Hold, Launch, Reason, Release
from shoestring.policies.best_zone import BestZone
from shoestring.policies.deadline import Deadline
from shoestring.policies.greedy import Greedy
from shoestring.policies.on_demand import OnDemand
from shoestring.policies.spot_failover import SpotFailover
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.sim.known import KnownWindow
from shoestring.sim.replay import play
from shoestring.workflows.simulate import window_optimum_usd
from tests.market.ticks import State, chains, simulate
from tests.sim.given import STEP_S, job, known, window

WHY = Reason(code="told", text="told by the test")
HOUR_SHARE = STEP_S / 3600


@dataclass
class Scripted:
    """Wants to be where its script says at each step: ``.`` nowhere, ``s0`` spot in zone 0, ``d1`` on-demand."""

    script: Sequence[str]
    zones: Sequence[str]
    name: str = "scripted"
    version: int = 1
    seen: list[FleetView] = field(default_factory=list)

    def start(self) -> None:
        return None

    def update(self, belief: None, view: FleetView) -> None:
        self.seen.append(view)

    def decide(self, belief: None, view: FleetView) -> tuple[Action, ...]:
        [run] = view.runs
        step = round((view.now - run.submitted_at).total_seconds() / STEP_S)
        wish = self.script[step]
        market = {"s": "spot", "d": "on_demand"}.get(wish[0])
        to = None if market is None else f"sim/{self.zones[int(wish[1:])]}/{market}"
        here = None if run.attempt is None else run.attempt.offer_id
        if here == to:
            return (Hold(run_id="job", reason=WHY),)
        if here is None:
            assert to is not None
            return (Launch(run_id="job", offer_id=to, reason=WHY),)
        return (Release(run_id="job", to_offer_id=to, reason=WHY),)


def test_a_run_on_steady_spot_pays_each_step_in_full() -> None:
    drawn = window("#" * 10)
    played = play(drawn, job(2, 8), Scripted(["s0"] * 10, drawn.zones))

    # 2 steps of work and 2 minutes of start end within the third step
    assert played.cost_usd == pytest.approx(3 * HOUR_SHARE)
    assert (played.finish_h, played.launches, played.losses, played.moves) == (0.5, 1, 0, 0)
    assert played.goodput == pytest.approx(2 / 3) and played.late_h == 0


def test_a_loss_costs_a_restart_and_no_work() -> None:
    drawn = window("##.######")
    played = play(drawn, job(3, 9), Scripted(["s0", "s0", ".", *["s0"] * 6], drawn.zones), record=True)

    assert played.losses == 1 and played.launches == 2
    assert [t.event for t in played.turns] == ["launch", "lost", "wait", "launch", "done"]
    # 480 s and 600 s before the loss; after it 480 s and 240 s of a step
    assert played.cost_usd == pytest.approx(4 * HOUR_SHARE) and played.finish_h == pytest.approx(
        5 * HOUR_SHARE
    )


def test_a_move_is_paid_and_shares_its_step_with_the_release() -> None:
    drawn = window("#" * 9, "#" * 9, move_usd=5.0)
    played = play(drawn, job(2, 9), Scripted(["s0", *["s1"] * 8], drawn.zones), record=True)

    assert [t.event for t in played.turns] == ["launch", "release", "launch", "done"]
    assert played.moves == 1 and played.turns[1].at_h == played.turns[2].at_h
    assert played.cost_usd == pytest.approx(5.0 + 3 * HOUR_SHARE)


def test_going_back_to_the_checkpoints_zone_is_no_move() -> None:
    drawn = window("#.#######", move_usd=5.0)
    played = play(drawn, job(2, 9), Scripted(["s0", "d0", *["s0"] * 7], drawn.zones))

    assert played.moves == 0 and played.launches == 3


def test_a_late_run_is_ended_on_demand_and_billed() -> None:
    drawn = window("." * 4)
    played = play(drawn, job(3, 4), SpotFailover(), record=True)

    # nothing ran until the deadline; then 3 steps and 2 minutes, billed as 4 steps
    assert played.late_h == pytest.approx(4 * HOUR_SHARE) and played.cost_usd == pytest.approx(
        4 * 3 * HOUR_SHARE
    )
    assert [t.event for t in played.turns] == ["wait", "late", "done"]


def test_nodes_multiply_the_bill_but_not_the_move() -> None:
    drawn = window("#" * 9, "#" * 9, move_usd=5.0)
    script = Scripted(["s0", *["s1"] * 8], drawn.zones)

    assert play(drawn, job(2, 9, nodes=4), script).cost_usd == pytest.approx(5.0 + 4 * 3 * HOUR_SHARE)


def test_what_passed_before_is_watched_without_a_run() -> None:
    drawn = window("#.#" + "#" * 6, past=3)
    script = Scripted(["s0"] * 9, drawn.zones)
    play(drawn, job(2, 6), script)
    before = [view for view in script.seen if not view.runs]

    assert [view.offers["sim/a/spot"].available for view in before] == [True, False, True]
    assert script.seen[3].runs[0].submitted_at == script.seen[3].now


def test_the_policy_sees_the_price_of_each_step() -> None:
    drawn = window("#" * 6)
    drawn.spot_usd_per_hour[:, 0] = [1.0, 1.0, 0.5, 0.5, 2.0, 2.0]
    script = Scripted(["s0"] * 6, drawn.zones)
    played = play(drawn, job(5, 6), script)

    seen = [float(view.offers["sim/a/spot"].price.usd_per_hour or 0) for view in script.seen]
    assert seen == [1.0, 1.0, 0.5, 0.5, 2.0, 2.0] and played.cost_usd == pytest.approx(sum(seen) * HOUR_SHARE)


def test_a_window_that_ends_before_the_deadline_is_refused() -> None:
    with pytest.raises(ValueError, match="4 steps do not reach the deadline, 9 steps"):
        play(window("####"), job(1, 9), OnDemand())


POLICIES = [
    Deadline(),
    UniformProgress(),
    UniformProgress(hysteresis=False),
    Greedy(),
    BestZone(),
    OnDemand(),
]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    zones=st.integers(1, 3),
    move_usd=st.sampled_from([0.0, 0.3]),
    restart_s=st.sampled_from([60, 240, 900]),
    policy=st.sampled_from(POLICIES),
)
def test_no_policy_is_late_or_below_the_optimum(
    seed: int, zones: int, move_usd: float, restart_s: int, policy: Any
) -> None:
    rng = np.random.default_rng(seed)
    up = chains(rng, 60, zones)
    drawn = window(*("".join("#" if u else "." for u in up[:, z]) for z in range(zones)), move_usd=move_usd)
    drawn.spot_usd_per_hour[:] = rng.choice([0.5, 1.0, 4.0], size=up.shape)
    wanted = job(float(rng.integers(5, 40)), 50, restart_s)
    played = play(drawn, wanted, policy)

    assert played.late_h == 0
    assert played.cost_usd >= window_optimum_usd(drawn, wanted) - 1e-9


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_script_costs_what_the_literatures_simulator_says(data: st.DataObject) -> None:
    zones = data.draw(st.integers(1, 2))
    up = np.array(data.draw(st.lists(st.lists(st.booleans(), min_size=zones, max_size=zones),
                                     min_size=12, max_size=12)))  # fmt: skip
    wishes = []
    for row in up:
        free = [".", *(f"d{z}" for z in range(zones)), *(f"s{z}" for z in range(zones) if row[z])]
        wishes.append(data.draw(st.sampled_from(free)))
    drawn = window(*("".join("#" if u else "." for u in up[:, z]) for z in range(zones)), move_usd=0.2)
    wanted = job(3, 12, data.draw(st.sampled_from([60, 660])))
    played = play(drawn, wanted, _Waiting(wishes, drawn))

    def told(state: State) -> tuple[str, int]:
        wish = wishes[state.tick]
        kind = {".": "wait", "s": "spot", "d": "on_demand"}[wish[0]]
        return kind, 0 if wish == "." else int(wish[1:])

    usd, took = simulate(known(drawn, wanted), up, told, 12)
    if took is None:
        assert played.late_h > 0
    else:
        assert played.cost_usd == pytest.approx(usd) and played.finish_h == pytest.approx(took * HOUR_SHARE)


class _Waiting(Scripted):
    """A script that may begin with nothing."""

    def __init__(self, wishes: Sequence[str], drawn: KnownWindow) -> None:
        super().__init__(wishes, drawn.zones)

    def decide(self, belief: None, view: FleetView) -> tuple[Action, ...]:
        step = round((view.now - view.runs[0].submitted_at).total_seconds() / STEP_S)
        if view.runs[0].attempt is None and self.script[step] == ".":
            return (Hold(run_id="job", reason=WHY),)
        return super().decide(belief, view)
