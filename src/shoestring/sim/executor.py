"""An executor in numbers: instances are a few floats, and a poll computes what has happened since the last.

It keeps books of its own (every instance with its start and end), so a test can compare them with the
journal's.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil
from typing import Protocol

from shoestring.domain.errors import NoCapacity, StaleLeader
from shoestring.domain.offer import Offer
from shoestring.domain.run import (
    CheckpointFact,
    Exit,
    ExitKind,
    Heartbeat,
    Observation,
    Outcome,
    PriceSpan,
    ProgressSpan,
    Restore,
)
from shoestring.ports import BillLine, Capabilities, JobSpec, LiveInstance
from shoestring.sim.clock import SimClock


class Zone(Protocol):
    """What a simulated place knows of itself; times are seconds since the clock's start."""

    def available(self, at_s: float) -> bool: ...

    def usd_per_hour(self, at_s: float) -> Decimal | None: ...

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        """When a running instance is taken back in (after, until]; None if it is not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyZone:
    """Always there, at one price: on-demand and owned capacity."""

    price: Decimal | None

    def available(self, at_s: float) -> bool:
        return True

    def usd_per_hour(self, at_s: float) -> Decimal | None:
        return self.price

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotZone:
    """Up in the half-open intervals ``ups`` (seconds, sorted, disjoint), at one price."""

    price: Decimal
    ups: tuple[tuple[float, float], ...]

    def _interval(self, at_s: float) -> tuple[float, float] | None:
        place = bisect_right(self.ups, (at_s, float("inf"))) - 1
        if place >= 0 and self.ups[place][0] <= at_s < self.ups[place][1]:
            return self.ups[place]
        return None

    def available(self, at_s: float) -> bool:
        return self._interval(at_s) is not None

    def usd_per_hour(self, at_s: float) -> Decimal | None:
        return self.price

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        up = self._interval(after_s)
        if up is None:
            return after_s
        return up[1] if up[1] <= until_s else None


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
class _Instance:
    spec: JobSpec
    launched_s: float
    start_step: int
    stop_s: float | None = None
    ended_s: float | None = None
    exit: Exit | None = None
    interrupted: bool = False
    checkpoints: list[CheckpointFact] = field(default_factory=list)
    saved_until_s: float = 0.0
    seen: Observation | None = None


class SimExecutor:
    """ports.Executor in numbers.

    Args:
        zones: by offer id; every offer needs one.
        job: what every launched workload does.
    """

    name = "sim"

    def __init__(
        self, clock: SimClock, offers: Sequence[Offer], zones: Mapping[str, Zone], job: SimJob
    ) -> None:
        self.clock, self.job, self.zones = clock, job, zones
        self._offers = {offer.id: offer for offer in offers}
        self.instances: dict[str, _Instance] = {}
        self.barred: set[str] = set()
        self.refused: dict[str, str] = {}
        self.epoch = 0

    def capabilities(self) -> Capabilities:
        return Capabilities(tokens=True, gang=True, accounting=True)

    def offers(self) -> tuple[Offer, ...]:
        at_s = self.clock.elapsed_s
        for offer_id, offer in self._offers.items():
            zone = self.zones[offer_id]
            up, price = zone.available(at_s), zone.usd_per_hour(at_s)
            if up != offer.available or price != offer.price.usd_per_hour:
                quote = replace(offer.price, usd_per_hour=price, as_of=self.clock.now())
                self._offers[offer_id] = replace(offer, available=up, price=quote)
        return tuple(self._offers.values())

    def submit(self, spec: JobSpec) -> Observation:
        self._fence(spec.epoch)
        if spec.token in self.instances:
            return self._look(self.instances[spec.token])
        if spec.token in self.barred or spec.token in self.refused:
            raise NoCapacity(self.refused.get(spec.token, f"{spec.token} was cancelled before it began"))
        if not self.zones[spec.offer.id].available(self.clock.elapsed_s):
            self.refused[spec.token] = f"{spec.offer.id}: no capacity now"
            raise NoCapacity(self.refused[spec.token])
        step = spec.restore[0].step if spec.restore else 0
        now_s = self.clock.elapsed_s
        self.instances[spec.token] = instance = _Instance(spec=spec, launched_s=now_s, start_step=step)
        return self._look(instance)

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        seen = {token: self._look(self.instances[token]) for token in tokens if token in self.instances}
        return seen | {t: self._barred(t) for t in tokens if t in self.barred and t not in seen}

    def logs(self, token: str, offset: int = 0, limit: int = 1 << 20) -> tuple[bytes, int]:
        return b"", offset

    def save(self, token: str, epoch: int) -> None:
        self._fence(epoch)
        instance = self.instances[token]
        self._look(instance)
        if instance.ended_s is None:
            self._save(instance, self.clock.elapsed_s, "asked")

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        self._fence(epoch)
        self.barred.add(token)
        instance = self.instances.get(token)
        if instance is not None and instance.ended_s is None and instance.stop_s is None:
            trains = self.clock.elapsed_s > self._first_step_s(instance)
            instance.stop_s = self.clock.elapsed_s + (min(grace_s, self.job.save_s) if trains else 0.0)

    def alive(self) -> tuple[LiveInstance, ...]:
        for instance in self.instances.values():
            self._look(instance)
        return tuple(
            LiveInstance(
                token=token,
                run_id=i.spec.run_id,
                attempt_id=i.spec.attempt_id,
                epoch=i.spec.epoch,
                launched_at=self.clock.at(i.launched_s),
            )
            for token, i in self.instances.items()
            if i.ended_s is None
        )

    def bill(self) -> tuple[BillLine, ...]:
        lines = []
        for token, instance in self.instances.items():
            end_s = self.clock.elapsed_s if instance.ended_s is None else instance.ended_s
            amount = _billed(instance, end_s - instance.launched_s)
            if amount is not None:
                start, end = self.clock.at(instance.launched_s), self.clock.at(end_s)
                lines.append(BillLine(token=token, kind="compute", start=start, end=end, amount_usd=amount))
        return tuple(lines)

    def _barred(self, token: str) -> Observation:
        """A token that was cancelled before it was asked for never starts."""
        end = Exit(kind=ExitKind.NO_START, at=self.clock.now(), detail="cancelled before it began")
        return Observation(attempt_id=token, outcome=Outcome.ENDED, exit=end)

    # -- what happened since the last look --

    def _fence(self, epoch: int) -> None:
        if epoch < self.epoch:
            raise StaleLeader(f"epoch {epoch} has passed; the engine has seen {self.epoch}")
        self.epoch = epoch

    def _first_step_s(self, instance: _Instance) -> float:
        restore = self.job.restore_s if instance.start_step else 0.0
        return instance.launched_s + self.job.boot_s + restore

    def _speed(self, instance: _Instance) -> float:
        return self.job.steps_per_s[instance.spec.offer.accelerator or "cpu"]

    def _step(self, instance: _Instance, at_s: float) -> int:
        trained_s = max(0.0, at_s - self._first_step_s(instance))
        return min(self.job.steps, instance.start_step + int(trained_s * self._speed(instance) + 1e-9))

    def _look(self, instance: _Instance) -> Observation:
        if instance.ended_s is not None and instance.seen is not None:
            return instance.seen
        now_s = self.clock.elapsed_s
        end_s, kind = self._ends(instance, now_s)
        until_s = now_s if end_s is None else end_s
        interval = instance.spec.checkpoint_interval_s or self.job.interval_s
        first = self._first_step_s(instance)
        due = max(instance.saved_until_s, first) + interval
        while due <= until_s:
            self._save(instance, due, "due")
            due += interval
        if end_s is not None:
            if kind in (ExitKind.STOPPED, ExitKind.DONE) and end_s > first:
                self._save(instance, end_s, "sigterm" if kind is ExitKind.STOPPED else "end")
            instance.ended_s, instance.interrupted = end_s, kind is ExitKind.PREEMPTED
            code = 0 if kind is ExitKind.DONE else None
            instance.exit = Exit(kind=kind, at=self.clock.at(end_s), code=code)
        instance.seen = self._observation(instance, until_s)
        return instance.seen

    def _ends(self, instance: _Instance, now_s: float) -> tuple[float | None, ExitKind]:
        """The first of: work done, taken back, stopped by us; None while none has come."""
        first = self._first_step_s(instance)
        done_s = first + (self.job.steps - instance.start_step) / self._speed(instance)
        ends = [(done_s, ExitKind.DONE)]
        loss_s = self.zones[instance.spec.offer.id].next_loss_s(instance.launched_s, now_s)
        if loss_s is not None:
            ends.append((loss_s, ExitKind.PREEMPTED))
        if instance.stop_s is not None:
            ends.append((instance.stop_s, ExitKind.STOPPED))
        end_s, kind = min(ends, key=lambda pair: pair[0])
        return (end_s, kind) if end_s <= now_s else (None, kind)

    def _save(self, instance: _Instance, at_s: float, trigger: str) -> None:
        step = self._step(instance, at_s)
        instance.saved_until_s = at_s
        if step <= instance.start_step:
            return
        if instance.checkpoints and instance.checkpoints[-1].step == step:
            return
        instance.checkpoints.append(
            CheckpointFact(
                id=f"{instance.spec.attempt_id}/step-{step}",
                uri=f"sim://{instance.spec.run_id}/step-{step}",
                manifest_sha256="0" * 64,
                at=self.clock.at(at_s),
                step=step,
                size_bytes=self.job.checkpoint_bytes,
                save_s=self.job.save_s,
                blocked_s=0.0,
                trigger=trigger,
            )
        )

    def _observation(self, instance: _Instance, until_s: float) -> Observation:
        spec, at = instance.spec, self.clock.at
        first, step = self._first_step_s(instance), self._step(instance, until_s)
        trains = until_s > first
        price = PriceSpan(
            start=at(instance.launched_s),
            end=None if instance.ended_s is None else at(until_s),
            price=spec.offer.price,
        )
        newest = spec.restore[0] if spec.restore else None
        return Observation(
            attempt_id=spec.attempt_id,
            outcome=Outcome.RUNNING if instance.ended_s is None else Outcome.ENDED,
            launched_at=at(instance.launched_s),
            booted_at=at(instance.launched_s + self.job.boot_s) if trains else None,
            terminated_at=None if instance.ended_s is None else at(until_s),
            heartbeat=Heartbeat(
                at=at(until_s), step=step, total_steps=self.job.steps, resumed_step=instance.start_step
            )
            if trains
            else None,
            checkpoints=tuple(instance.checkpoints),
            restores=(
                Restore(
                    at=at(first),
                    checkpoint_id=newest.id,
                    step=newest.step,
                    size_bytes=newest.size_bytes,
                    restore_s=self.job.restore_s,
                ),
            )
            if trains and newest is not None
            else (),
            spans=(
                ProgressSpan(start=at(first), end=at(until_s), step_from=instance.start_step, step_to=step),
            )
            if trains
            else (),
            price_spans=(price,),
            interrupted=instance.interrupted,
            exit=instance.exit,
        )


def _billed(instance: _Instance, used_s: float) -> Decimal | None:
    """The engine's own arithmetic, kept apart from the ledger's so that each can check the other."""
    offer = instance.spec.offer
    if offer.price.usd_per_hour is None:
        return None
    rule = offer.billing
    if instance.interrupted and used_s < (rule.free_if_interrupted_within_s or 0):
        return Decimal(0)
    steps = ceil(round(max(used_s, float(rule.minimum_s)), 6) / rule.granularity_s)
    return offer.price.usd_per_hour * steps * rule.granularity_s / 3600
