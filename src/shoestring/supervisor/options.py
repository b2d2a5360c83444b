"""Limits of the loop, and what one round of it reports."""

from dataclasses import dataclass, field
from datetime import datetime

from shoestring.domain.fleet import Action, FleetView
from shoestring.supervisor.view import Assumptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Limits of the loop, in the fleet's seconds unless said otherwise.

    Attributes:
        tick_s: time between two looks. lease_s: real seconds a lease holds.
        grace_s: time a job gets to save and stop before it is killed.
        hang_s: without a heartbeat for so long, a job that did beat counts as hung; None never.
        linger_s: a node without a supervisor stops itself so long after its job's end.
        failures_max: hangs and crashes tolerated where the job file does not say.
        backoff_s: first pause after a failure or a refused launch; it doubles up to backoff_max_s.
        sweep_s: time between two orphan sweeps. orphan_grace_s: age from which an orphan is ended.
        heartbeat_s: a live attempt's progress is journaled at least so often.
        visible_s: a launch may take so long to show in the engine's list; 0 where it shows at once.
    """

    tick_s: float = 10.0
    lease_s: float = 10.0
    grace_s: float = 120.0
    hang_s: float | None = 1800.0
    linger_s: float = 600.0
    failures_max: int = 3
    backoff_s: float = 30.0
    backoff_max_s: float = 1800.0
    sweep_s: float = 120.0
    orphan_grace_s: float = 30.0
    heartbeat_s: float = 600.0
    visible_s: float = 120.0
    checkpoint_interval_s: float | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)

    @property
    def retry_s(self) -> float:
        """The longest pause after a refusal of guaranteed capacity that a deadline's guarantee allows for."""
        return self.assumptions.bounds.retry_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TickReport:
    """What a tick saw and did, for whoever shows it. ``decisions`` counts runs that were decided on."""

    now: datetime
    view: FleetView
    actions: tuple[Action, ...]
    decisions: int
    finished: bool
