"""An executor in numbers: instances are a few floats, and a poll computes what has happened since the last.

It keeps books of its own (every instance with its start and end), so a test can compare them with the
journal's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shoestring.domain.errors import NoCapacity, StaleLeader
from shoestring.domain.offer import Offer
from shoestring.domain.run import Exit, ExitKind, Observation, Outcome
from shoestring.ports import BillLine, Capabilities, JobSpec, LiveInstance
from shoestring.sim.clock import SimClock
from shoestring.sim.instance import Instance, SimJob
from shoestring.sim.zones import Zone


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
        self.instances: dict[str, Instance] = {}
        self.barred: set[str] = set()
        self.refused: dict[str, str] = {}
        self.epoch = 0

    def capabilities(self) -> Capabilities:
        return Capabilities(tokens=True, gang=True, replaces=True, accounting=True)

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
            return self.instances[spec.token].look()
        if spec.token in self.barred or spec.token in self.refused:
            raise NoCapacity(self.refused.get(spec.token, f"{spec.token} was cancelled before it began"))
        if not self.zones[spec.offer.id].available(self.clock.elapsed_s):
            self.refused[spec.token] = f"{spec.offer.id}: no capacity now"
            raise NoCapacity(self.refused[spec.token])
        now_s = self.clock.elapsed_s
        self.instances[spec.token] = instance = Instance(
            spec=spec,
            job=self.job,
            zone=self.zones[spec.offer.id],
            clock=self.clock,
            launched_s=now_s,
            begun_s=now_s,
            start_step=spec.restore[0].step if spec.restore else 0,
        )
        return instance.look()

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        seen = {token: self.instances[token].look() for token in tokens if token in self.instances}
        return seen | {t: self._barred(t) for t in tokens if t in self.barred and t not in seen}

    def logs(self, token: str, offset: int = 0, limit: int = 1 << 20) -> tuple[bytes, int]:
        return b"", offset

    def save(self, token: str, epoch: int) -> None:
        self._fence(epoch)
        instance = self.instances[token]
        instance.look()
        if instance.ended_s is None:
            instance.save(self.clock.elapsed_s, "asked")

    def replace(self, token: str, epoch: int) -> None:
        self._fence(epoch)
        instance = self.instances[token]
        if not instance.look().nodes_missing or instance.ended_s is not None:
            return
        if not instance.zone.available(self.clock.elapsed_s):
            raise NoCapacity(f"{instance.spec.offer.id}: no node to replace the lost one with")
        instance.mend()

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        self._fence(epoch)
        self.barred.add(token)
        instance = self.instances.get(token)
        if instance is not None:
            instance.stop(grace_s)

    def alive(self) -> tuple[LiveInstance, ...]:
        for instance in self.instances.values():
            instance.look()
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
            amount = instance.billed_usd()
            if amount is not None:
                start, end = self.clock.at(instance.launched_s), self.clock.at(end_s)
                lines.append(BillLine(token=token, kind="compute", start=start, end=end, amount_usd=amount))
        return tuple(lines)

    def _barred(self, token: str) -> Observation:
        """A token that was cancelled before it was asked for never starts."""
        end = Exit(kind=ExitKind.NO_START, at=self.clock.now(), detail="cancelled before it began")
        return Observation(attempt_id=token, outcome=Outcome.ENDED, exit=end)

    def _fence(self, epoch: int) -> None:
        if epoch < self.epoch:
            raise StaleLeader(f"epoch {epoch} has passed; the engine has seen {self.epoch}")
        self.epoch = epoch
