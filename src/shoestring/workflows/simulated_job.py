"""What a job file says, in the numbers that a simulation needs: work, restart, deadline."""

import math
from dataclasses import dataclass
from datetime import datetime

from shoestring.domain.errors import BadInput
from shoestring.domain.run import Profile
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Workload, work_hours
from shoestring.planner.asked import deadline_h, terms_of
from shoestring.sim.known import KnownJob

ROUND_S = 60  # work and restarts count in whole minutes: the exact optimum needs a coarse common unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line says in the file's place, in seconds; None: the file says it."""

    work_s: float | None = None
    restart_s: float | None = None
    deadline_s: float | None = None


def simulated_job(
    workload: Workload, given: Given, *, step_s: int, now: datetime, profile: Profile | None = None
) -> KnownJob:
    """The job in whole minutes and steps; work and restart are rounded up, the deadline down.

    Args:
        now: a deadline that is a moment is counted from it. profile: measured boot and restore, if known.

    Raises:
        BadInput: work or deadline unknown, or a deadline that not even guaranteed capacity could meet.
    """
    work_s = given.work_s if given.work_s is not None else _work_s(workload)
    deadline_s = given.deadline_s
    if deadline_s is None:
        hours = deadline_h(workload, now)
        if hours is None:
            raise BadInput(
                f"{workload.name}: no deadline, so nothing could be late",
                next_step="give --deadline 60h, or `deadline:` in the file",
            )
        deadline_s = hours * SECONDS_PER_HOUR
    restart_s = given.restart_s
    if restart_s is None:
        terms = terms_of(workload, profile, None)
        restart_s = (terms.boot_h + terms.restore_h) * SECONDS_PER_HOUR
    job = KnownJob(
        work_s=_whole(work_s, ROUND_S),
        restart_s=_whole(restart_s, ROUND_S),
        deadline_steps=int(deadline_s / step_s + 1e-9),
        nodes=workload.num_nodes,
        goal=workload.goal,
    )
    soonest = math.ceil((job.work_s + job.restart_s) / step_s)
    if soonest > job.deadline_steps:
        raise BadInput(
            f"impossible deadline: {job.work_s / 3600:.2f} h of work and a start of {job.restart_s / 60:.0f} min "
            f"end after {soonest * step_s / 3600:.2f} h at best, the deadline is "
            f"{job.deadline_steps * step_s / 3600:.2f} h in whole steps of {step_s} s",
            next_step="a later --deadline, or less --work",
        )
    return job


def _work_s(workload: Workload) -> float:
    """Seconds of work on the first accelerator that the file names and its ``work`` knows."""
    names = [a.name for r in workload.resources for a in r.accelerators] or ["cpu"]
    for name in names:
        hours = work_hours(workload.work, name)
        if hours is not None:
            return hours * SECONDS_PER_HOUR
    raise BadInput(
        f"{workload.name}: how long the work takes on {names[0]} is unknown",
        next_step="give --work 48h, or `work:` in the file (shoestring probe measures it)",
    )


def _whole(seconds: float, unit_s: int) -> int:
    return max(1, math.ceil(seconds / unit_s - 1e-9)) * unit_s
