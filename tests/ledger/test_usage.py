"""From attempts to usage: what time was good for, and which bytes were kept or carried."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.run import ExitKind, Heartbeat, NodesLost, Outcome, RunState
from shoestring.domain.usage import CostPart, UsageKind
from shoestring.ledger.parts import parts_of
from shoestring.ledger.usage import billed_until, compute_of, first_step, kept_steps, usage_of, usage_of_run
from tests.ledger.making import DATA_PRICES, GIB, T0, at, attempt, checkpoint, offer, part

PREEMPTED = ExitKind.PREEMPTED


def parts(a, kept_step=None, until=10_000):
    return compute_of(a, until=at(until), kept_step=kept_step).parts


def test_a_life_divides_into_boot_training_save_and_tail():
    a = attempt(1, 0, 1000, steps=((100, 900, 0, 80),), checkpoints=(checkpoint(80, 950, blocked=50),))
    assert parts(a) == (
        part(CostPart.IDLE, 0, 100),
        part(CostPart.COMPUTE, 100, 900),
        part(CostPart.CHECKPOINT, 900, 950),
        part(CostPart.IDLE, 950, 1000),
    )


def test_a_save_inside_a_span_is_paid_as_checkpoint_and_only_while_training_stands_still():
    a = attempt(1, 0, 300, steps=((0, 300, 0, 30),), checkpoints=(checkpoint(15, 180, blocked=10, save=60),))
    assert parts(a) == (
        part(CostPart.COMPUTE, 0, 120),
        part(CostPart.CHECKPOINT, 120, 130),
        part(CostPart.COMPUTE, 130, 300),
    )


def test_a_restore_is_checkpoint_time():
    a = attempt(2, 0, 100, steps=((40, 100, 10, 16),), restored=(10, 40, 15))
    assert parts(a)[:2] == (part(CostPart.IDLE, 0, 25), part(CostPart.CHECKPOINT, 25, 40))


def test_steps_beyond_the_one_resumed_from_are_lost_work():
    a = attempt(1, 0, 100, steps=((0, 100, 0, 50),))
    assert parts(a, kept_step=30) == (part(CostPart.COMPUTE, 0, 60), part(CostPart.LOST_WORK, 60, 100))


def test_work_is_kept_up_to_the_earliest_step_any_later_attempt_went_on_from():
    first = attempt(1, 0, 100, steps=((0, 100, 0, 100),), exit_kind=PREEMPTED)
    second = attempt(2, 200, 300, steps=((200, 300, 80, 180),), exit_kind=PREEMPTED)
    third = attempt(3, 400, 500, steps=((400, 500, 60, 200),))  # fell back to an older checkpoint
    assert kept_steps((first, second, third), RunState.SUCCEEDED) == {"a1": 60, "a2": 60, "a3": None}


def test_nothing_is_lost_yet_while_an_attempt_runs():
    first = attempt(1, 0, 100, steps=((0, 100, 0, 100),), exit_kind=PREEMPTED)
    live = attempt(2, 200, None, steps=((200, 300, 90, 120),))
    assert kept_steps((first, live), RunState.RUNNING) == {"a1": 90, "a2": None}


def test_a_launch_that_has_not_trained_yet_says_nothing_about_what_is_kept():
    first = attempt(1, 0, 100, steps=((0, 100, 0, 100),), checkpoints=(checkpoint(70, 80),))
    booting = attempt(2, 200, None)
    assert kept_steps((first, booting), RunState.RUNNING) == {"a1": None, "a2": None}


def test_a_failed_run_keeps_what_its_last_durable_checkpoint_holds():
    a = attempt(1, 0, 100, steps=((0, 100, 0, 100),), checkpoints=(checkpoint(70, 80),))
    assert kept_steps((a,), RunState.FAILED) == {"a1": 70}
    assert kept_steps((a,), RunState.SUSPENDED) == {"a1": 70}


def test_a_failed_run_without_a_checkpoint_has_lost_everything():
    a = attempt(1, 0, 100, steps=((0, 100, 0, 100),))
    assert parts(a, kept_steps((a,), RunState.FAILED)["a1"]) == (part(CostPart.LOST_WORK, 0, 100),)


def test_a_launch_that_was_never_billed_uses_nothing():
    assert usage_of(attempt(1, 0, None, prices=()), until=T0)[0].price_spans == ()
    no_start = attempt(1, 0, 10)
    object.__setattr__(no_start.observation, "launched_at", None)
    assert usage_of(no_start, until=at(10)) == ()


def test_an_older_checkpoint_costs_storage_until_enough_newer_ones_are_durable():
    saves = (checkpoint(1, 0), checkpoint(2, 3600), checkpoint(3, 7200))
    a = attempt(1, 0, 7200, checkpoints=saves)
    records = usage_of_run((a,), until=at(10800), state=RunState.SUSPENDED, keep_last=1, prices=DATA_PRICES)
    stored = [r for r in records if r.kind is UsageKind.STORAGE]
    assert [(r.quantity, r.final) for r in stored] == [(1, True), (1, True), (1, False)]


def test_storage_goes_on_while_the_run_is_suspended():
    a = attempt(1, 0, 100, checkpoints=(checkpoint(1, 100, size=2 * GIB),))
    soon = usage_of_run((a,), until=at(3700), state=RunState.SUSPENDED, prices=DATA_PRICES)
    later = usage_of_run((a,), until=at(7300), state=RunState.SUSPENDED, prices=DATA_PRICES)
    assert [r.quantity for r in (*soon, *later) if r.kind is UsageKind.STORAGE] == [2, 4]


def test_fetching_a_checkpoint_from_another_region_is_egress_and_from_another_zone_is_not():
    first = attempt(1, 0, 100, steps=((0, 100, 0, 10),), checkpoints=(checkpoint(10, 100),))
    same_region = attempt(2, 200, 300, restored=(10, 220, 5), on=offer(zone="us-east-1b"))
    abroad = attempt(3, 400, 500, restored=(10, 420, 5), on=offer(zone="eu-west-1a"))
    records = usage_of_run(
        (first, same_region, abroad), until=at(500), state=RunState.SUCCEEDED, prices=DATA_PRICES
    )
    egress = [r for r in records if r.kind is UsageKind.EGRESS]
    assert [(r.attempt_id, r.quantity, r.region) for r in egress] == [("a3", Decimal(1), "us-east-1")]


def silent(exit_kind, *, checkpoints=(), ended=100.0):
    """A job that tells no steps; its command began after 10 seconds."""
    a = attempt(1, 0, ended, exit_kind=exit_kind, checkpoints=checkpoints)
    return replace(a, observation=replace(a.observation, booted_at=at(10)))


def test_a_job_that_tells_no_steps_has_worked_from_its_begin_to_its_end():
    assert parts(silent(ExitKind.DONE)) == (part(CostPart.IDLE, 0, 10), part(CostPart.COMPUTE, 10, 100))


def test_a_silent_job_that_was_taken_away_has_lost_what_it_had_not_saved():
    assert parts(silent(PREEMPTED, checkpoints=(checkpoint(1, 40),))) == (
        part(CostPart.IDLE, 0, 10),
        part(CostPart.COMPUTE, 10, 40),
        part(CostPart.LOST_WORK, 40, 100),
    )


moment = st.integers(-100, 400)
stretch = st.tuples(moment, moment).map(sorted)


@given(
    st.lists(st.tuples(stretch, st.integers(0, 50), st.integers(0, 50)), max_size=5),
    st.lists(st.tuples(moment, st.integers(0, 60), st.integers(0, 60)), max_size=5),
    st.integers(0, 300),
    st.one_of(st.none(), st.integers(0, 60)),
)
def test_parts_always_tile_the_paid_time_whatever_the_runner_reports(trained, saved, end, kept):
    steps = tuple((a, b, min(x, y), max(x, y)) for (a, b), x, y in trained)
    saves = tuple(checkpoint(i, when, save=s, blocked=b) for i, (when, s, b) in enumerate(saved))
    seen = attempt(1, 0, end, steps=steps, checkpoints=saves).observation
    tiles = parts_of(seen, T0, at(end), kept_step=kept)
    edges = [T0, *(p.end for p in tiles)]
    assert [p.start for p in tiles] == edges[:-1]
    assert edges[-1] == at(end) or (end == 0 and not tiles)
    assert all(p.end - p.start > timedelta(0) for p in tiles)


def test_the_step_gone_on_from_is_the_first_spans_else_the_heartbeats_word():
    assert first_step(attempt(1, 0, 100, steps=((0, 50, 30, 40), (50, 100, 20, 30)))) == 20
    silent = attempt(1, 0, 100)
    assert first_step(silent) is None
    beat = Heartbeat(at=at(10), step=45, resumed_step=40)
    told = replace(silent, observation=replace(silent.observation, heartbeat=beat))
    assert first_step(told) == 40


def test_billing_ends_with_the_instance_else_with_the_job_else_not_yet():
    ended = attempt(1, 0, 100)
    assert billed_until(ended, at(900)) == at(100)
    no_end = replace(ended.observation, terminated_at=None)
    assert billed_until(replace(ended, observation=no_end), at(900)) == at(100)
    running = replace(no_end, outcome=Outcome.RUNNING, exit=None)
    assert billed_until(replace(ended, observation=running), at(900)) == at(900)
    away = replace(no_end, outcome=Outcome.UNKNOWN)
    assert billed_until(replace(ended, observation=away), at(900)) == at(900)


def gang(*lost, life_s=300):
    a = attempt(1, 0, life_s)
    a = replace(a, observation=replace(a.observation, nodes_lost=lost))
    return compute_of(a, until=at(900), kept_step=None, nodes=3)


def test_what_a_gangs_missing_nodes_were_not_held_is_not_counted():
    assert gang().quantity == 900
    assert gang(NodesLost(count=1, start=at(100), end=at(200))).quantity == 800
    assert gang(NodesLost(count=2, start=at(100))).quantity == 500, "gone until the end"
    assert gang(NodesLost(count=2, start=at(400))).quantity == 900, "told after the end"
    assert gang().instances == 3 and gang().final


def test_a_checkpoint_written_this_moment_has_cost_nothing_yet():
    a = attempt(1, 0, None, checkpoints=(checkpoint(1, 100),))
    now = usage_of_run((a,), until=at(100), state=RunState.RUNNING, prices=DATA_PRICES)
    assert [r.kind for r in now] == [UsageKind.COMPUTE]
    assert not now[0].final
