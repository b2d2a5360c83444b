"""Runs side by side on one machine: each is charged its part of it, and the parts add up to one machine."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from shoestring.domain.usage import MachineShare, UsageKind, UsageRecord
from shoestring.ledger.rate import billed_until

BY_DEVICE = "accelerators held"
EVENLY = "runs on the machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A stretch of time in which an attempt held a machine.

    Attributes:
        devices: names of the accelerators that it held; None where nobody said, empty where there were none.
    """

    run_id: str
    attempt_id: str
    machine: str
    devices: tuple[str, ...] | None
    start: datetime
    end: datetime

    def meets(self, other: "Stay") -> bool:
        """Whether both hold the same machine at the same time, each for an attempt of its own."""
        return (
            self.machine == other.machine
            and (self.run_id, self.attempt_id) != (other.run_id, other.attempt_id)
            and self.start < other.end
            and other.start < self.end
        )


def stays_of(usage: Iterable[UsageRecord]) -> tuple[Stay, ...]:
    """The stays in some use; where nobody knows the machine there are none."""
    return tuple(
        Stay(
            run_id=record.run_id,
            attempt_id=record.attempt_id or record.id,
            machine=record.machine,
            devices=record.devices,
            start=record.start,
            end=billed_until(record),
        )
        for record in usage
        if record.kind is UsageKind.COMPUTE and record.machine is not None
    )


def shares_of(stay: Stay, others: Sequence[Stay]) -> tuple[MachineShare, ...]:
    """What part of the machine a stay is charged, wherever others held it too; alone it is the whole.

    Where everybody's accelerators are known, each of those in use is an equal part of the machine, and those who
    hold one share it evenly. Otherwise the machine is shared evenly. At any moment the parts of all who are there
    add up to exactly 1, whoever asks.
    """
    beside = [other for other in others if stay.meets(other)]
    edges = {stay.start, stay.end}
    edges |= {max(stay.start, other.start) for other in beside} | {min(stay.end, o.end) for o in beside}
    ordered = sorted(edges)
    shares = []
    for start, end in itertools.pairwise(ordered):
        here = [other for other in beside if other.start <= start and end <= other.end]
        if here:
            shares.append(_share(stay, here, start, end))
    return tuple(shares)


def _share(stay: Stay, here: Sequence[Stay], start: datetime, end: datetime) -> MachineShare:
    everybody = (stay, *here)
    if not all(s.devices for s in everybody):
        fraction = Fraction(1, len(everybody))
        return MachineShare(start=start, end=end, fraction=fraction, basis=EVENLY, held=1, of=len(everybody))
    in_use = {device for s in everybody for device in s.devices or ()}
    holders = {d: sum(d in (s.devices or ()) for s in everybody) for d in in_use}
    held = sum((Fraction(1, holders[d]) for d in set(stay.devices or ())), Fraction(0))
    return MachineShare(
        start=start, end=end, fraction=held / len(in_use), basis=BY_DEVICE, held=float(held), of=len(in_use)
    )
