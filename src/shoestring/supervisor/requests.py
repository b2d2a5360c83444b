"""What people ask of a run, and how an engine is asked for an attempt."""

from collections.abc import Mapping
from datetime import datetime

from shoestring.domain.facts import Asked, StateChanged
from shoestring.domain.run import RunState
from shoestring.ports import JobSpec
from shoestring.supervisor.book import AttemptBook, RunBook
from shoestring.supervisor.options import Options


def answer(run: RunBook, asked: Asked, now: datetime) -> StateChanged | None:
    """The change of state that a request brings at once; a live attempt is stopped at the next poll instead."""
    state = None
    if asked.what == "cancel" and run.live is None:
        state = RunState.CANCELLED
    elif asked.what == "suspend" and run.live is None:
        state = RunState.SUSPENDED
    elif asked.what == "resume" and run.state is RunState.SUSPENDED:
        state = RunState.WAITING
    if state is None:
        return None
    return StateChanged(run_id=run.run_id, at=now, state=state, cause=f"asked by {asked.user or 'user'}")


def job_spec(
    run: RunBook, attempt: AttemptBook, env: Mapping[str, str], epoch: int, options: Options
) -> JobSpec:
    """An attempt as its executor is asked to launch it."""
    workload = run.submitted.workload
    return JobSpec(
        run_id=run.run_id,
        attempt_id=attempt.id,
        attempt_number=attempt.number,
        token=attempt.token,
        epoch=epoch,
        workload=workload,
        offer=attempt.offer,
        env=env,
        restore=run.checkpoints(),
        checkpoint_interval_s=workload.checkpoint.interval_s or options.checkpoint_interval_s,
        hang_s=options.hang_s,
        grace_s=options.grace_s,
        linger_s=options.linger_s,
    )
