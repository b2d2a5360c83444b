"""From the book to what a policy may know: progress, speed, restart times, and what a move costs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from shoestring.domain.fleet import Bounds, Phase
from shoestring.domain.offer import Offer
from shoestring.domain.run import ExitKind, Heartbeat, NodesLost, Outcome, Profile, ProgressSpan, RunState
from shoestring.domain.workload import CheckpointSpec, HoursOf, Steps
from shoestring.supervisor.attempts import attempt_view, mended_at, phase_of, unsaved_s
from shoestring.supervisor.view import Assumptions, Progress, progress_of, run_view, steps_per_s, work_on
from shoestring.testing import an_offer
from tests.ledger.making import GIB, T0, at, checkpoint
from tests.supervisor.making import (
    OFFER,
    asked,
    ended,
    launch,
    live_of,
    observed,
    run_of,
    seen,
    state,
)

FAR = an_offer("eu-west-1a", boot_s=60.0)
A100 = an_offer("us-east-1b", accelerator="A100")
OFFERS = {o.id: o for o in (OFFER, FAR, A100)}


def span(start: float, end: float, first: int, last: int) -> ProgressSpan:
    return ProgressSpan(start=at(start), end=at(end), step_from=first, step_to=last)


def beat(second: float, step: int, **more: Any) -> Heartbeat:
    return Heartbeat(at=at(second), step=step, **more)


def viewed(run: Any, eligible: Sequence[str] = (OFFER.id,), now: float = 1000, **more: Any) -> Any:
    more.setdefault("assumptions", Assumptions())
    return run_view(run, OFFERS, tuple(eligible), now=at(now), spent_usd=1.5, **more)


# -- progress ---------------------------------------------------------------------------------------------------


def test_a_run_that_has_told_nothing_has_no_step() -> None:
    assert progress_of(run_of(work=None)) == Progress(None, None, 0, 0.0)
    assert progress_of(run_of(launch(), work=Steps(steps=90))) == Progress(None, 90, 0, 0.0)


def test_the_live_step_counts_while_it_trains_and_the_saved_one_afterwards() -> None:
    training = seen(
        heartbeat=beat(900, 70, total_steps=200),
        checkpoints=(checkpoint(50, 800),),
        spans=(span(0, 900, 0, 70),),
    )
    live = run_of(launch(), observed(training), work=None)
    assert progress_of(live) == Progress(70, 200, 50, 900.0)
    gone = replace(training, outcome=Outcome.ENDED)
    assert progress_of(run_of(launch(), observed(gone), work=None)) == Progress(50, 200, 50, 900.0)
    over = run_of(launch(), observed(gone), state(RunState.SUCCEEDED), work=None)
    assert progress_of(over) == Progress(70, 200, 50, 900.0)
    assert progress_of(run_of(launch(), observed(training), work=Steps(steps=90))).total == 90


def test_steps_that_were_never_saved_are_gone_with_the_instance() -> None:
    unsaved = seen(outcome=Outcome.ENDED, heartbeat=beat(900, 70))
    assert progress_of(run_of(launch(), observed(unsaved), work=None)).step == 0
    silent = seen(outcome=Outcome.ENDED)
    assert progress_of(run_of(launch(), observed(silent), work=None)).step is None


def test_a_gang_that_is_short_will_go_on_from_what_is_saved() -> None:
    short = seen(
        heartbeat=beat(900, 70),
        checkpoints=(checkpoint(50, 800),),
        spans=(span(0, 900, 0, 70),),
        nodes_lost=(NodesLost(count=1, start=at(950)),),
    )
    assert progress_of(run_of(launch(), observed(short), work=None)) == Progress(50, None, 50, 0.0)


# -- speed and work ---------------------------------------------------------------------------------------------


def profile(**more: Any) -> Profile:
    fields: dict[str, Any] = {
        "code_sha256": "0" * 64,
        "world_size": 1,
        "measured_at": T0,
        "source": "rehearsal",
    }
    return Profile(**(fields | more))


def test_speed_is_what_this_run_measured_else_its_profile_else_unknown() -> None:
    measured = run_of(launch(), observed(seen(spans=(span(0, 10, 0, 20), span(20, 30, 20, 50)))))
    assert steps_per_s(measured, "cpu") == 2.5  # 50 steps in 20 s
    assert steps_per_s(measured, "A100") is None
    too_short = run_of(
        launch(), observed(seen(spans=(span(0, 0.9, 0, 20),))), profile=profile(steps_per_s=4.0)
    )
    assert steps_per_s(too_short, "cpu") == 4.0
    settled = run_of(launch(), observed(seen(spans=(span(0, 1, 0, 20),))), profile=profile(steps_per_s=4.0))
    assert steps_per_s(settled, "cpu") == 20.0
    idle = run_of(launch(), observed(seen(spans=(span(0, 10, 5, 5),))), profile=profile(steps_per_s=4.0))
    assert steps_per_s(idle, "cpu") == 4.0
    other = run_of(profile=profile(steps_per_s=4.0, accelerator="A100"))
    assert (steps_per_s(other, "cpu"), steps_per_s(other, "A100")) == (None, 4.0)
    assert steps_per_s(run_of(), "cpu") is None


def test_seconds_of_work_follow_from_steps_and_speed() -> None:
    declared = run_of(work=Steps(steps=100, steps_per_s={"CPU": 2.0, "A100": 10.0}))
    at_40 = Progress(40, 100, 0, 0.0)
    assert work_on(declared, at_40, "cpu") == (50.0, 30.0)
    assert work_on(declared, at_40, "a100") == (10.0, 6.0)
    assert work_on(declared, Progress(None, 100, 0, 0.0), "cpu") == (50.0, 50.0)
    assert work_on(declared, Progress(140, 100, 0, 0.0), "cpu") == (50.0, 0.0)
    assert work_on(declared, at_40, "H100") is None
    assert work_on(declared, Progress(40, None, 0, 0.0), "cpu") is None
    assert work_on(run_of(work=None), at_40, "cpu") is None


def test_hours_of_work_shrink_by_steps_else_by_the_time_trained() -> None:
    run = run_of(work=HoursOf(hours=2.0, accelerator="CPU"))
    assert work_on(run, Progress(None, None, 0, 0.0), "cpu") == (7200.0, 7200.0)
    assert work_on(run, Progress(25, 100, 0, 0.0), "cpu") == (7200.0, 5400.0)
    assert work_on(run, Progress(125, 100, 0, 0.0), "cpu") == (7200.0, 0.0)
    assert work_on(run, Progress(25, None, 0, 1200.0), "cpu") == (7200.0, 6000.0)
    assert work_on(run, Progress(None, 100, 0, 9000.0), "cpu") == (7200.0, 0.0)
    assert work_on(run, Progress(None, None, 0, 0.0), "A100") is None


# -- the view ---------------------------------------------------------------------------------------------------


def test_a_fresh_run_is_seen_with_what_is_assumed() -> None:
    view = viewed(run_of(budget_usd=None), eligible=[OFFER.id, FAR.id, "gone"], unwatched_s=7.0)
    assert (view.fresh, view.attempt, view.budget_usd, view.spent_usd) == (True, None, None, 1.5)
    assert (view.restart_s, view.bounds, view.unwatched_s) == (180.0, Bounds(), 7.0)  # the slowest boot
    assert view.work_total_s == {"cpu": 36_000.0} == view.work_left_s
    assert (view.checkpoint_place, view.checkpoint_bytes, view.checkpoint_age_s) == (None, None, 0.0)
    assert (view.save_s, view.restore_s, view.move_usd, view.p_capacity) == (None, None, {}, {})


def test_without_an_offer_that_says_its_boot_the_restart_is_assumed() -> None:
    assert viewed(run_of(), eligible=[]).restart_s == 300.0
    declared = run_of(checkpoint=CheckpointSpec(restore_s=20.0, save_s=9.0))
    view = viewed(declared)
    assert (view.restart_s, view.restore_s, view.save_s) == (200.0, 20.0, 9.0)
    known = viewed(run_of(profile=profile(restore_s=5.0, save_s=3.0, checkpoint_bytes=77)))
    assert (known.restart_s, known.restore_s, known.save_s, known.checkpoint_bytes) == (185.0, 5.0, 3.0, 77)


def lived(number: int, launched: float, first: float, save_s: float = 4.0) -> Any:
    """An attempt that trained from its ``first`` second on, saved, and was taken back."""
    return ended(
        ExitKind.PREEMPTED,
        number,
        launched_at=at(launched),
        spans=(span(first, first + 100, 0, 10),),
        checkpoints=(checkpoint(10 * number, first + 90, save=save_s),),
    )


def test_measured_times_replace_what_was_assumed_and_widen_the_bounds() -> None:
    run = run_of(launch(1), lived(1, 0, 900), launch(2, on=FAR), lived(2, 2000, 2700, save_s=100.0))
    view = viewed(run, now=5000)
    assert view.restart_s == 800.0  # 900 s and 700 s
    assert view.save_s == 100.0  # the slower of two
    assert (view.bounds.boot_s, view.bounds.save_s) == (1350.0, 150.0)  # half as much again as the slowest
    assert (view.checkpoint_place, view.checkpoint_bytes) == (FAR.place, GIB)
    assert not view.fresh
    quick = viewed(run_of(launch(1), lived(1, 0, 600, save_s=80.0)))
    assert quick.bounds == Bounds()  # 900 s and 120 s are what is stated
    slow_save = viewed(run_of(launch(1), lived(1, 0, 100, save_s=90.0)))
    assert (slow_save.bounds.boot_s, slow_save.bounds.save_s) == (900.0, 135.0)


def test_a_move_costs_the_checkpoints_bytes_between_two_regions() -> None:
    run = run_of(launch(1), lived(1, 0, 100))
    egress = Assumptions(
        egress_usd_per_gib={("us-east-1", "eu-west-1"): 0.02, ("us-east-1", "us-east-1"): 0.0}
    )
    ids = [OFFER.id, FAR.id, "gone"]
    assert viewed(run, ids, assumptions=egress).move_usd == {FAR.place: 0.02}
    assert viewed(run, ids).move_usd == {}
    assert viewed(run_of(), ids, assumptions=egress).move_usd == {}


def test_accelerators_are_those_of_the_offers_and_of_what_runs() -> None:
    run = run_of(launch(), work=Steps(steps=100, steps_per_s={"cpu": 1.0, "A100": 4.0, "H100": 9.0}))
    assert viewed(run, [A100.id]).work_total_s == {"A100": 25.0, "cpu": 100.0}
    assert viewed(run, []).work_total_s == {"cpu": 100.0}


def test_chances_of_capacity_are_told_where_they_are_known() -> None:
    likely: Offer = replace(FAR, p_capacity=0.5)
    view = run_view(
        run_of(), OFFERS | {FAR.id: likely}, (OFFER.id, FAR.id, "gone"), now=at(0), spent_usd=0.0,
        assumptions=Assumptions(),
    )  # fmt: skip
    assert view.p_capacity == {FAR.id: 0.5}


# -- the live attempt -------------------------------------------------------------------------------------------

UP = {"launched_at": at(10), "booted_at": at(40)}
LOST = NodesLost(count=2, start=at(200))
MENDED = NodesLost(count=2, start=at(200), end=at(300))


@pytest.mark.parametrize(
    ("told", "phase"),
    [
        ({}, Phase.LAUNCHING),
        (UP, Phase.BOOTING),
        (UP | {"heartbeat": beat(50, 7, resumed_step=7)}, Phase.BOOTING),
        (UP | {"heartbeat": beat(50, 8, resumed_step=7)}, Phase.TRAINING),
        (UP | {"heartbeat": beat(50, 0)}, Phase.BOOTING),
        (UP | {"heartbeat": beat(50, 1)}, Phase.TRAINING),
        (UP | {"spans": (span(50, 60, 0, 1),)}, Phase.TRAINING),
        (UP | {"checkpoints": (checkpoint(1, 60),)}, Phase.TRAINING),
        (UP | {"notice_at": at(70)}, Phase.NOTICED),
        (UP | {"nodes_lost": (LOST,), "spans": (span(50, 60, 0, 1),)}, Phase.SHORT),
        (UP | {"nodes_lost": (MENDED,), "spans": (span(50, 300, 0, 1),)}, Phase.BOOTING),
        (UP | {"nodes_lost": (MENDED,), "spans": (span(50, 301, 0, 1),)}, Phase.TRAINING),
        (UP | {"outcome": Outcome.UNKNOWN}, Phase.UNKNOWN),
    ],
)
def test_phases(told: dict[str, Any], phase: Phase) -> None:
    assert phase_of(live_of(observed(seen(**told)))) is phase


def test_what_we_stop_is_stopping_whatever_it_does() -> None:
    assert phase_of(live_of(observed(seen(outcome=Outcome.UNKNOWN)), asked("cancel"))) is Phase.STOPPING


def test_unsaved_seconds_begin_at_the_last_save_else_at_the_first_step() -> None:
    def unsaved(**told: Any) -> float:
        return unsaved_s(live_of(observed(seen(**UP, **told))), at(500))

    assert unsaved() == 0.0, "it has not begun"
    assert unsaved(spans=(span(100, 400, 0, 9),)) == 400.0
    assert unsaved(heartbeat=beat(400, 5)) == 460.0  # since its command began
    assert (
        unsaved(spans=(span(100, 400, 0, 9),), checkpoints=(checkpoint(3, 200), checkpoint(6, 350))) == 150.0
    )
    assert unsaved(spans=(span(100, 400, 0, 9),), checkpoints=(checkpoint(6, 600),)) == 0.0
    assert unsaved(spans=(span(100, 400, 0, 9),), nodes_lost=(LOST,)) == 0.0
    assert (
        unsaved(spans=(span(100, 400, 0, 9),), nodes_lost=(MENDED,)) == 200.0
    )  # since the gang was whole again


def test_an_attempt_is_seen_with_its_age_and_what_its_restart_still_takes() -> None:
    asked_for = attempt_view(live_of(), at(30), 300.0)
    assert (asked_for.age_s, asked_for.restart_left_s, asked_for.phase) == (30.0, 270.0, Phase.LAUNCHING)
    booting = attempt_view(live_of(observed(seen(**UP))), at(110), 300.0)
    assert (booting.age_s, booting.restart_left_s) == (100.0, 200.0)
    assert attempt_view(live_of(observed(seen(**UP))), at(999), 300.0).restart_left_s == 0.0
    trains = attempt_view(live_of(observed(seen(**UP, spans=(span(50, 60, 0, 1),)))), at(110), 300.0)
    assert (trains.age_s, trains.restart_left_s) == (100.0, 0.0)
    assert attempt_view(live_of(observed(seen(**UP))), at(5), 300.0).age_s == 0.0, "a clock set back"


def test_a_gang_is_seen_with_what_it_lacks_and_since_when() -> None:
    two = (NodesLost(count=1, start=at(250)), LOST, MENDED)
    short = attempt_view(live_of(observed(seen(**UP, nodes_lost=two))), at(260), 300.0)
    assert (short.phase, short.nodes_missing, short.short_s) == (Phase.SHORT, 3, 60.0)
    mended = attempt_view(live_of(observed(seen(**UP, nodes_lost=(MENDED,)))), at(320), 300.0)
    assert (mended.nodes_missing, mended.short_s, mended.restart_left_s) == (0, 0.0, 280.0)
    assert mended_at(seen(nodes_lost=two)) == at(300) and mended_at(seen(nodes_lost=(LOST,))) is None


def test_a_clock_that_was_set_back_makes_nothing_negative() -> None:
    assert unsaved_s(live_of(observed(seen(launched_at=at(10), heartbeat=beat(50, 5)))), at(60)) == 0.0
    short = attempt_view(live_of(observed(seen(**UP, nodes_lost=(LOST,)))), at(190), 300.0)
    assert short.short_s == 0.0
    mended = attempt_view(live_of(observed(seen(**UP, nodes_lost=(MENDED,)))), at(290), 300.0)
    assert mended.restart_left_s == 300.0


def test_a_save_that_nobody_measured_widens_no_bound() -> None:
    tight = Bounds(boot_s=900.0, save_s=0.0)
    assert viewed(run_of(), assumptions=Assumptions(bounds=tight)).bounds == tight
