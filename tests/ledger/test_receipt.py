"""The receipt of a run: from facts alone, one cost over all attempts, honest about what is not known."""

from decimal import Decimal

import pytest
from hypothesis import given

from shoestring.domain.errors import NotFound
from shoestring.domain.facts import Baseline, Completed, Intended, Observed
from shoestring.domain.fleet import Launch, Reason
from shoestring.domain.offer import Market
from shoestring.domain.run import ExitKind, Observation, Outcome, PriceSpan, RunState
from shoestring.domain.usage import CostPart
from shoestring.ledger.data_prices import DataPrices
from shoestring.ledger.receipt import receipt
from shoestring.workflows.receipt import receipt_json
from tests.ledger.making import DATA_PRICES, T0, at, attempt, checkpoint, facts_of, offer, price
from tests.ledger.test_spend import lives

ON_DEMAND = Baseline(
    name="on_demand",
    offer=offer("3.00", market=Market.ON_DEMAND),
    hours=None,
    hours_source="measured",
    method="uninterrupted on-demand",
)


def preempted_and_resumed():
    """Two hours on spot: lost half an hour of work in the first, finished in another region in the second."""
    first = attempt(
        1,
        0,
        3600,
        steps=((600, 3600, 0, 100),),
        checkpoints=(checkpoint(40, 1800),),
        exit_kind=ExitKind.PREEMPTED,
        energy_j=3.6e6,
    )
    second = attempt(
        2,
        7200,
        10800,
        steps=((7800, 10200, 40, 200),),
        restored=(40, 7800, 60),
        on=offer("2.00", zone="eu-west-1a"),
        energy_j=7.2e6,
    )
    return first, second


def paid(attempts=None, *, now=20_000, run_id="r1", prices=DATA_PRICES, **kwargs):
    kwargs.setdefault("ended", 10_800)
    attempts = preempted_and_resumed() if attempts is None else attempts
    return receipt(facts_of(attempts, **kwargs), run_id, now=at(now), prices=prices)


def test_parts_are_what_the_time_was_good_for_and_sum_to_the_total():
    cost = paid().cost
    lost = Decimal(1800) / 3600  # steps 40..100 of 0..100 over 3000 s, at 1 $/h
    assert cost.parts[CostPart.LOST_WORK] == lost
    step = Decimal("1e-11")
    assert cost.parts[CostPart.COMPUTE] == pytest.approx(Decimal(1200 + 2 * 2400) / 3600, abs=step)
    assert cost.parts[CostPart.CHECKPOINT] == pytest.approx(Decimal(2 * 60) / 3600, abs=step)
    assert cost.parts[CostPart.EGRESS] == Decimal("0.02")
    assert cost.total_usd == sum(cost.parts.values())


def test_goodput_is_useful_over_held_hours():
    assert paid().goodput == pytest.approx((1200 + 2400) / 7200)


def test_preemptions_and_moves_are_told_with_reasons():
    told = paid()
    assert told.preemptions == 1
    assert [(m.from_place, m.to_place, m.reason.code) for m in told.moves] == [
        ("us-east-1a spot", "eu-west-1a spot", "spot_up")
    ]


def test_energy_says_how_much_of_the_time_it_covers():
    assert (paid().energy.kwh, paid().energy.kind, paid().energy.covered) == (3.0, "measured", 1.0)
    half = (preempted_and_resumed()[0], attempt(2, 7200, 10800))
    assert paid(half).energy.covered == 0.5
    assert paid((attempt(1, 0, 10),)).energy.kwh is None


def test_the_saving_is_against_a_named_baseline_priced_by_the_same_rules():
    told = paid(baselines=(ON_DEMAND,))
    useful_and_boot_s = 3600 + 600
    assert told.baseline.name == "on_demand"
    assert told.baseline.cost_usd == Decimal(useful_and_boot_s) * 3 / 3600
    assert told.saving.usd == told.baseline.cost_usd - told.cost.total_usd
    assert told.saving.low_usd < told.saving.usd < told.saving.high_usd
    assert "1.167 h (measured) at 3.00 $/h" in told.baseline.method


def test_the_job_as_asked_heads_the_receipt_when_its_cost_is_known():
    asked = Baseline(
        name="as_asked",
        offer=offer("4.00", market=Market.ON_DEMAND),
        hours=2.0,
        hours_source="declared",
        method="as the file asked",
    )
    told = paid(baselines=(ON_DEMAND, asked))
    assert (told.baseline.name, told.baseline.cost_usd) == ("as_asked", 8)
    assert [b.name for b in told.baselines] == ["on_demand", "as_asked"]


def test_hours_measured_on_other_hardware_say_nothing_about_a_baseline():
    h100 = Baseline(
        name="as_asked",
        offer=offer("9.00", accelerator="H100"),
        hours=None,
        hours_source="measured",
        method="as the file asked",
    )
    told = paid(baselines=(h100,))
    assert told.baseline.cost_usd is None
    assert told.saving.usd is None
    assert "H100 unknown" in told.baseline.method


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        (Baseline(name="as_asked", offer=None, hours=1.0, hours_source="declared", method="m"), "no offer"),
        (
            Baseline(
                name="as_asked",
                offer=offer("1"),
                hours=1.0,
                hours_source="declared",
                method="m",
            ),
            "gave no price",
        ),
    ],
)
def test_a_baseline_that_can_not_be_priced_is_unknown_and_says_why(baseline, says):
    if baseline.offer is not None:
        object.__setattr__(baseline.offer, "price", price(None))
    told = paid(baselines=(baseline,))
    assert told.baseline.cost_usd is None
    assert says in told.baseline.method


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.FAILED, RunState.SUSPENDED])
def test_a_run_that_did_not_finish_has_no_saving_yet(state):
    assert paid(state=state, baselines=(ON_DEMAND,)).saving.usd is None


def test_unknown_storage_prices_leave_storage_and_total_unknown_but_tell_what_is_known():
    told = paid(prices=DataPrices(egress=DATA_PRICES.egress))
    assert told.cost.parts[CostPart.STORAGE] is None
    assert told.cost.total_usd is None
    assert told.cost.rated_usd > 0
    assert [u.kind.value for u in told.unrated] == ["storage"]
    assert receipt_json(told)["cost_usd"]["storage"] is None


def test_unrated_compute_makes_every_part_of_the_time_unknown():
    no_price = attempt(1, 0, 10, prices=(PriceSpan(start=at(0), end=None, price=price(None)),))
    parts = paid((no_price,)).cost.parts
    assert parts[CostPart.COMPUTE] is None and parts[CostPart.IDLE] is None
    assert parts[CostPart.STORAGE] == 0


def test_a_terminal_run_stops_costing_and_a_suspended_one_does_not():
    assert paid(now=20_000).cost == paid(now=900_000).cost
    suspended = {"state": RunState.SUSPENDED}
    assert paid(now=900_000, **suspended).cost.total_usd > paid(now=20_000, **suspended).cost.total_usd


def test_a_refused_launch_is_counted_and_costs_nothing():
    facts = facts_of(preempted_and_resumed(), ended=10_800)
    launch = Launch(run_id="r1", offer_id="x", reason=Reason(code="spot_up", text=""))
    refused = Intended(
        run_id="r1",
        at=T0,
        action_id="a9",
        action=launch,
        view_digest="",
        attempt_id="a9",
        attempt_number=9,
        token="t9",
        offer=offer(),
    )
    facts[1:1] = [refused, Completed(run_id="r1", at=T0, action_id="a9", result="no_capacity")]
    told = receipt(facts, "r1", now=at(20_000), prices=DATA_PRICES)
    assert told.refused_launches == 1
    assert told.cost == paid().cost


def test_an_engine_that_is_away_does_not_erase_what_was_seen():
    facts = facts_of(preempted_and_resumed(), ended=10_800)
    away = Observation(attempt_id="a2", outcome=Outcome.UNKNOWN)
    facts.insert(-1, Observed(run_id="r1", at=at(9000), observation=away))
    assert receipt(facts, "r1", now=at(20_000), prices=DATA_PRICES).cost == paid().cost


def test_facts_of_other_runs_are_passed_over():
    mixed = facts_of((), ended=5, run_id="r2") + facts_of(preempted_and_resumed(), ended=10_800)
    assert receipt(mixed, "r1", now=at(20_000), prices=DATA_PRICES) == paid()


def test_a_run_nobody_submitted_is_not_found():
    with pytest.raises(NotFound, match="no run 'r7'"):
        paid(run_id="r7")


def test_price_sources_tell_where_when_and_how_old():
    (source,) = [s for s in paid().price_sources if s.source == "test"]
    assert source.as_of_last == T0
    assert source.age_max.total_seconds() == 7800  # the second attempt's training began so long after
    assert sum(s.amount_usd for s in paid().price_sources) == paid().cost.total_usd


def test_the_json_has_the_promised_keys_with_numbers_that_add_up():
    told = receipt_json(paid(baselines=(ON_DEMAND,)))
    promised = (
        "run state basis attempts cost_usd baseline saving_usd saving_fraction goodput preemptions moves"
    )
    assert set(promised.split()) | {"energy_kwh", "price_sources"} <= set(told)
    cost = told["cost_usd"]
    assert set(cost) == {"total", "compute", "storage", "egress", "idle", "checkpoint", "lost_work"}
    assert cost["total"] == pytest.approx(sum(v for k, v in cost.items() if k != "total"))
    assert set(told["baseline"]) >= {"name", "cost_usd", "method"}
    assert (told["basis"], told["preemptions"], told["moves"]) == ("METERED", 1, 1)
    assert sum(a["cost_usd"]["total"] for a in told["attempts"]) == pytest.approx(cost["total"])


@given(lives())
def test_parts_attempts_and_sources_each_sum_to_the_total(attempts):
    told = paid(attempts, state=RunState.WAITING, ended=1, now=250_000)
    total = told.cost.total_usd
    assert sum(told.cost.parts.values()) == total
    assert sum(line.cost.total_usd for line in told.attempts) == total
    assert sum(s.amount_usd for s in told.price_sources) == total
    assert told.goodput is None or 0 <= told.goodput <= 1


@pytest.mark.parametrize(
    ("state", "deadline", "now", "in_time"),
    [
        (RunState.SUCCEEDED, 10_800, 20_000, True),  # the second attempt ended then
        (RunState.SUCCEEDED, 10_799, 20_000, False),
        (RunState.SUCCEEDED, None, 20_000, None),
        (RunState.FAILED, 15_000, 20_000, False),
        (RunState.RUNNING, 15_000, 14_000, None),
        (RunState.RUNNING, 15_000, 15_000, None),
        (RunState.RUNNING, 15_000, 15_001, False),
    ],
)
def test_in_time_is_when_the_work_was_done_whoever_noticed_it_when(state, deadline, now, in_time):
    told = paid(state=state, ended=12_000, now=now, deadline_s=deadline)
    assert told.in_time is in_time


def test_an_instance_that_shows_up_after_the_work_was_done_makes_nothing_late():
    done = attempt(1, 0, 5000, steps=((600, 5000, 0, 100),))
    shown_late = attempt(2, 6000, 9000, exit_kind=ExitKind.STOPPED)
    still_up = attempt(3, 9500, None)
    assert paid((done, shown_late, still_up), ended=9600, deadline_s=5000).in_time is True
    assert paid((shown_late,), ended=8000, deadline_s=8000).in_time is True, (
        "nobody saw the work end: when it was told"
    )
    assert paid((shown_late,), ended=8001, deadline_s=8000).in_time is False
