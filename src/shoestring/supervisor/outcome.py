"""What follows when an attempt ends, and which observations are worth a line in the journal."""

from datetime import datetime

from shoestring.domain.facts import Fact, StateChanged
from shoestring.domain.run import ExitKind, Observation, RunState
from shoestring.domain.units import seconds_between
from shoestring.supervisor.book import AttemptBook, RunBook


def after_end(run: RunBook, attempt: AttemptBook, now: datetime, failures_max: int) -> list[Fact]:
    """State changes that follow from an attempt's end; empty when there is none, or when a later attempt counts.

    Success wins over everything: a job that finished while it was being stopped has finished. Then what
    people asked for; then the difference between the user's code failing (bounded retries) and the world
    taking the instance back (the run simply waits for the next one).
    """
    end = attempt.observation.exit
    assert end is not None, f"{attempt.id} has ended without an exit"
    if run.state.terminal or attempt is not run.attempts[-1]:
        return []
    if end.kind is ExitKind.DONE:
        return [_change(run, now, RunState.SUCCEEDED, "done")]
    if run.cancelling:
        return [_change(run, now, RunState.CANCELLED, "asked by user")]
    if run.suspending is not None:
        return [_change(run, now, RunState.SUSPENDED, run.suspending)]
    killed = end.kind is ExitKind.LOST and end.code is not None
    if end.kind in (ExitKind.FAILED, ExitKind.HUNG) or killed:
        allowed = run.submitted.workload.max_restarts_on_errors
        if end.kind is not ExitKind.FAILED:
            allowed = max(allowed, failures_max)
        recovers = end.code is not None and end.code in run.submitted.workload.recover_on_exit_codes
        if run.failures > allowed and not recovers:
            detail = f"{end.kind} with exit code {end.code} after {run.failures} failures: {end.detail}"
            return [_change(run, now, RunState.FAILED, str(end.kind), detail)]
    if end.kind is ExitKind.OUT_OF_TIME and not attempt.observation.checkpoints:
        return [_change(run, now, RunState.FAILED, "out_of_time", end.detail)]
    if run.state is RunState.WAITING:
        return []
    return [_change(run, now, RunState.WAITING, str(end.kind), end.detail)]


def material(before: Observation, after: Observation, heartbeat_s: float) -> bool:
    """Whether ``after`` says something that must survive a crash of the supervisor.

    Heartbeats and meters change all the time and can be asked of the engine again; they are journaled only
    every ``heartbeat_s``, so that a run whose engine vanishes still shows its last sign of life.
    """
    if before is after:
        return False
    if (
        before.outcome is not after.outcome
        or before.launched_at != after.launched_at
        or before.booted_at != after.booted_at
        or before.notice_at != after.notice_at
        or before.terminated_at != after.terminated_at
        or before.nodes_lost != after.nodes_lost
        or len(before.checkpoints) != len(after.checkpoints)
        or len(before.restores) != len(after.restores)
    ):
        return True
    if before.heartbeat is None or after.heartbeat is None:
        return before.heartbeat is not after.heartbeat
    return seconds_between(before.heartbeat.at, after.heartbeat.at) >= heartbeat_s


def _change(run: RunBook, now: datetime, state: RunState, cause: str, detail: str = "") -> StateChanged:
    return StateChanged(run_id=run.run_id, at=now, state=state, cause=cause, detail=detail)
