"""`shoestring probe`: a short run of the job itself, to know how fast it is, what it holds and what saving costs.

Speed is steps over time once the first part (imports, compilation, cold caches) is over, less the time that
training stood still for saves. The probe ends by asking the job to save and stop, as a suspension would, so
the size and the time of a checkpoint come out even if none fell due.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.offer import Offer
from shoestring.domain.run import ExitKind, Observation, Outcome, Profile
from shoestring.domain.units import seconds_between
from shoestring.domain.workload import Steps, Workload
from shoestring.ports import Clock, Executor, JobSpec

POLL_S = 0.1
WARM_UP = 0.2  # of the steps seen: not counted
SHARE = 0.01  # of the work that a probe takes, where the work is known
STEPS_MIN, SECONDS_MIN = 20, 2.0  # less says little, whatever its share
START_MAX_S = 1800.0  # until the first step
SILENT_S = 30.0  # until people are told that none was seen
GRACE_S = 120.0  # for the last save
ATTEMPT = "probe-1"


class Engine(Executor, Protocol):
    """An executor together with the clock of its instances."""

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is probed, and for how long.

    Attributes:
        steps: end after so many; None: a hundredth of the work where that is known, else only the time counts.
        seconds: end after so long from the first step, on the engine's clock.
        checkpoints: folder that the probe's checkpoints go to; the run's own stay untouched.
    """

    workload: Workload
    offer: Offer
    env: Mapping[str, str]
    code_sha256: str
    checkpoints: str
    steps: int | None = None
    seconds: float = 60.0

    @property
    def target(self) -> float:
        """Steps after which the probe is over; infinite if only the time ends it."""
        if self.steps is not None:
            return self.steps
        work = self.workload.work
        return max(STEPS_MIN, math.ceil(SHARE * work.steps)) if isinstance(work, Steps) else math.inf


@dataclass(frozen=True, slots=True)
class Beat:
    """Steps done at a moment, and the processor time of the script by then; None if it did not say."""

    at: datetime
    step: int
    cpu_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Steps per second while training.

    Attributes:
        spread: how far parts of the probe lay apart, relative; None: too short.
        cpu_s_per_step: processor time of the script's process, which a busy machine does not stretch; None if
            it is not known. Over the time of a step it is the share of a core that the process got.
    """

    steps_per_s: float
    spread: float | None
    steps: int
    seconds: float
    cpu_s_per_step: float | None = None


def probe(executor: Engine, subject: Subject, *, say: Callable[[str], None]) -> Profile:
    """Run the job for a while and measure it.

    Args:
        say: told what happens, for people who wait.

    Returns:
        A profile from this run alone; a figure that the job did not show is None.

    Raises:
        ShoestringError: the job fails, or makes no step in half an hour.
    """
    workload = subject.workload
    spec = JobSpec(
        run_id="probe",
        attempt_id=ATTEMPT,
        attempt_number=1,
        token=ATTEMPT,
        epoch=1,
        workload=replace(workload, checkpoint=replace(workload.checkpoint, where=subject.checkpoints)),
        offer=subject.offer,
        env=subject.env,
        checkpoint_interval_s=workload.checkpoint.interval_s,
    )
    say(f"probing {workload.name} on {subject.offer.id}")
    executor.submit(spec)
    beats, seen = _watch(executor, subject, say)
    if seen.outcome is not Outcome.ENDED:
        at = beats[-1].step if beats else "?"
        say(f"{len(beats)} looks, step {at}: asking it to save and stop (it has {GRACE_S:.0f} s)")
        executor.cancel(ATTEMPT, 1, grace_s=GRACE_S)
        seen = _ended(executor)
    if seen.exit is not None and seen.exit.kind in (ExitKind.FAILED, ExitKind.NO_START):
        raise ShoestringError(
            f"{workload.name} {seen.exit.kind} with code {seen.exit.code}: {_last_line(executor)}",
            next_step="mend the script, then probe",
        )
    return profile_of(subject, beats, seen, executor.clock.now())


def _watch(executor: Engine, subject: Subject, say: Callable[[str], None]) -> tuple[list[Beat], Observation]:
    """Look until the probe is over or the job ends."""
    beats: list[Beat] = []
    started = time.monotonic()
    give_up, silent = started + START_MAX_S, started + SILENT_S
    while True:
        seen = executor.poll([ATTEMPT])[ATTEMPT]
        beat = seen.heartbeat
        if beat is not None and (not beats or beat.step > beats[-1].step):
            beats.append(Beat(beat.at, beat.step, beat.cpu_s))
        if seen.outcome is Outcome.ENDED or (beats and _enough(beats, subject, executor.clock.now())):
            return beats, seen
        if not beats and time.monotonic() > silent:
            silent = math.inf
            say(
                f"no step was told in {SILENT_S:.0f} s; if the script never calls attach() and step(), stop the probe"
            )
        if not beats and time.monotonic() > give_up:
            executor.cancel(ATTEMPT, 1, grace_s=0.0)
            raise ShoestringError(
                f"{subject.workload.name} told of no step within {START_MAX_S / 60:.0f} min",
                next_step="call shoestring.training.attach() in the script and .step() in its loop",
            )
        time.sleep(POLL_S)


def _enough(beats: Sequence[Beat], subject: Subject, now: datetime) -> bool:
    done, seconds = beats[-1].step - beats[0].step, seconds_between(beats[0].at, now)
    least = 0.0 if subject.steps is not None else min(SECONDS_MIN, subject.seconds)
    return (done >= subject.target and seconds >= least) or seconds >= subject.seconds


def _ended(executor: Engine) -> Observation:
    give_up = time.monotonic() + GRACE_S + 60.0
    while time.monotonic() < give_up:
        seen = executor.poll([ATTEMPT])[ATTEMPT]
        if seen.outcome is Outcome.ENDED:
            return seen
        time.sleep(POLL_S)
    raise ShoestringError(
        "the probe does not end although it was killed", next_step="shoestring check --orphans"
    )


def _last_line(executor: Engine) -> str:
    text, _ = executor.logs(ATTEMPT)
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it wrote nothing"


def profile_of(subject: Subject, beats: Sequence[Beat], seen: Observation, now: datetime) -> Profile:
    """What a probe has shown, as a profile."""
    speed = speed_of(beats, seen)
    boot = None
    if seen.launched_at is not None and beats:
        boot = seconds_between(seen.launched_at, beats[0].at)
    detail = {}
    if speed is not None:
        detail = {"steps": str(speed.steps), "seconds": f"{speed.seconds:.3f}"}
        if speed.spread is not None:
            detail["spread"] = f"{speed.spread:.4f}"
        if speed.cpu_s_per_step is not None:
            detail["cpu_s_per_step"] = f"{speed.cpu_s_per_step:.6g}"
            detail["start_cpu_s"] = f"{beats[0].cpu_s or 0.0:.6g}"
    if seen.heartbeat is not None and seen.heartbeat.total_steps:
        detail["total_steps"] = str(seen.heartbeat.total_steps)
    detail |= {
        "provider": subject.offer.provider,
        "accelerator_count": f"{subject.offer.accelerator_count:g}",
    }
    if seen.checkpoints:
        detail["blocked_s"] = f"{max(c.blocked_s for c in seen.checkpoints):.3f}"
    return Profile(
        code_sha256=subject.code_sha256,
        world_size=subject.workload.num_nodes,
        measured_at=now,
        source="probe",
        accelerator=subject.offer.accelerator or "cpu",
        steps_per_s=None if speed is None else speed.steps_per_s,
        save_s=max((c.save_s for c in seen.checkpoints), default=None),
        boot_s=boot,
        checkpoint_bytes=max((c.size_bytes for c in seen.checkpoints), default=None),
        memory_peak_bytes=_memory(subject.offer, seen),
        detail=detail,
    )


def speed_of(beats: Sequence[Beat], seen: Observation) -> Speed | None:
    """Speed after the warm-up; None with fewer than three moments that differ in time."""
    if len(beats) < 3:
        return None
    total = beats[-1].step - beats[0].step
    start = next(i for i, beat in enumerate(beats) if beat.step - beats[0].step >= WARM_UP * total)
    warm = beats[min(start, len(beats) - 2) :]
    steps, seconds = warm[-1].step - warm[0].step, _training_s(warm[0], warm[-1], seen)
    if steps <= 0 or seconds <= 0:
        return None
    first, last = warm[0].cpu_s, warm[-1].cpu_s
    return Speed(
        steps_per_s=steps / seconds,
        spread=_spread(warm, seen),
        steps=steps,
        seconds=seconds,
        cpu_s_per_step=None if first is None or last is None else max(last - first, 0.0) / steps,
    )


def _training_s(first: Beat, last: Beat, seen: Observation) -> float:
    """Seconds between two beats, less those in which training stood still for a save."""
    blocked = sum(c.blocked_s for c in seen.checkpoints if first.at < c.at <= last.at)
    return seconds_between(first.at, last.at) - blocked


def _spread(warm: Sequence[Beat], seen: Observation) -> float | None:
    """Relative distance of the two halves' speeds."""
    middle = len(warm) // 2
    if middle < 1 or len(warm) - middle < 2:
        return None
    halves = []
    for part in (warm[: middle + 1], warm[middle:]):
        seconds = _training_s(part[0], part[-1], seen)
        if seconds <= 0:
            return None
        halves.append((part[-1].step - part[0].step) / seconds)
    return abs(halves[0] - halves[1]) / max(halves)


def _memory(offer: Offer, seen: Observation) -> int | None:
    if seen.meter is None:
        return None
    return seen.meter.gpu_memory_peak_bytes if offer.accelerator else seen.meter.memory_peak_bytes


def with_proof(measured: Profile, known: Sequence[Profile]) -> Profile:
    """The measured profile with what earlier ones of the same code have shown and a probe can't.

    Resume is proven by a rehearsal alone, and restoring is only seen after a preemption; both stay true while
    the code does.
    """
    same = [p for p in known if p.code_sha256 == measured.code_sha256 and p.world_size == measured.world_size]
    proven = next((p for p in same if p.resume_proven), None)
    restored = next((p for p in same if p.restore_s is not None), None)
    return replace(
        measured,
        resume=measured.resume if proven is None else proven.resume,
        restore_s=None if restored is None else restored.restore_s,
    )


def steps_of(workload: Workload, profile: Profile) -> int | None:
    """Steps of the whole job: as the file says, else as the script told the probe; None if neither does."""
    if isinstance(workload.work, Steps):
        return workload.work.steps
    told = profile.detail.get("total_steps")
    return None if told is None else int(told)


def forecast_s(profile: Profile, steps: int, *, interval_s: float | None = None) -> float:
    """Seconds that the whole job takes on what was probed, uninterrupted: start, steps, and saves.

    Args:
        interval_s: between saves; None counts only the one at the end.

    Raises:
        BadInput: the profile knows no speed.
    """
    if profile.steps_per_s is None:
        raise BadInput("the probe saw no steps", next_step="call shoestring.training.attach() in the script")
    training = steps / profile.steps_per_s
    blocked = float(profile.detail.get("blocked_s", 0.0))
    saves = 1 + (0 if interval_s is None else math.floor(training / interval_s))
    return (profile.boot_s or 0.0) + training + saves * blocked
