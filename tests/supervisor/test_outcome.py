"""What follows from an attempt's end, and what is worth a line in the journal."""

from dataclasses import replace

import pytest

from shoestring.domain.run import (
    ExitKind,
    Heartbeat,
    NodesLost,
    Observation,
    Outcome,
    Restore,
    RunState,
)
from shoestring.supervisor.outcome import after_end, material
from tests.ledger.making import at, checkpoint
from tests.supervisor.making import asked, ended, launch, run_of, seen, state, suspend

K = ExitKind
RUNNING = state(RunState.RUNNING)


def follows(*before, kind=K.DONE, failures_max=3, code=None, detail="", seen_too=None, **workload):  # type: ignore[no-untyped-def]
    """(state, cause) that follow from the end of the run's first attempt; None if nothing does."""
    end = ended(kind, code=code, detail=detail, **(seen_too or {}))
    run = run_of(launch(), RUNNING, *before, end, **workload)
    facts = after_end(run, run.attempts[0], at(100), failures_max)
    assert all(f.run_id == "r" and f.at == at(100) for f in facts)
    return (facts[0].state, facts[0].cause) if facts else None


@pytest.mark.parametrize(
    ("before", "kind", "then"),
    [
        ([], K.DONE, (RunState.SUCCEEDED, "done")),
        ([asked("cancel")], K.DONE, (RunState.SUCCEEDED, "done")),  # it finished while it was being stopped
        ([asked("cancel")], K.STOPPED, (RunState.CANCELLED, "asked by user")),
        ([asked("cancel"), asked("suspend")], K.STOPPED, (RunState.CANCELLED, "asked by user")),
        ([suspend(5)], K.STOPPED, (RunState.SUSPENDED, "budget")),
        ([suspend(5)], K.FAILED, (RunState.SUSPENDED, "budget")),
        ([], K.PREEMPTED, (RunState.WAITING, "preempted")),
        ([], K.STOPPED, (RunState.WAITING, "stopped")),
        ([], K.LOST, (RunState.WAITING, "lost")),
        ([state(RunState.WAITING)], K.PREEMPTED, None),
        ([state(RunState.CANCELLED)], K.DONE, None),
    ],
)
def test_success_first_then_what_people_asked_for_then_the_world(before, kind, then) -> None:  # type: ignore[no-untyped-def]
    assert follows(*before, kind=kind) == then


def test_the_end_of_an_earlier_attempt_changes_nothing() -> None:
    run = run_of(launch(), RUNNING, ended(K.DONE), launch(2))
    assert after_end(run, run.attempts[0], at(100), 3) == []


@pytest.mark.parametrize(
    ("kind", "code", "allowed", "failures_max", "then"),
    [
        (K.FAILED, 1, 0, 3, RunState.FAILED),  # the file's word counts for failures
        (K.FAILED, 1, 1, 0, RunState.WAITING),
        (K.FAILED, 77, 0, 0, RunState.WAITING),  # the file says that it recovers
        (K.HUNG, None, 0, 0, RunState.FAILED),
        (K.HUNG, None, 0, 1, RunState.WAITING),  # hangs are tolerated even where the file says nothing
        (K.HUNG, None, 2, 0, RunState.WAITING),  # ... or says more
        (K.LOST, -9, 0, 0, RunState.FAILED),
        (K.LOST, -9, 0, 1, RunState.WAITING),
        (K.LOST, None, 0, 0, RunState.WAITING),
    ],
)
def test_failures_are_retried_as_often_as_is_allowed(kind, code, allowed, failures_max, then) -> None:  # type: ignore[no-untyped-def]
    told = follows(
        kind=kind,
        code=code,
        failures_max=failures_max,
        max_restarts_on_errors=allowed,
        recover_on_exit_codes=(77,),
    )
    assert told == (then, str(kind))


def test_a_failed_run_says_how_it_failed() -> None:
    run = run_of(launch(), RUNNING, ended(K.FAILED, code=3, detail="ValueError: no data"))
    (fact,) = after_end(run, run.attempts[0], at(100), 3)
    assert fact.detail == "failed with exit code 3 after 1 failures: ValueError: no data"


def test_out_of_time_without_a_checkpoint_would_be_so_for_ever() -> None:
    assert follows(kind=K.OUT_OF_TIME) == (RunState.FAILED, "out_of_time")
    saved = {"checkpoints": (checkpoint(1, 50),)}
    assert follows(kind=K.OUT_OF_TIME, seen_too=saved) == (RunState.WAITING, "out_of_time")


def test_an_end_has_an_exit() -> None:
    run = run_of(launch())
    with pytest.raises(AssertionError, match="r-1 has ended without an exit"):
        after_end(run, run.attempts[0], at(100), 3)


PLAIN = seen(launched_at=at(0), heartbeat=Heartbeat(at=at(100), step=1))


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": Outcome.UNKNOWN},
        {"launched_at": at(1)},
        {"booted_at": at(5)},
        {"notice_at": at(5)},
        {"terminated_at": at(5)},
        {"nodes_lost": (NodesLost(count=1, start=at(5)),)},
        {"checkpoints": (checkpoint(1, 50),)},
        {"restores": (Restore(at=at(1), checkpoint_id="c", step=1, size_bytes=1, restore_s=1.0),)},
        {"heartbeat": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_must_survive_a_crash_is_material(change: dict[str, object]) -> None:
    changed: Observation = replace(PLAIN, **change)  # type: ignore[arg-type]
    assert material(PLAIN, changed, 600.0) and material(changed, PLAIN, 600.0)
    assert not material(changed, replace(changed), 600.0)


def test_heartbeats_are_material_as_often_as_is_asked_for() -> None:
    def after(seconds: float) -> bool:
        return material(PLAIN, replace(PLAIN, heartbeat=Heartbeat(at=at(100 + seconds), step=2)), 600.0)

    assert not after(599) and after(600)
    assert not material(PLAIN, PLAIN, 0.0)


def test_an_exit_that_recovers_ends_no_run_whatever_failed_before() -> None:
    """Two hangs are tolerated; an exit code that the file knows how to go on from is no failure at all."""
    hangs = [f for n in (1, 2) for f in (launch(n), ended(K.HUNG, n))]
    last = [launch(3), RUNNING, ended(K.FAILED, 3, code=77)]
    run = run_of(*hangs, *last, recover_on_exit_codes=(77,))
    (fact,) = after_end(run, run.attempts[-1], at(100), 3)
    assert run.failures == 2 and fact.state is RunState.WAITING
    other = run_of(*hangs, launch(3), RUNNING, ended(K.FAILED, 3, code=78), recover_on_exit_codes=(77,))
    (fact,) = after_end(other, other.attempts[-1], at(100), 3)
    assert fact.state is RunState.FAILED
