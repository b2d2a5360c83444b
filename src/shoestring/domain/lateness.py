"""Lateness: by how much a run missed its deadline, and who or what it is owed to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class LateCause(StrEnum):
    """What went beyond the bounds that the deadline's guarantee states. POLICY: nothing did."""

    POLICY = "policy"  # within the bounds, and late all the same
    CAPACITY = "capacity"  # guaranteed capacity was refused, slow, or taken back
    SUPERVISOR = "supervisor"  # nobody looked, or the engine could not be reached
    JOB = "job"  # more work or longer saves than known, or failures of its own code
    ASKED = "asked"  # a deadline that could not be met, or a run that people or budgets stopped


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """How late a run is, in seconds, and why.

    Attributes:
        cause: what the most time is owed to. seconds: found beyond the bounds, by cause; they need not sum to
            ``late_s``, because slack takes up a part of them.
        text: one sentence for people.
    """

    late_s: float
    cause: LateCause
    text: str
    seconds: Mapping[LateCause, float] = field(default_factory=dict)
