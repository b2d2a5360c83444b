"""What the report adds to the ledger's answers: movers, cells, timelines, frontiers, chains, recommendations."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.lever import LeverKind, LeverVerdict, QualityEvidence
from shoestring.domain.run import ExitKind, Heartbeat, RunState
from shoestring.ledger.breakdown import SMALLER, breakdown
from shoestring.ledger.budgets import Spending
from shoestring.ledger.expected import expected
from shoestring.ledger.levers import lever_sum
from shoestring.ledger.movers import movers
from shoestring.ledger.quality_cost import more_is_better, quality_against_cost, reported_metrics
from shoestring.ledger.savings import BilledSum
from shoestring.ledger.savings_chain import ChainSum, chain, chains_by_run
from shoestring.ledger.timeline import POINTS, cost_curve, timeline_of
from shoestring.ledger.unit_costs import RunWork
from tests.ledger.making import at, attempt, offer, spans
from tests.ledger.test_receipt import paid

DAY = date(2026, 1, 11)


def spent(day, usd, **labels):
    return Spending(day=DAY + timedelta(days=day), labels=labels, usd=Decimal(usd))


def test_movers_compare_with_as_many_days_before_and_nothing_else():
    spending = [
        spent(-10, 5, team="vision"), spent(-11, 100, team="vision"), spent(0, 9, team="vision"),
        spent(10, 100, team="vision"), spent(1, 3, team="speech"), spent(-1, 3, team="speech"),
    ]  # fmt: skip
    told = movers(spending, since=DAY, until=DAY + timedelta(days=10), dimensions=("team", "model"))
    assert [(m.dimension, m.key, m.before_usd, m.change_usd) for m in told] == [
        ("team", "vision", 5, 4),
        ("model", None, 8, 4),
    ]


def test_the_largest_movers_come_first_whichever_way_they_went():
    spending = [spent(0, 5, team="a"), spent(-1, 9, team="b"), spent(0, 2, team="c")]
    told = movers(spending, since=DAY, until=DAY + timedelta(days=5), dimensions=("team",), each=2)
    assert [(m.key, m.change_usd) for m in told] == [("b", -9), ("a", 5)]


def test_without_any_past_everything_would_be_new_and_nothing_is_told():
    spending = [spent(0, 5, team="a"), spent(1, 2, team="b")]
    assert movers(spending, since=DAY, until=DAY + timedelta(days=5), dimensions=("team",)) == ()


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(-50, 10**6)), max_size=40),
    st.integers(0, 6),
)
def test_cells_add_up_to_the_spending_however_few_are_kept(lines, most):
    spending = [spent(0, usd, team=team, model=model) for team, model, usd in lines]
    cells = breakdown(spending, ("team", "model"), most)
    assert sum(c.usd for c in cells) == sum(s.usd for s in spending)
    teams = {t: sum(u for team, _, u in lines if team == t) for t in "abc"}
    assert all(sum(c.usd for c in cells if c.labels[0] == t) == usd for t, usd in teams.items())
    assert sum(SMALLER not in c.labels for c in cells) <= most


def test_a_timeline_knows_places_prices_ends_and_what_was_paid():
    life = timeline_of(paid())
    assert [(s.place, s.market, s.ended_by) for s in life.stays] == [
        ("us-east-1a", "spot", "preempted"),
        ("eu-west-1a", "spot", "done"),
    ]
    assert [e.kind for e in life.events] == ["checkpoint", "preempted", "restore", "done"]
    assert life.cost[-1][1] == pytest.approx(float(paid().cost.total_usd))
    assert [usd for _, usd in life.stays[1].prices] == [2.0]


def test_a_stay_lasts_from_launch_to_end_or_until_now():
    gone = attempt(1, 100, 3600, exit_kind=ExitKind.PREEMPTED)
    told = paid((gone, attempt(2, 4000, None)), state=RunState.RUNNING, now=9000)
    assert [(s.number, s.start, s.end) for s in timeline_of(told).stays] == [
        (1, at(100), at(3600)),
        (2, at(4000), at(9000)),
    ]


def test_the_cost_curve_never_falls_and_half_an_hour_costs_half():
    compute = [c for c in paid().charges if c.attempt_id == "a1" and "compute" in c.usage_id]
    curve = cost_curve(compute)
    assert all(a[1] <= b[1] + 1e-12 for a, b in pairwise(curve))
    assert curve[-1][1] == pytest.approx(1.0)


def test_what_nobody_priced_stays_unknown_and_a_notice_says_whose_it_is():
    first = attempt(1, 0, 3600, on=offer(), prices=spans((0, None)), exit_kind=ExitKind.PREEMPTED)
    end = replace(first.observation.exit, detail="reclaimed")
    first = replace(first, observation=replace(first.observation, notice_at=at(3500), exit=end))
    waiting = attempt(2, 4000, None)
    waiting = replace(waiting, observation=replace(waiting.observation, launched_at=None, price_spans=()))
    life = timeline_of(paid((first, waiting)))
    (stay,) = life.stays
    assert (stay.usd, stay.prices) == (None, ((at(0), None),))
    assert [(e.kind, e.text) for e in life.events] == [
        ("notice", "attempt 1 will be taken back"),
        ("preempted", "attempt 1: reclaimed"),
    ]


def test_a_long_curve_keeps_its_ends_and_is_as_long_as_a_screen_is_wide():
    prices = spans(*((n, f"{1 + n % 7}") for n in range(0, 7200, 6)))
    told = paid((attempt(1, 0, 7200, steps=((0, 7200, 0, 9),), prices=prices),))
    life, whole = timeline_of(told), cost_curve(told.charges)
    assert len(whole) > POINTS == len(life.cost)
    assert (life.cost[0], life.cost[-1]) == (whole[0], whole[-1])


def test_nothing_paid_is_an_empty_curve():
    assert cost_curve(()) == ()


def work(run_id, usd, **metrics):
    beat = Heartbeat(at=at(1), step=1, loss=metrics.pop("loss", None), metrics=metrics)
    return RunWork(run_id=run_id, keys=("e",), usd=None if usd is None else Decimal(usd), beats=(beat,))


def test_the_frontier_is_what_no_cheaper_run_reaches():
    runs = [work("a", 1, acc=0.5), work("b", 2, acc=0.5), work("c", 3, acc=0.9), work("d", None, acc=1.0)]
    told = quality_against_cost(runs, "acc")
    assert [(p.run_id, p.on_frontier) for p in told.points] == [("a", True), ("b", False), ("c", True)]
    assert told.left_out == 1


def test_less_of_a_loss_is_better_and_a_diverged_run_has_no_quality():
    runs = [
        work("a", 1, loss=0.9),
        work("b", 2, loss=0.1),
        work("c", 3, loss=0.5),
        work("n", 1, loss=float("nan")),
    ]
    told = quality_against_cost(runs, "loss")
    assert [p.run_id for p in told.points if p.on_frontier] == ["a", "b"]
    assert [p.run_id for p in told.points] == ["a", "b", "c"]
    assert more_is_better("throughput")


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=12))
def test_a_run_is_on_the_frontier_unless_another_beats_it(points):
    runs = [work(f"{n:02}", usd, acc=value) for n, (usd, value) in enumerate(points)]
    told = quality_against_cost(runs, "acc").points
    for p in told:
        beaten = any(
            o.usd <= p.usd and o.value >= p.value and (o.usd, -o.value) != (p.usd, -p.value) for o in told
        )
        twin = any(o.run_id < p.run_id and (o.usd, o.value) == (p.usd, p.value) for o in told)
        assert p.on_frontier == (not beaten and not twin)


def test_metrics_of_most_runs_come_first_and_the_heartbeats_loss_last():
    runs = [work("a", 1, acc=1, f1=1, loss=1), work("b", 1, f1=1, loss=1)]
    assert reported_metrics(runs) == ("f1", "acc", "loss")


def sums(pricing, listed, contracted, effective, *, part=None, run_id=None, unused=False):
    return ChainSum(
        run_id=run_id,
        part=part,
        prices=BilledSum(
            pricing=pricing, unused=unused, list_usd=Decimal(listed), contracted_usd=Decimal(contracted),
            effective_usd=Decimal(effective),
        ),
    )  # fmt: skip


def test_the_chain_puts_lost_work_and_checkpoints_on_at_what_they_cost():
    told = chain([sums("Dynamic", 10, 9, 4), sums("Dynamic", 5, 5, 2, part="lost_work"),
                  sums("Dynamic", 3, 3, 1, part="checkpoint"), sums("Committed", 0, 0, 7, unused=True)])  # fmt: skip
    assert (told.list_usd, told.negotiated_usd, told.spot_usd) == (10, 1, 5)
    assert (told.lost_work_usd, told.checkpoint_usd, told.unused_commitment_usd) == (2, 1, 7)
    assert told.paid_usd == 14


usd = st.integers(0, 10**6)
lines = st.builds(
    sums, st.sampled_from(["Standard", "Dynamic", "Committed"]), usd, usd, usd, unused=st.booleans(),
    part=st.sampled_from([None, "compute", "lost_work", "checkpoint"]), run_id=st.sampled_from([None, "a", "b"]),
)  # fmt: skip


@given(st.lists(lines))
def test_the_steps_of_every_chain_add_up_to_what_was_paid(all_sums):
    chains = (chain(all_sums), *chains_by_run(all_sums, 50))
    assert all(sum(c.steps.values()) == c.paid_usd for c in chains)
    assert chains[0].paid_usd == sum(s.prices.effective_usd for s in all_sums)


def test_what_could_be_cut_begins_at_nothing_and_says_why():
    told = expected({"vision": Decimal(4), "speech": Decimal(0)}, Decimal(9), [paid()], days=300)
    assert [(e.kind, e.low_usd, e.high_usd) for e in told[:2]] == [
        ("unused_commitment", 0, 9),
        ("idle", 0, 4),
    ]
    assert told[2].kind == "kept_checkpoints"
    assert told[2].high_usd == pytest.approx(paid().storage_usd_per_day * 300)
    assert "speech" not in {e.subject for e in told}


def test_checkpoints_of_a_run_that_goes_on_are_needed():
    assert expected({}, Decimal(0), [paid(state=RunState.SUSPENDED)], days=300) == ()


def test_less_than_a_cent_is_not_worth_a_word():
    assert expected({"vision": Decimal("0.009")}, Decimal(0), [paid()], days=1) == ()


def test_of_runs_that_cost_the_same_the_better_is_on_the_frontier():
    more = quality_against_cost([work("a", 2, acc=0.5), work("b", 2, acc=0.9), work("c", 2, acc=0.9)], "acc")
    assert [(p.run_id, p.on_frontier) for p in more.points] == [("b", True), ("c", False), ("a", False)]
    less = quality_against_cost([work("a", 2, loss=0.9), work("b", 2, loss=0.5)], "loss")
    assert [(p.run_id, p.on_frontier) for p in less.points] == [("b", True), ("a", False)]


def test_movers_of_each_dimension_are_ranked_by_what_they_moved():
    days = {"since": date(2026, 1, 11), "until": date(2026, 1, 21)}

    def line(day, team, usd):
        return Spending(day=date(2026, 1, day), labels={"team": team}, usd=Decimal(usd))

    spending = [line(1, "a", 10), line(10, "b", 10), line(11, "a", 15), line(20, "b", 4), line(21, "a", 99),
                line(11, "c", 3), line(11, "d", 2), line(5, "same", 1), line(15, "same", 1)]  # fmt: skip
    told = movers(spending, dimensions=["team"], **days)
    assert [(m.key, m.before_usd, m.now_usd, m.change_usd) for m in told] == [
        ("b", 10, 4, -6), ("a", 10, 15, 5), ("c", 0, 3, 3),
    ]  # fmt: skip
    assert [m.key for m in movers(spending, dimensions=["team"], each=4, **days)] == ["b", "a", "c", "d"]
    assert movers([*spending, line(1, "e", 0)], dimensions=["team"], each=1, **days) == told[:1]
    older = Spending(day=date(2025, 12, 31), labels={"team": "a"}, usd=Decimal(500))
    assert movers([older, *spending], dimensions=["team"], **days) == told


def verdict(run_id, kind, usd, low, high):
    alike = QualityEvidence(
        metric="accuracy", value=0.9, reference=0.9, more_is_better=True, tolerance=0.0, source=""
    )
    return LeverVerdict(
        at=at(0), user="me", run_id=run_id, run_ended=at(0), kind=kind, what="", counterfactual="",
        reference_run=None, basis="stated", hours_saved=None, usd_per_hour=None, spent_usd=Decimal(0),
        usd=Decimal(usd), low_usd=Decimal(low), high_usd=Decimal(high), quality=alike, why="",
    )  # fmt: skip


def test_what_levers_saved_comes_in_as_work_not_bought_and_is_taken_off():
    levers = [verdict("a", LeverKind.DATA, 5, 4, 6), verdict("b", LeverKind.MODEL, 3, 2, 9),
              verdict("b", LeverKind.MODEL, 1, 1, 1)]  # fmt: skip
    bill = [sums("Standard", 10, 10, 10, run_id="a"), sums("Standard", 20, 20, 20, run_id="b")]
    whole = chain(bill, None, levers)
    assert (whole.steps["work not bought"], whole.steps["data levers"], whole.steps["model levers"]) == (
        9,
        -5,
        -4,
    )
    assert sum(whole.steps.values()) == whole.paid_usd == 30
    dearest, other = chains_by_run(bill, 5, levers)
    assert (dearest.run_id, dearest.data_lever_usd, dearest.model_lever_usd) == ("b", 0, 4)
    assert (other.run_id, other.data_lever_usd, other.model_lever_usd) == ("a", 5, 0)
    assert [c.run_id for c in chains_by_run(bill, 1)] == ["b"]
    alike = [sums("Standard", 10, 10, 10, run_id=name) for name in ("z", "a", "m")]
    assert [c.run_id for c in chains_by_run(alike, 5)] == ["a", "m", "z"]
    data = lever_sum(levers, LeverKind.DATA)
    assert (data.usd, data.low_usd, data.high_usd, data.verdicts) == (5, 4, 6, 1)
    every = lever_sum(levers)
    assert (every.usd, every.low_usd, every.high_usd, every.verdicts) == (9, 7, 16, 3)
