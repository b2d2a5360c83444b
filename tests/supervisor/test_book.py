"""The fold of a fleet's facts: what each kind of fact adds to the book."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shoestring.domain.facts import SweptOrphan
from shoestring.domain.run import ExitKind, Outcome, Restore, RunState
from shoestring.supervisor.book import NEVER_LISTED
from shoestring.testing import an_offer
from tests.ledger.making import at, checkpoint
from tests.supervisor.making import (
    OFFER,
    asked,
    book_of,
    completed,
    ended,
    hold,
    launch,
    live_of,
    observed,
    release,
    replace_nodes,
    run_of,
    seen,
    state,
    submitted,
    suspend,
)

OTHER = an_offer("us-east-1b")


def test_a_run_enters_waiting_with_the_limits_of_its_file() -> None:
    run = run_of(budget_usd=Decimal(25), deadline_s=7200)
    assert (run.state, run.budget_usd, run.deadline) == (RunState.WAITING, 25, at(7200))
    assert run_of(deadline_at=at(500)).deadline == at(500)
    assert run_of().deadline is None
    assert run.live is None and not run.done


def test_the_first_submission_of_a_name_counts() -> None:
    assert run_of(submitted(budget_usd=Decimal(99)), budget_usd=Decimal(25)).budget_usd == 25


def test_a_launch_is_an_attempt_and_the_last_one_lives_until_it_ends() -> None:
    book, run = book_of(launch(1, 10))
    assert run.live is run.attempts[0]
    assert (run.live.number, run.live.token, run.live.intended_at) == (1, "r-1", at(10))
    assert run.live.observation.outcome is Outcome.RUNNING and run.live.completed is None
    assert book.tokens == {"r-1": (run, run.live)}
    book.apply(ended(ExitKind.PREEMPTED))
    assert run.live is None
    book.apply(launch(2, 20))
    assert run.live is run.attempts[1]
    value = run.attempts[1].value("r")
    assert (value.id, value.run_id, value.number, value.token, value.offer) == ("r-2", "r", 2, "r-2", OFFER)
    assert value.observation is run.attempts[1].observation


def test_actions_are_counted_and_the_last_intent_is_kept() -> None:
    book, run = book_of(hold(), release(5))
    assert book.actions == 2 and run.last_intent == release(5)


def test_our_own_mistakes_are_caught_when_they_are_folded() -> None:
    book, _ = book_of(launch(1))
    with pytest.raises(AssertionError, match="a second launch while r-1 lives"):
        book.apply(launch(2))
    for missing in ({"token": None}, {"attempt_id": None}, {"offer": None}):
        with pytest.raises(AssertionError, match="a launch names its attempt"):
            run_of(replace(launch(1), **missing))  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="r: no attempt r-7"):
        book.apply(observed(seen(7)))
    book.apply(state(RunState.FAILED))
    with pytest.raises(AssertionError, match="is terminal and never changes"):
        book.apply(state(RunState.RUNNING))
    empty, _ = book_of()
    del empty.runs["r"]
    with pytest.raises(AssertionError, match="Completed about unknown run r"):
        empty.apply(completed("done"))


def test_an_orphan_of_a_run_that_nobody_knows_is_no_mistake() -> None:
    book, run = book_of()
    book.apply(SweptOrphan(run_id="lost", at=at(0), token="t", detail=""))
    book.apply(SweptOrphan(run_id="r", at=at(0), token="t", detail=""))
    assert list(book.runs) == ["r"] and run.attempts == []


def test_a_stop_says_why_since_when_and_where_to() -> None:
    moved = live_of(release(50, to="o2"))
    assert (moved.stopping, moved.stopping_since, moved.move_to) == ("move", at(50), "o2")
    suspended = live_of(suspend(60))
    assert (suspended.stopping, suspended.stopping_since, suspended.move_to) == (
        "suspend:budget",
        at(60),
        None,
    )
    assert live_of(hold()).stopping is None
    assert run_of(suspend(60)).suspending == "budget"
    assert run_of(release(60)).suspending is None


def test_a_suspension_is_over_when_the_state_says_so() -> None:
    assert run_of(suspend(1), state(RunState.SUSPENDED, cause="budget")).suspending is None
    assert run_of(suspend(1), state(RunState.RUNNING)).suspending == "budget"
    run = run_of(state(RunState.SUSPENDED, cause="budget"))
    assert (run.state, run.cause) == (RunState.SUSPENDED, "budget")


@pytest.mark.parametrize(
    ("kind", "code", "failures"),
    [
        (ExitKind.FAILED, 1, 1),
        (ExitKind.HUNG, None, 1),
        (ExitKind.LOST, -9, 1),  # killed by itself or from outside
        (ExitKind.LOST, None, 0),  # gone with its instance
        (ExitKind.FAILED, 77, 0),  # the file says that it recovers
        (ExitKind.LOST, 77, 0),
        (ExitKind.PREEMPTED, None, 0),
        (ExitKind.DONE, 0, 0),
        (ExitKind.STOPPED, 0, 0),
    ],
)
def test_what_counts_as_a_failure_of_the_job(kind: ExitKind, code: int | None, failures: int) -> None:
    run = run_of(launch(), ended(kind, code=code), recover_on_exit_codes=(77,))
    assert run.failures == failures
    assert run.last_failure_at == (at(100) if failures else None)


def test_failures_add_up_until_somebody_resumes() -> None:
    twice = [launch(), ended(ExitKind.FAILED, code=1), launch(2), ended(ExitKind.FAILED, 2, code=1)]
    assert run_of(*twice).failures == 2
    assert run_of(*twice, asked("resume")).failures == 0
    assert run_of(*twice, asked("save")).failures == 2


def test_refusals_are_counted_by_offer_until_one_starts() -> None:
    refused = [launch(1), completed("no_capacity", "r-1", 5), ended(ExitKind.NO_START, 1, 5)]
    run = run_of(*refused)
    assert run.refused == {OFFER.id: (1, at(5))} and run.attempts[0].completed == "no_capacity"
    again = [launch(2), completed("no_capacity", "r-2", 9), ended(ExitKind.NO_START, 2, 9)]
    assert run_of(*refused, *again).refused == {OFFER.id: (2, at(9))}
    elsewhere = [launch(2, on=OTHER), completed("no_capacity", "r-2", 9), ended(ExitKind.NO_START, 2, 9)]
    assert run_of(*refused, *elsewhere).refused == {OFFER.id: (1, at(5)), OTHER.id: (1, at(9))}
    came = [launch(2), completed("done", "r-2", 9), ended(ExitKind.PREEMPTED, 2, 50)]
    assert run_of(*refused, *came).refused == {}


def test_a_granted_launch_that_never_started_is_as_good_as_a_refusal() -> None:
    assert run_of(launch(), completed("done"), ended(ExitKind.NO_START)).refused == {OFFER.id: (1, at(100))}
    assert run_of(launch(), completed("refused"), ended(ExitKind.NO_START)).refused == {}
    assert run_of(launch(), ended(ExitKind.NO_START)).refused == {}


def test_missing_nodes_that_can_not_be_had_are_a_refusal_of_the_offer_held() -> None:
    asked_for = [launch(), completed("done"), replace_nodes(30, "r:7")]
    assert run_of(*asked_for, completed("no_capacity", "r:7", 31)).refused == {OFFER.id: (1, at(31))}
    assert run_of(*asked_for, completed("done", "r:7", 31)).refused == {}
    assert run_of(*asked_for, completed("no_capacity", "r:8", 31)).refused == {}
    gone = ended(ExitKind.PREEMPTED)
    assert run_of(*asked_for, gone, completed("no_capacity", "r:7", 131)).refused == {}
    assert run_of(launch(), suspend(20), completed("no_capacity", "r:1", 31)).refused == {}


def test_what_was_given_up_and_shows_up_is_too_late_until_it_has_ended() -> None:
    never = ended(ExitKind.NO_START, detail=NEVER_LISTED)
    book, run = book_of(launch(), never)
    (attempt,) = run.attempts
    assert attempt.given_up and book.given_up == {"r-1": (run, attempt)}
    book.apply(observed(seen(launched_at=at(1)), 300))
    assert not attempt.given_up and (attempt.stopping, attempt.stopping_since) == ("too_late", at(300))
    assert list(book.given_up) == ["r-1"]
    book.apply(ended(ExitKind.STOPPED, second=400))
    assert book.given_up == {}


def test_other_ends_are_not_given_up() -> None:
    book, run = book_of(launch(), ended(ExitKind.NO_START, detail="refused: quota"))
    assert not run.attempts[0].given_up and book.given_up == {}
    book, run = book_of(launch(), observed(seen(launched_at=at(1))))
    assert not run.attempts[0].given_up and run.attempts[0].stopping is None


def test_people_ask_for_limits_and_for_an_end() -> None:
    run = run_of(asked("resume", budget_usd=Decimal(9), deadline=at(99)), budget_usd=Decimal(5), deadline_s=7)
    assert (run.budget_usd, run.deadline) == (9, at(99))
    kept = run_of(asked("resume"), budget_usd=Decimal(5), deadline_s=7)
    assert (kept.budget_usd, kept.deadline) == (5, at(7))
    assert run_of(asked("cancel")).cancelling and not run_of(asked("suspend")).cancelling
    assert run_of(asked("suspend")).suspending == "user"
    assert run_of(state(RunState.SUCCEEDED), asked("suspend")).suspending is None
    cancelled, suspended = live_of(asked("cancel", 8)), live_of(asked("suspend", 9))
    assert (cancelled.stopping, cancelled.stopping_since) == ("cancel", at(8))
    assert (suspended.stopping, suspended.stopping_since) == ("suspend:user", at(9))
    assert live_of(asked("resume", 9)).stopping is None


def test_a_run_is_done_when_it_is_over_and_holds_nothing() -> None:
    assert run_of(launch(), ended(ExitKind.DONE), state(RunState.SUCCEEDED)).done
    assert not run_of(launch(), state(RunState.CANCELLED)).done
    assert not run_of(launch(), ended(ExitKind.DONE)).done


def test_checkpoints_of_all_attempts_come_newest_first() -> None:
    first = seen(1, checkpoints=(checkpoint(10, 50), checkpoint(30, 60)))
    second = seen(2, checkpoints=(checkpoint(20, 150), checkpoint(40, 160)))
    facts = [launch(), observed(first), ended(ExitKind.PREEMPTED, checkpoints=first.checkpoints), launch(2)]
    run = run_of(*facts, observed(second))
    assert [c.step for c in run.checkpoints()] == [40, 30, 20, 10]
    two = seen(1, checkpoints=(checkpoint(10, 50), checkpoint(30, 60)))
    assert [c.step for c in run_of(launch(), observed(two)).checkpoints()] == [30, 10]
    assert run_of().checkpoints() == ()
    assert [
        c.step for c in run_of(launch(), observed(seen(checkpoints=(checkpoint(1, 5),)))).checkpoints()
    ] == [1]


def test_only_going_on_from_a_step_shows_that_a_job_resumes() -> None:
    def resumed(step: int) -> bool:
        back = Restore(at=at(1), checkpoint_id="c", step=step, size_bytes=1, restore_s=1.0)
        return run_of(launch(), observed(seen(restores=(back,)))).resume_shown()

    assert resumed(1) and not resumed(0) and not run_of(launch()).resume_shown()
