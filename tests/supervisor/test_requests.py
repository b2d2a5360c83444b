"""What people ask for, what is news, when anybody looked, and the sweep: the small parts of the loop."""

from dataclasses import replace

import pytest

from shoestring.domain.errors import ExecutorUnavailable
from shoestring.domain.fleet import Hold, Reason
from shoestring.domain.run import ExitKind, Outcome, RunState
from shoestring.domain.workload import CheckpointSpec
from shoestring.ports import LiveInstance
from shoestring.supervisor import Options
from shoestring.supervisor.attendance import Attendance
from shoestring.supervisor.compare import differs, same_hold, unknown
from shoestring.supervisor.requests import answer, job_spec
from shoestring.supervisor.sweep import Sweeper
from tests.ledger.making import at, checkpoint, price
from tests.supervisor.making import (
    OFFER,
    WHY,
    asked,
    book_of,
    ended,
    hold,
    launch,
    observed,
    release,
    run_of,
    seen,
    state,
)

LIVE = (launch(), state(RunState.RUNNING))
SUSPENDED = (state(RunState.SUSPENDED),)


@pytest.mark.parametrize(
    ("before", "what", "then"),
    [
        ((), "cancel", RunState.CANCELLED),
        (LIVE, "cancel", None),  # its attempt is stopped first
        ((), "suspend", RunState.SUSPENDED),
        (LIVE, "suspend", None),
        (SUSPENDED, "resume", RunState.WAITING),
        ((), "resume", None),
        (LIVE, "resume", None),
        ((), "save", None),
    ],
)
def test_what_a_request_brings_at_once(before, what, then) -> None:  # type: ignore[no-untyped-def]
    told = answer(run_of(*before), asked(what), at(7))
    assert (told and told.state) == then
    if told is not None:
        assert (told.run_id, told.at, told.cause) == ("r", at(7), "asked by me")
    nobody = answer(run_of(), replace(asked("cancel"), user=""), at(7))
    assert nobody is not None and nobody.cause == "asked by user"


def test_an_engine_is_asked_for_an_attempt_with_all_that_it_needs() -> None:
    run = run_of(launch(1), ended(ExitKind.PREEMPTED, checkpoints=(checkpoint(5, 50),)), launch(2, 200))
    options = Options(checkpoint_interval_s=70.0, hang_s=1.0, grace_s=2.0, linger_s=3.0)
    assert run.live is not None
    spec = job_spec(run, run.live, {"KEY": "value"}, 4, options)
    assert (spec.run_id, spec.attempt_id, spec.attempt_number, spec.token, spec.epoch) == (
        "r",
        "r-2",
        2,
        "r-2",
        4,
    )
    assert (spec.offer, spec.env, [c.step for c in spec.restore]) == (OFFER, {"KEY": "value"}, [5])
    assert (spec.checkpoint_interval_s, spec.hang_s, spec.grace_s, spec.linger_s) == (70.0, 1.0, 2.0, 3.0)
    own = run_of(launch(), checkpoint=CheckpointSpec(interval_s=9.0))
    assert own.live is not None and job_spec(own, own.live, {}, 1, options).checkpoint_interval_s == 9.0


@pytest.mark.parametrize(
    ("change", "news"),
    [
        ({"available": False}, True),
        ({"price": price("2.00")}, True),
        ({"boot_s": 9.0}, True),
        ({"p_capacity": 0.5}, True),
        ({"price": replace(OFFER.price, source="another day")}, False),
        ({}, False),
    ],
)
def test_an_offer_is_news_when_a_policy_would_see_it(change, news) -> None:  # type: ignore[no-untyped-def]
    assert differs(OFFER, replace(OFFER, **change)) is news


def test_to_hold_for_the_same_reason_needs_no_new_line() -> None:
    again = Hold(run_id="r", reason=replace(WHY, text="in other words"))
    assert same_hold(hold(), again)
    assert not same_hold(hold(), Hold(run_id="r", reason=Reason(code="other", text="x")))
    assert not same_hold(None, again) and not same_hold(release(5), again)


def test_what_was_known_of_an_attempt_stays_while_its_engine_is_away() -> None:
    told = unknown(seen(launched_at=at(5)), "no answer")
    assert (told.outcome, told.detail, told.launched_at) == (Outcome.UNKNOWN, "no answer", at(5))


def test_nobody_looked_since_the_last_look_the_submission_or_an_earlier_leaders_last_word() -> None:
    run, attendance = run_of(), Attendance()
    assert attendance.unwatched_s(run, at(50)) == 50.0
    attendance.journaled(at(20))
    assert attendance.unwatched_s(run, at(50)) == 30.0
    assert attendance.unwatched_s(run_of(at=at(40)), at(50)) == 10.0
    attendance.looked(run, at(45))
    assert attendance.unwatched_s(run, at(50)) == 5.0
    assert attendance.unwatched_s(run, at(40)) == 0.0, "a clock set back"


def test_an_engine_that_does_not_answer_lets_nobody_look() -> None:
    attendance, away = Attendance(), run_of(launch(), observed(seen(outcome=Outcome.UNKNOWN)))
    attendance.looked(away, at(45))
    assert attendance.unwatched_s(away, at(50)) == 50.0
    attendance.looked(run_of(launch()), at(48))
    assert attendance.unwatched_s(away, at(50)) == 2.0


class Engine:
    """Instances that carry our tag, and what was ended; ``away``: it does not answer."""

    name = "sim"

    def __init__(self, *instances: LiveInstance, away: bool = False) -> None:
        self.instances, self.away, self.ended = instances, away, []  # type: ignore[var-annotated]

    def alive(self) -> tuple[LiveInstance, ...]:
        if self.away:
            raise ExecutorUnavailable("no answer")
        return self.instances

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        self.ended.append((token, epoch, grace_s))


def instance(token: str, launched: float = 0) -> LiveInstance:
    return LiveInstance(token=token, run_id="r", attempt_id=token, epoch=1, launched_at=at(launched))


def test_the_sweep_ends_what_no_live_attempt_accounts_for() -> None:
    book, _ = book_of(launch(1), ended(ExitKind.PREEMPTED), launch(2))
    engine = Engine(instance("r-1"), instance("r-2"), instance("stray"), instance("young", 71))
    gone = Engine(instance("x"), away=True)
    sweeper = Sweeper(Options(sweep_s=60.0, orphan_grace_s=30.0))
    swept = sweeper.sweep(book, {"gone": gone, "sim": engine}, 3, at(100))  # type: ignore[dict-item]
    assert [(s.run_id, s.token, s.at) for s in swept] == [("r", "r-1", at(100)), ("r", "stray", at(100))]
    assert engine.ended == [("r-1", 3, 0.0), ("stray", 3, 0.0)] and gone.ended == []
    assert "alive on sim since 2026-01-01T00:00:00" in swept[0].detail


def test_an_instance_is_an_orphan_from_a_certain_age_on() -> None:
    book, _ = book_of()
    for age, orphan in ((29.0, False), (30.0, True)):
        sweeper = Sweeper(Options(sweep_s=60.0, orphan_grace_s=30.0))
        assert bool(sweeper.sweep(book, {"sim": Engine(instance("t"))}, 1, at(age))) is orphan  # type: ignore[dict-item]


def test_sweeps_are_as_far_apart_as_is_asked_for() -> None:
    book, _ = book_of()
    sweeper, engine = Sweeper(Options(sweep_s=60.0, orphan_grace_s=0.0)), Engine(instance("t"))
    counts = [len(sweeper.sweep(book, {"sim": engine}, 1, at(s))) for s in (0, 59, 60, 119, 120)]  # type: ignore[dict-item]
    assert counts == [1, 0, 1, 0, 1]
