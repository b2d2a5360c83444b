"""``shoestring shadow``: what a policy would have done beside a job that runs elsewhere, and what that would cost.

The policy is asked and obeyed on replayed prices only: nothing is launched. The job elsewhere is known by its bill
alone, so its cost is what it was told to pay an hour, for as long as the work takes there without a break.
"""

from dataclasses import dataclass

from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.policies.base import Policy
from shoestring.sim.known import KnownJob, KnownWindow, Played
from shoestring.sim.replay import play
from shoestring.workflows.simulate import window_optimum_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The job that really ran. ``usd``: its bill; ``hours``: how long it took."""

    usd: float
    hours: float
    method: str

    def spent_usd(self, at_h: float) -> float:
        """Its cost so far, evenly spread over its time."""
        return self.usd * min(at_h / self.hours, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What the policy would have done (``played.turns``) beside what was really paid.

    Attributes:
        saved_usd: of the real bill; negative when the policy would have paid more.
    """

    played: Played
    elsewhere: Elsewhere
    optimum_usd: float

    @property
    def saved_usd(self) -> float:
        return self.elsewhere.usd - self.played.cost_usd


def uninterrupted(window: KnownWindow, job: KnownJob) -> Elsewhere:
    """The usual job elsewhere: on-demand from the first moment to the end, billed by the second."""
    hours = (job.work_s + job.restart_s) / SECONDS_PER_HOUR
    return Elsewhere(
        usd=hours * window.on_demand_usd_per_hour * job.nodes,
        hours=hours,
        method="on-demand without a break, by the second",
    )


def billed(usd: float, job: KnownJob, hours: float | None = None) -> Elsewhere:
    """A job elsewhere with a bill that is known.

    Args:
        hours: how long it took; None: its work and one start.
    """
    took_h = (job.work_s + job.restart_s) / SECONDS_PER_HOUR if hours is None else hours
    return Elsewhere(usd=usd, hours=took_h, method="the bill as given")


def shadow(window: KnownWindow, job: KnownJob, policy: Policy, elsewhere: Elsewhere) -> Shadow:
    """The policy watches the window from its first row on, and would run the job from its submission."""
    return Shadow(
        played=play(window, job, policy, record=True),
        elsewhere=elsewhere,
        optimum_usd=window_optimum_usd(window, job),
    )
