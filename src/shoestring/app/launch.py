"""From a job file or a bare command to a run with a supervisor: the wiring behind `shoestring run`."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shoestring import jobfile
from shoestring.app.checkout import with_code
from shoestring.app.config import Settings
from shoestring.app.place import runs_folder, user_name
from shoestring.app.site import Site, create_site
from shoestring.app.supervise import spawn
from shoestring.app.wiring import Quotes, open_doors, prepare_engine, quotes_of, records
from shoestring.domain.errors import BadInput
from shoestring.domain.run import Profile
from shoestring.domain.workload import CheckpointSpec, Workload
from shoestring.jobfile.code import code_sha256
from shoestring.workflows.submit import Submission, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for: a file (``job``) or a command without one (``argv``)."""

    job: Path | None = None
    argv: tuple[str, ...] = ()
    task: int = 0
    env: Mapping[str, str] | None = None
    overrides: Mapping[str, str] | None = None
    allow_unproven_resume: bool = False


def read_job(asked: Asked) -> jobfile.JobFile:
    """The job file, or the command, parsed. Raises JobFileInvalid, NotFound, BadInput."""
    if asked.job is not None and asked.argv:
        raise BadInput("both a job file and a command were given", next_step="leave one of them out")
    if asked.job is not None:
        return jobfile.load(asked.job, env=asked.env, overrides=asked.overrides)
    return jobfile.from_command(asked.argv, env=asked.env, overrides=asked.overrides)


def new_site(asked: Asked, settings: Settings, name: str) -> Site:
    """A site with a fresh run id, not yet on disk."""
    run_id = f"{name[:40]}-{secrets.token_hex(3)}"
    return Site(
        folder=runs_folder() / run_id,
        run_id=run_id,
        settings=settings,
        job_file=None if asked.job is None else asked.job.resolve(),
        task=asked.task,
        argv=asked.argv,
    )


def plan_run(asked: Asked, workload: Workload, site: Site, quotes: Quotes) -> Submission:
    """What would be submitted; refuses what can be known to fail. Nothing is launched or paid.

    Args:
        workload: the task's, with its code at hand; code in a repository that was not fetched is not looked at.
    """
    workload = with_checkpoint_folder(workload, site)
    digest = code_sha256(workload)
    return prepare(
        workload,
        quotes.offers,
        run_id=site.run_id,
        executor=quotes.executor,
        policy=site.settings.policy,
        code_sha256=digest,
        now=quotes.now,
        user=user_name(),
        profile=in_fleet_time(best_profile(records().profiles(digest)), quotes.scale),
        allow_unproven_resume=asked.allow_unproven_resume,
        secrets_from=None if site.job_file is None else str(site.job_file),
    )


def start(asked: Asked, settings: Settings, job: jobfile.JobFile) -> tuple[Site, Submission]:
    """Create the site, submit the run and start its supervisor; the site remains if anything fails later."""
    task = job.tasks[asked.task]
    env = {name: str(value) for name, value in task.environment.complete().items()}
    site = new_site(asked, settings, task.workload.name)
    check_writable(with_checkpoint_folder(task.workload, site).checkpoint, site)
    create_site(site)
    prepare_engine(site)
    try:
        workload = with_code(task, site.folder / "code")
    except BadInput:
        shutil.rmtree(site.folder)  # nothing was submitted
        raise
    doors = open_doors(site)
    submission = plan_run(asked, workload, site, quotes_of(doors))
    doors.journal.ask(submission.fact)
    spawn(site, env)
    return site, submission


def with_checkpoint_folder(workload: Workload, site: Site) -> Workload:
    """The workload with a place for checkpoints: its own, else a folder of the run's site."""
    if workload.checkpoint.where is not None:
        return workload
    where = str(site.folder / "checkpoints")
    return replace(workload, checkpoint=replace(workload.checkpoint, where=where))


def check_writable(spec: CheckpointSpec, site: Site) -> None:
    """Refuse a local checkpoint folder that can't be written, before anything is paid for.

    Raises:
        BadInput: says which folder and why.
    """
    where = spec.where
    if where is None or ("://" in where and not where.startswith("file://")):
        return
    folder = Path(where.removeprefix("file://"))
    if folder.is_relative_to(site.folder):
        return
    probe = folder / f".shoestring-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with probe.open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink()
        raise BadInput(
            f"checkpoint folder {folder} can't be written: {error.strerror or error}",
            next_step="give another folder under checkpoint: where",
        ) from None


def best_profile(profiles: tuple[Profile, ...]) -> Profile | None:
    """The newest profile that proves resume, else the newest; None without any."""
    proven = [p for p in profiles if p.resume_proven]
    return next(iter([*proven, *profiles]), None)


def in_fleet_time(profile: Profile | None, scale: float) -> Profile | None:
    """A profile measured in real time, for a market whose clock runs ``scale`` times as fast.

    >>> in_fleet_time(None, 360.0) is None
    True
    """
    if profile is None or scale == 1.0:
        return profile

    def times(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * scale

    return replace(
        profile,
        steps_per_s=None if profile.steps_per_s is None else profile.steps_per_s / scale,
        save_s=times(profile.save_s),
        restore_s=times(profile.restore_s),
        boot_s=times(profile.boot_s),
    )
