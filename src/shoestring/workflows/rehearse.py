"""`shoestring rehearse`: the user's own script is preempted on purpose, and what comes out is compared.

A reference run is left alone. A second run of the same command is preempted K times, in turn with and
without a warning, and goes on each time. Both end at the same step; then their weights are compared by a
third process. What was measured on the way (save, restore, speed, size) becomes the job's Profile.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.run import CheckpointFact, Exit, ExitKind, Observation, Outcome
from shoestring.domain.text import printable
from shoestring.domain.units import seconds_between
from shoestring.ports import Clock, Executor, JobSpec
from shoestring.training.spool import ENV_STOP_AT_STEP
from shoestring.workflows.rehearsal import Preemption, Rehearsal, Script, judge, last_step, never_saved

POLL_S = 0.1
LIFE_MAX_S = 3600.0  # real seconds that one attempt of a rehearsal may take
LAST_LINES, LOG_MAX = 8, 1 << 24
NOTICE_S = 2.0  # real seconds: the shortest warning that a market here gives


class Preemptible(Executor, Protocol):
    """An executor whose instances can be taken back on purpose."""

    @property
    def clock(self) -> Clock: ...

    def interrupt(self, token: str, *, notice_s: float | None) -> None: ...


def rehearse(
    executor: Preemptible, script: Script, *, where: Callable[[str], str], say: Callable[[str], None]
) -> Rehearsal:
    """Run the script twice, once in peace and once preempted.

    Args:
        where: checkpoint folder of a life by its name; the two lives must not share one.
        say: told what happens, for people who wait.

    Raises:
        ShoestringError: the script fails even when it is left alone, or takes too long.
    """
    say("reference run, left alone")
    alone = _Life(executor, script, where("reference"), "reference")
    reference = alone.to_the_end()
    if reference.exit is None or reference.exit.kind is not ExitKind.DONE:
        raise _failed_alone(reference.exit, alone.last_lines())
    if not reference.checkpoints:
        return never_saved(script, reference)
    preempted = _Preempted(executor, script, where("preempted"), _turning_points(reference, script), say)
    final = preempted.live()
    return judge(script, reference, final, tuple(preempted.lived), preempted.restores, executor.clock.now())


def _failed_alone(end: Exit | None, printed: list[str]) -> ShoestringError:
    what = "ended, nobody knows how," if end is None else str(end.kind)
    detail = f" ({end.detail})" if end is not None and end.detail else ""
    lines = "".join(f"\n  | {printable(line)}" for line in printed)
    return ShoestringError(
        f"the script {what} even when it is left alone{detail}{lines}",
        next_step="mend the script, then rehearse",
    )


class _Life:
    """One run of the script over one or several attempts, always in the same checkpoint folder."""

    def __init__(self, executor: Preemptible, script: Script, folder: str, name: str) -> None:
        self.executor, self.script, self.name = executor, script, name
        workload = script.workload
        self.workload = replace(workload, checkpoint=replace(workload.checkpoint, where=folder))
        self.attempts = 0
        self.checkpoints: list[CheckpointFact] = []

    def launch(self) -> str:
        self.attempts += 1
        token = f"{self.name}-{self.attempts}"
        stop = {} if self.script.steps is None else {ENV_STOP_AT_STEP: str(self.script.steps)}
        newest_first = tuple(sorted(self.checkpoints, key=lambda c: (c.step, c.at), reverse=True))
        self.executor.submit(
            JobSpec(
                run_id=self.name,
                attempt_id=token,
                attempt_number=self.attempts,
                token=token,
                epoch=1,
                workload=self.workload,
                offer=self.script.offer,
                env={**self.script.env, **stop},
                restore=newest_first,
                checkpoint_interval_s=self.workload.checkpoint.interval_s,
            )
        )
        return token

    def watch(self, token: str, until: Callable[[Observation], bool]) -> Observation:
        """Poll until the attempt has ended or ``until`` holds. Raises ShoestringError after an hour."""
        give_up = time.monotonic() + LIFE_MAX_S
        while time.monotonic() < give_up:
            seen = self.executor.poll([token])[token]
            if seen.outcome is Outcome.ENDED:
                self.checkpoints += seen.checkpoints
                return seen
            if until(seen):
                return seen
            time.sleep(POLL_S)
        self.executor.cancel(token, 1, grace_s=0.0)
        raise ShoestringError(
            f"{token} takes over {LIFE_MAX_S:.0f} s", next_step="rehearse fewer steps: --steps N"
        )

    def to_the_end(self) -> Observation:
        return self.watch(self.launch(), lambda seen: False)

    def last_lines(self) -> list[str]:
        """The end of what the newest attempt printed."""
        data, _ = self.executor.logs(f"{self.name}-{self.attempts}", 0, LOG_MAX)
        return [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()][-LAST_LINES:]


class _Preempted(_Life):
    def __init__(
        self,
        executor: Preemptible,
        script: Script,
        folder: str,
        points: list[int],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(executor, script, folder, "preempted")
        self.points, self.say = points, say
        self.lived: list[Preemption] = []
        self.restores: list[float] = []

    def live(self) -> Observation:
        """Preempt at each point, go on, and come to the end."""
        ended_at: tuple[int | None, bool, float | None] | None = None
        for number in range(1, self.script.preemptions + 2):
            token = self.launch()
            point = self.points[number - 1] if number <= self.script.preemptions else None
            seen = self.watch(token, lambda s, p=point: p is not None and _reached(s, p))  # type: ignore[misc]
            if ended_at is not None:
                self._note(number - 1, ended_at, seen)
            if point is None or seen.outcome is Outcome.ENDED:
                break
            warned = number % 2 == 1
            self.say(
                f"preemption {number} at step {last_step(seen)}, {'with' if warned else 'without'} a warning"
            )
            self.executor.interrupt(token, notice_s=NOTICE_S if warned else None)
            gone = self.watch(token, lambda s: False)
            if gone.exit is not None and gone.exit.kind is ExitKind.DONE:
                raise ShoestringError(
                    f"the script ended before preemption {number} could take effect",
                    next_step="give more --steps",
                )
            ended_at = (last_step(gone), warned, _notice_to_saved(gone, self.executor.clock))
            seen = gone
        if seen.outcome is not Outcome.ENDED:
            seen = self.watch(token, lambda s: False)
        self.restores += [r.restore_s for r in seen.restores]
        return seen

    def _note(self, number: int, ended_at: tuple[int | None, bool, float | None], now: Observation) -> None:
        step, warned, saved_s = ended_at
        beat = now.heartbeat
        resumed = now.restores[0].step if now.restores else (beat.resumed_step if beat else None)
        lost = None if step is None or resumed is None else max(0, step - resumed)
        self.restores += [r.restore_s for r in now.restores]
        self.lived.append(
            Preemption(
                number=number,
                warned=warned,
                at_step=step,
                resumed_step=resumed,
                lost_steps=lost,
                notice_to_saved_s=saved_s,
            )
        )


def _turning_points(reference: Observation, script: Script) -> list[int]:
    """Steps at which to preempt, evenly over the run; for a job without steps, counts of checkpoints."""
    count = script.preemptions
    if reference.heartbeat is not None and reference.heartbeat.step > count:
        last = reference.heartbeat.step
        return [max(1, last * k // (count + 1)) for k in range(1, count + 1)]
    if len(reference.checkpoints) < 2:
        raise BadInput(
            "the script tells no steps and saves only once: there is no moment to preempt it",
            next_step="save more often, or call shoestring.training.attach() in it",
        )
    return [1] * count


def _reached(seen: Observation, point: int) -> bool:
    if seen.heartbeat is not None:
        return seen.heartbeat.step >= point
    return len(seen.checkpoints) >= point


def _notice_to_saved(seen: Observation, clock: Clock) -> float | None:
    scale = getattr(clock, "scale", 1.0)
    after = [c.at for c in seen.checkpoints if seen.notice_at is not None and c.at >= seen.notice_at]
    if seen.notice_at is None or not after:
        return None
    return seconds_between(seen.notice_at, after[0]) / float(scale)
