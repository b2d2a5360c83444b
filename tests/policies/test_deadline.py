"""The deadline policy, one scenario for each rule: given a market, when decided, then, and why."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shoestring.domain.fleet import (
    Action,
    Allowance,
    AttemptView,
    FleetView,
    Hold,
    Launch,
    Phase,
    PoolView,
    Release,
    RunView,
    Save,
    Suspend,
)
from shoestring.domain.offer import Market, Offer, OwnedCost
from shoestring.domain.run import RunState
from shoestring.domain.workload import Goal
from shoestring.policies.deadline import Deadline
from shoestring.policies.watch import Watch
from tests.policies.game import START, offer, run_view

SPOT_A, SPOT_B = "cloud/east-1a/g.1x/spot", "cloud/west-1a/g.1x/spot"
SAFE = "cloud/east-1a/g.1x/on_demand"
HOUR = 3600.0


def offers(*more: Offer, a_up: bool = True, b_up: bool = False, a_usd: float = 1.0) -> dict[str, Offer]:
    found = [
        offer("east-1a", usd=a_usd, up=a_up),
        offer("west-1a", up=b_up),
        offer("east-1a", Market.ON_DEMAND, 3.0),
        *more,
    ]
    return {o.id: o for o in found}


def seen(*looks: tuple[float, dict[str, Offer]]) -> Watch:
    """The belief after looks at the market, each ``(hours since the start, offers)``."""
    policy, belief = Deadline(), Deadline().start()
    for at_h, market in looks:
        belief = policy.update(belief, FleetView(now=START + timedelta(hours=at_h), runs=(), offers=market))
    return belief


def decide(
    run: RunView, market: dict[str, Offer], *, at_h: float = 0.0, belief: Watch | None = None, **more: object
) -> Action | None:
    policy = Deadline()
    view = FleetView(now=START + timedelta(hours=at_h), runs=(run,), offers=market, **more)  # type: ignore[arg-type]
    actions = policy.decide(policy.start() if belief is None else belief, view)
    assert len(actions) <= 1
    return actions[0] if actions else None


def job(work_h: float, deadline_h: float | None, left_h: float | None = None, **more: object) -> RunView:
    left = work_h if left_h is None else left_h
    fields = {"work_left_s": {"G": left * HOUR}, **more}
    if "eligible" not in fields:
        fields["eligible"] = (SPOT_A, SPOT_B, SAFE)
    return run_view(work_h, deadline_h, **fields)  # type: ignore[arg-type]


def on(offer_id: str, age_h: float = 1.0, phase: Phase = Phase.TRAINING) -> dict[str, object]:
    place = offer_id.split("/")[1]
    attempt = AttemptView(attempt_id="job-1", offer_id=offer_id, place=place, phase=phase, age_s=age_h * HOUR)
    return {"state": RunState.RUNNING, "attempt": attempt, "checkpoint_place": place}


def test_spot_that_has_been_up_for_long_is_taken() -> None:
    action = decide(job(10, 40), offers(), at_h=12, belief=seen((0, offers())))

    assert isinstance(action, Launch)
    assert (action.offer_id, action.reason.code) == (SPOT_A, "spot_up")
    assert action.reason.runner_up is not None and action.reason.saving_usd is not None
    assert action.reason.saving_usd > 0


def test_without_spot_and_with_time_it_waits() -> None:
    action = decide(job(10, 40), offers(a_up=False))

    assert isinstance(action, Hold)
    assert action.reason.code == "wait_for_spot"


def test_without_spot_and_with_little_time_it_buys_time() -> None:
    belief = seen((0, offers(a_up=False)))
    action = decide(job(20, 22.6), offers(a_up=False), at_h=1.5, belief=belief)

    assert isinstance(action, Launch)
    assert (action.offer_id, action.reason.code) == (SAFE, "buy_time")


def test_time_is_bought_in_the_place_where_spot_is_expected_next() -> None:
    """On-demand costs the same in both places; spot in east-1a has been gone all along, west-1a's for an hour."""
    west_safe = offer("west-1a", Market.ON_DEMAND, 3.0)
    belief = seen(*((k / 6, offers(west_safe, a_up=False, b_up=k < 130)) for k in range(137)))
    run = job(
        20, 43.6, eligible=(SPOT_A, SPOT_B, SAFE, west_safe.id), move_usd={"east-1a": 5.0, "west-1a": 5.0}
    )
    action = decide(run, offers(west_safe, a_up=False), at_h=22.9, belief=belief)

    assert isinstance(action, Launch)
    assert (action.offer_id, action.reason.code) == (west_safe.id, "buy_time")


def test_spot_that_came_up_just_now_and_never_lasts_is_skipped() -> None:
    """A dear restart, a zone that flaps every ten minutes, and an hour of slack to spend."""
    looks = [(k / 6, offers(a_up=k % 2 == 0)) for k in range(145)]
    run = job(10, 37, restart_s=1500.0)
    action = decide(run, offers(), at_h=24.01, belief=seen(*looks))

    assert isinstance(action, Hold | Launch)
    assert not (isinstance(action, Launch) and action.offer_id == SPOT_A)


def test_the_guard_cuts_in_when_a_switch_can_not_wait() -> None:
    action = decide(job(10, 20, left_h=9.6, **on(SPOT_A)), offers(), at_h=10)

    assert isinstance(action, Release)
    assert (action.to_offer_id, action.reason.code) == (SAFE, "deadline_guard")
    assert action.reason.numbers["slack_s"] < 0


def test_capacity_that_may_be_refused_is_asked_for_earlier() -> None:
    run = job(10, 20, left_h=9.0, **on(SPOT_A))
    sure = decide(run, offers(), at_h=10)
    unsure = decide(replace(run, p_capacity={SAFE: 0.4}), offers(), at_h=10)

    assert isinstance(sure, Hold)
    assert isinstance(unsure, Release) and unsure.reason.code == "deadline_guard"


def test_near_the_line_unsaved_work_is_saved_first() -> None:
    run = job(10, 20, left_h=9.35, checkpoint_age_s=400.0, **on(SPOT_A))
    action = decide(run, offers(), at_h=10)

    assert isinstance(action, Save) and action.reason.code == "save_first"
    assert isinstance(decide(replace(run, checkpoint_age_s=0.0), offers(), at_h=10), Hold)


def test_on_demand_is_left_when_spot_has_settled() -> None:
    belief = seen((0, offers()))
    action = decide(job(20, 40, left_h=15, **on(SAFE)), offers(), at_h=8, belief=belief)

    assert isinstance(action, Release)
    assert (action.to_offer_id, action.reason.code) == (SPOT_A, "leave_on_demand")


def test_on_demand_is_kept_while_there_is_no_slack() -> None:
    action = decide(job(20, 24, left_h=15.4, **on(SAFE)), offers(), at_h=8)

    assert isinstance(action, Hold)
    assert action.reason.code in ("stay_guaranteed", "deadline_guard")


def test_a_running_job_stays_when_the_move_costs_more_than_it_saves() -> None:
    belief = seen((0, offers(b_up=True)))
    market = offers(b_up=True, a_usd=1.2)
    run = job(10, 30, left_h=5, **on(SPOT_A))

    stays = decide(replace(run, move_usd={"west-1a": 5.0}), market, at_h=10, belief=belief)

    assert isinstance(stays, Hold)
    assert stays.reason.code == "keep_spot"


def test_a_running_job_moves_when_prices_part_for_long_enough() -> None:
    belief = seen((0, offers(b_up=True)))
    market = offers(b_up=True, a_usd=2.5)
    run = job(60, 120, left_h=50, move_usd={"west-1a": 5.0}, **on(SPOT_A))

    moves = decide(run, market, at_h=10, belief=belief)

    assert isinstance(moves, Release)
    assert (moves.to_offer_id, moves.reason.code) == (SPOT_B, "move")
    assert moves.reason.runner_up == SPOT_A
    assert moves.reason.saving_usd is not None and moves.reason.saving_usd > 5


def test_owned_hours_that_nobody_wants_are_filled_first() -> None:
    owned = replace(
        offer("rack", Market.OWNED, 4.0),
        owned=OwnedCost(marginal_usd_per_hour=Decimal("0.3"), loaded_usd_per_hour=Decimal("2")),
    )
    run = job(10, 20, eligible=(SPOT_A, SPOT_B, SAFE, owned.id))
    pool = PoolView(pool_id="rack", offer_id=owned.id, slots_free=1, slots_total=1)

    free = decide(run, offers(owned), pools=(pool,))
    full = decide(run, offers(owned), pools=(replace(pool, slots_free=0),))
    wanted = decide(replace(run, opportunity_usd_per_hour={owned.id: 3.5}), offers(owned), pools=(pool,))

    assert isinstance(free, Launch) and (free.offer_id, free.reason.code) == (owned.id, "cheapest")
    assert isinstance(full, Launch) and full.offer_id == SPOT_A
    assert isinstance(wanted, Launch) and wanted.offer_id == SPOT_A


def test_reserved_hours_that_end_before_the_job_are_used_but_guarantee_nothing() -> None:
    block = offer("east-1a", Market.CAPACITY_BLOCK, 0.5)
    run = job(10, 11.5, eligible=(SAFE, block.id))
    pool = PoolView(pool_id="block", offer_id=block.id, slots_free=1, slots_total=1, hours_left=3.0)

    in_time = decide(run, offers(block), at_h=0.0, pools=(pool,))
    tight = decide(run, offers(block), at_h=1.2, pools=(pool,))

    assert isinstance(in_time, Launch) and in_time.offer_id == block.id
    assert isinstance(tight, Launch) and (tight.offer_id, tight.reason.code) == (SAFE, "deadline_guard")


def test_owned_hours_that_become_free_take_over_from_on_demand() -> None:
    owned = replace(
        offer("rack", Market.OWNED, 4.0),
        owned=OwnedCost(marginal_usd_per_hour=Decimal("0.3"), loaded_usd_per_hour=Decimal("2")),
    )
    run = job(20, 40, left_h=15, eligible=(SPOT_A, SAFE, owned.id), **on(SAFE))

    action = decide(run, offers(owned, a_up=False), at_h=8)

    assert isinstance(action, Release)
    assert (action.to_offer_id, action.reason.code) == (owned.id, "cheaper_guaranteed")


def test_a_budget_that_runs_out_suspends_instead_of_destroying() -> None:
    run = job(10, 20, left_h=5, budget_usd=10.0, spent_usd=9.99, **on(SPOT_A))

    action = decide(run, offers(), at_h=5)

    assert isinstance(action, Suspend) and action.cause == "budget"
    assert isinstance(decide(replace(run, spent_usd=1.0), offers(), at_h=5), Hold)


def test_a_scope_without_allowance_suspends_too() -> None:
    left = Allowance(scope="team", remaining_usd=0.0)

    assert isinstance(decide(job(10, 20, allowances=(left,), **on(SPOT_A)), offers()), Suspend)


def test_a_gang_is_priced_as_a_whole() -> None:
    one = decide(job(10, 20), offers())
    sixteen = decide(job(10, 20, num_nodes=16), offers())

    assert isinstance(one, Launch) and isinstance(sixteen, Launch)
    ratio = sixteen.reason.numbers["expected_usd"] / one.reason.numbers["expected_usd"]
    assert ratio == pytest.approx(16, rel=0.02)


def test_a_gang_that_lost_a_node_goes_whole_where_one_node_alone_would_not() -> None:
    """The loss of a node is the loss of the gang. What a move costs is paid once, what it saves by every node."""
    belief = seen((0, offers(b_up=True)), (6, offers(a_up=False, b_up=True)))
    market, actions = offers(a_up=False, b_up=True), []
    for nodes in (1, 16):
        run = job(10, 20, num_nodes=nodes, checkpoint_place="east-1a", move_usd={"west-1a": 4.0})
        actions.append(decide(run, market, at_h=6.1, belief=belief))
    alone, gang = actions

    assert isinstance(alone, Hold) and alone.reason.code == "skip_spot"
    assert isinstance(gang, Launch) and gang.offer_id == SPOT_B


def test_without_a_deadline_a_patient_job_waits_and_a_hasty_one_does_not() -> None:
    patient = decide(job(10, None), offers(a_up=False))
    hasty = decide(job(10, None, goal=Goal.FASTEST), offers(a_up=False))

    assert isinstance(patient, Hold)
    assert isinstance(hasty, Launch) and hasty.offer_id == SAFE


def test_unknown_work_is_never_risked_against_a_deadline() -> None:
    run = replace(job(10, 20), work_left_s={}, work_total_s={})

    action = decide(run, offers())

    assert isinstance(action, Launch) and action.offer_id == SAFE


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.NOTICED, Phase.UNKNOWN])
def test_what_is_on_its_way_out_or_silent_is_left_alone(phase: Phase) -> None:
    assert decide(job(10, 20, **on(SPOT_A, phase=phase)), offers()) is None


def test_offers_that_are_not_eligible_are_not_used() -> None:
    action = decide(job(10, 20, eligible=(SPOT_B, SAFE)), offers(b_up=False))

    assert isinstance(action, Hold | Launch)
    assert not (isinstance(action, Launch) and action.offer_id == SPOT_A)


def test_the_order_of_runs_and_offers_does_not_matter() -> None:
    policy, market = Deadline(), offers(b_up=True)
    runs = tuple(replace(job(10, 20 + k), run_id=f"job-{k}") for k in range(3))
    view = FleetView(now=START, runs=runs, offers=market)
    turned = FleetView(now=START, runs=runs[::-1], offers=dict(reversed(market.items())))
    turned = replace(turned, runs=tuple(replace(r, eligible=r.eligible[::-1]) for r in turned.runs))

    assert policy.decide(policy.start(), view) == policy.decide(policy.start(), turned)


def test_the_same_views_again_give_the_same_actions() -> None:
    looks = [(h, offers(a_up=h % 3 != 1, b_up=h % 4 != 0)) for h in range(30)]
    first, again = seen(*looks), seen(*looks)
    run = job(10, 60)

    assert decide(run, offers(), at_h=31, belief=first) == decide(run, offers(), at_h=31, belief=again)


def test_a_market_told_only_on_change_is_learnt_all_the_same() -> None:
    told = seen((0, offers()), (10, offers(a_up=False)))
    looked = seen(*[(h / 4, offers()) for h in range(40)], (10, offers(a_up=False)))

    assert told.memory.age_s.tolist() == looked.memory.age_s.tolist()
    assert told.memory.switches == pytest.approx(looked.memory.switches)


def test_an_interruption_that_is_free_in_the_first_hour_makes_spot_cheaper() -> None:
    market = offers()
    free = {
        i: replace(o, billing=replace(o.billing, free_if_interrupted_within_s=3600)) if "spot" in i else o
        for i, o in market.items()
    }
    plain, refunded = decide(job(10, 20), market), decide(job(10, 20), free)

    assert isinstance(plain, Launch) and isinstance(refunded, Launch)
    assert refunded.reason.numbers["expected_usd"] < plain.reason.numbers["expected_usd"]


def test_owned_hours_that_become_free_too_late_are_left() -> None:
    """Another start would take up to a quarter of an hour: with five hours of work in five hours and ten minutes."""
    owned = replace(
        offer("rack", Market.OWNED, 4.0),
        owned=OwnedCost(marginal_usd_per_hour=Decimal("0.3"), loaded_usd_per_hour=Decimal("2")),
    )
    run = job(20, 25.17, left_h=5, eligible=(SPOT_A, SAFE, owned.id), **on(SAFE))
    assert not isinstance(decide(run, offers(owned, a_up=False), at_h=20), Release)
