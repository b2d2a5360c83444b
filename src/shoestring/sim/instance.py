"""One simulated instance or gang: what has happened to it until a moment, computed from a few floats."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from math import ceil

from shoestring.domain.run import (
    CheckpointFact,
    Exit,
    ExitKind,
    Heartbeat,
    NodesLost,
    Observation,
    Outcome,
    PriceSpan,
    ProgressSpan,
    Restore,
)
from shoestring.ports import JobSpec
from shoestring.sim.clock import SimClock
from shoestring.sim.zones import Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class SimJob:
    """The job in numbers: steps, speed by accelerator, times in seconds, bytes of a checkpoint."""

    steps: int
    steps_per_s: Mapping[str, float]
    boot_s: float = 180.0
    restore_s: float = 20.0
    save_s: float = 10.0
    interval_s: float = 900.0
    checkpoint_bytes: int = 10**9


@dataclass(slots=True)
class Instance:
    """A life of a job. It trains in stretches: one, or one more after each time that lost nodes were replaced.

    Attributes:
        begun_s: when the present stretch began to boot. start_step: the step it goes on from.
        halted_s: since when nodes of the gang are missing; None while it is whole.
        extra_boot_s: of a boot that takes longer than the job's.
    """

    spec: JobSpec
    job: SimJob
    zone: Zone
    clock: SimClock
    launched_s: float
    begun_s: float
    start_step: int
    extra_boot_s: float = 0.0
    halted_s: float | None = None
    stop_s: float | None = None
    ended_s: float | None = None
    exit: Exit | None = None
    interrupted: bool = False
    checkpoints: list[CheckpointFact] = field(default_factory=list)
    restores: list[Restore] = field(default_factory=list)
    spans: list[ProgressSpan] = field(default_factory=list)  # of stretches that are over
    nodes_lost: list[NodesLost] = field(default_factory=list)
    saved_until_s: float = 0.0
    seen: Observation | None = None

    def look(self) -> Observation:
        """What there is to see now."""
        if self.ended_s is not None and self.seen is not None:
            return self.seen
        now_s = self.clock.elapsed_s
        end_s, kind = self._ends(now_s)
        until_s = now_s if end_s is None else end_s
        if self.halted_s is None:
            lost = None
            if self.spec.workload.num_nodes > 1:
                lost = self.zone.next_node_loss(self.begun_s, until_s)
            if lost is not None and lost[0] < until_s:
                self._train(lost[0])
                self._halt(*lost)
                end_s, kind = self._ends(now_s)
                until_s = now_s if end_s is None else end_s
            else:
                self._train(until_s)
        if end_s is not None:
            self._end(end_s, kind)
        self.seen = self._observation(until_s)
        return self.seen

    def save(self, at_s: float, trigger: str) -> None:
        """A checkpoint at a moment of training, if there is anything new to save."""
        if self.halted_s is not None:
            return
        step = self._step(at_s)
        self.saved_until_s = at_s
        if step <= self.start_step:
            return
        if self.checkpoints and self.checkpoints[-1].step == step:
            return
        self.checkpoints.append(
            CheckpointFact(
                id=f"{self.spec.attempt_id}/step-{step}",
                uri=f"sim://{self.spec.run_id}/step-{step}",
                manifest_sha256="0" * 64,
                at=self.clock.at(at_s),
                step=step,
                size_bytes=self.job.checkpoint_bytes,
                save_s=self.job.save_s,
                blocked_s=0.0,
                trigger=trigger,
            )
        )

    def stop(self, grace_s: float) -> None:
        """Asked to end: after its save if it trains, else at once."""
        if self.ended_s is None and self.stop_s is None:
            now_s = self.clock.elapsed_s
            trains = self.halted_s is None and now_s > self.first_step_s
            self.stop_s = now_s + (min(grace_s, self.job.save_s) if trains else 0.0)

    def mend(self) -> None:
        """Other nodes have come for those that were lost: all boot and go on from the newest checkpoint."""
        now = self.clock.now()
        self.nodes_lost = [n if n.end is not None else replace(n, end=now) for n in self.nodes_lost]
        newest = self.checkpoints[-1] if self.checkpoints else self._given()
        self.start_step = 0 if newest is None else newest.step
        self.begun_s, self.halted_s = self.clock.elapsed_s, None
        self.saved_until_s = self.begun_s

    def billed_usd(self) -> Decimal | None:
        """The engine's own arithmetic, kept apart from the ledger's so that each can check the other."""
        offer, rule = self.spec.offer, self.spec.offer.billing
        if offer.price.usd_per_hour is None:
            return None
        end_s = self.clock.elapsed_s if self.ended_s is None else self.ended_s
        used_s = end_s - self.launched_s
        if self.interrupted and used_s < (rule.free_if_interrupted_within_s or 0):
            return Decimal(0)
        steps = ceil(round(max(used_s, float(rule.minimum_s)), 6) / rule.granularity_s)
        gone_s = Decimal(0)
        for lost in self.nodes_lost:
            until = self.clock.at(end_s) if lost.end is None else lost.end
            gone_s += lost.count * Decimal(str((until - lost.start).total_seconds()))
        node_s = self.spec.workload.num_nodes * steps * rule.granularity_s - gone_s
        return offer.price.usd_per_hour * node_s / 3600

    @property
    def first_step_s(self) -> float:
        """When this stretch trains its first step."""
        restore = self.job.restore_s if self.start_step else 0.0
        return self.begun_s + self.job.boot_s + restore + self.extra_boot_s

    def _given(self) -> CheckpointFact | None:
        return self.spec.restore[0] if self.spec.restore else None

    def _speed(self) -> float:
        return self.job.steps_per_s[self.spec.offer.accelerator or "cpu"]

    def _step(self, at_s: float) -> int:
        trained_s = max(0.0, at_s - self.first_step_s)
        return min(self.job.steps, self.start_step + int(trained_s * self._speed() + 1e-9))

    def _ends(self, now_s: float) -> tuple[float | None, ExitKind]:
        """The first of: work done, taken back, stopped by us; None while none has come."""
        ends = []
        if self.halted_s is None:
            work_s = (self.job.steps - self.start_step) / self._speed()
            ends.append((self.first_step_s + work_s, ExitKind.DONE))
        loss_s = self.zone.next_loss_s(self.launched_s, now_s)
        if loss_s is not None:
            ends.append((loss_s, ExitKind.PREEMPTED))
        if self.stop_s is not None:
            ends.append((self.stop_s, ExitKind.STOPPED))
        if not ends:
            return None, ExitKind.DONE
        end_s, kind = min(ends, key=lambda pair: pair[0])
        return (end_s, kind) if end_s <= now_s else (None, kind)

    def _train(self, until_s: float) -> None:
        """The saves that were due until then."""
        interval = self.spec.checkpoint_interval_s or self.job.interval_s
        due = max(self.saved_until_s, self.first_step_s) + interval
        while due <= until_s:
            self.save(due, "due")
            due += interval

    def _halt(self, at_s: float, count: int) -> None:
        """Some nodes are gone: what was not saved is lost, and the rest waits."""
        at = self.clock.at(at_s)
        count = min(count, self.spec.workload.num_nodes - 1)
        self._close_stretch(at_s)
        self.nodes_lost.append(NodesLost(count=count, start=at))
        self.halted_s = at_s

    def _close_stretch(self, at_s: float) -> None:
        if at_s > self.first_step_s:
            span, restore = self._stretch(at_s)
            self.spans.append(span)
            self.restores += restore

    def _stretch(self, until_s: float) -> tuple[ProgressSpan, list[Restore]]:
        at, first = self.clock.at, self.first_step_s
        span = ProgressSpan(
            start=at(first), end=at(until_s), step_from=self.start_step, step_to=self._step(until_s)
        )
        newest = next((c for c in reversed(self.checkpoints) if c.step == self.start_step), self._given())
        if newest is None or not self.start_step:
            return span, []
        restored = Restore(
            at=at(first),
            checkpoint_id=newest.id,
            step=newest.step,
            size_bytes=newest.size_bytes,
            restore_s=self.job.restore_s,
        )
        return span, [restored]

    def _end(self, end_s: float, kind: ExitKind) -> None:
        if kind in (ExitKind.STOPPED, ExitKind.DONE) and end_s > self.first_step_s:
            self.save(end_s, "sigterm" if kind is ExitKind.STOPPED else "end")
        self.ended_s, self.interrupted = end_s, kind is ExitKind.PREEMPTED
        code = 0 if kind is ExitKind.DONE else None
        self.exit = Exit(kind=kind, at=self.clock.at(end_s), code=code)

    def _observation(self, until_s: float) -> Observation:
        spec, at = self.spec, self.clock.at
        trains = self.halted_s is None and until_s > self.first_step_s
        spans, restores = list(self.spans), list(self.restores)
        if trains:
            span, restore = self._stretch(until_s)
            spans.append(span)
            restores += restore
        ended: datetime | None = None if self.ended_s is None else at(until_s)
        return Observation(
            attempt_id=spec.attempt_id,
            outcome=Outcome.RUNNING if self.ended_s is None else Outcome.ENDED,
            launched_at=at(self.launched_s),
            booted_at=at(self.launched_s + self.job.boot_s) if spans else None,
            terminated_at=ended,
            heartbeat=self._beat(until_s, spans) if spans else None,
            checkpoints=tuple(self.checkpoints),
            restores=tuple(restores),
            spans=tuple(spans),
            price_spans=self._price_spans(until_s, ended),
            nodes_lost=tuple(self.nodes_lost),
            interrupted=self.interrupted,
            exit=self.exit,
        )

    def _price_spans(self, until_s: float, ended: datetime | None) -> tuple[PriceSpan, ...]:
        changes = self.zone.prices(self.launched_s, until_s)
        if len(changes) == 1:
            return (PriceSpan(start=self.clock.at(self.launched_s), end=ended, price=self.spec.offer.price),)
        ends = [*(self.clock.at(at_s) for at_s, _ in changes[1:]), ended]
        return tuple(
            PriceSpan(
                start=self.clock.at(at_s),
                end=end,
                price=replace(self.spec.offer.price, usd_per_hour=usd, as_of=self.clock.at(at_s)),
            )
            for (at_s, usd), end in zip(changes, ends, strict=True)
        )

    def _beat(self, until_s: float, spans: list[ProgressSpan]) -> Heartbeat:
        trains = self.halted_s is None and until_s > self.first_step_s
        return Heartbeat(
            at=self.clock.at(until_s) if trains else spans[-1].end,
            step=spans[-1].step_to if self.halted_s is not None else self._step(until_s),
            total_steps=self.job.steps,
            resumed_step=self.start_step,
        )
