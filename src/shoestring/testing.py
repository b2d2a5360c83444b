"""Fakes and builders for tests, ours and those of plug-in authors. Nothing here touches the world."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shoestring.domain.facts import RunSubmitted
from shoestring.domain.offer import BillingRule, Market, Offer, Price
from shoestring.domain.workload import Backend, ResourceRequest, Steps, Workload
from shoestring.policies.base import Policy
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.ports import Executor, Journal
from shoestring.sim.clock import EPOCH, SimClock
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob
from shoestring.sim.zones import SpotZone, SteadyZone, Zone
from shoestring.store.memory import MemoryJournal
from shoestring.supervisor import Options, RunBook, Supervisor

HOUR = 3600.0


def an_offer(zone: str = "us-east-1a", market: Market = Market.SPOT, usd: str = "1.00", **more: Any) -> Offer:
    """A plain offer of the simulated engine: one CPU machine in a zone."""
    base = Offer(
        id=f"sim/{zone}/{market}",
        executor="sim",
        provider="sim",
        region=zone.rstrip("abcdef"),
        zone=zone,
        market=market,
        instance_type="c.1x",
        price=Price(usd_per_hour=Decimal(usd), source="test", as_of=datetime(2026, 1, 1, tzinfo=UTC)),
        backend=Backend.CPU,
        boot_s=180.0,
        billing=BillingRule(granularity_s=1, minimum_s=60),
    )
    return replace(base, **more)


def a_workload(**more: Any) -> Workload:
    """A job of 10 hours on one CPU machine, with no deadline."""
    fields: dict[str, Any] = {
        "name": "job",
        "run": "train",
        "resources": (ResourceRequest(),),
        "work": Steps(steps=36_000, steps_per_s={"cpu": 1.0}),
        "backend": Backend.CPU,
    }
    return Workload(**(fields | more))


def submit(journal: Journal, workload: Workload, run_id: str = "run", **more: Any) -> None:
    """Leave a run for the leader, resume proven unless said otherwise."""
    fields: dict[str, Any] = {
        "run_id": run_id,
        "at": EPOCH,
        "workload": workload,
        "executor": "sim",
        "policy": "uniform_progress",
        "code_sha256": "0" * 64,
        "allow_unproven_resume": True,
    }
    journal.ask(RunSubmitted(**(fields | more)))


def spent_nothing(run: RunBook, now: datetime) -> float:
    """For tests that are not about money."""
    return 0.0


class World:
    """A simulated market with the production supervisor on it; any part can be replaced.

    Args:
        ups: up-intervals of spot, in hours, by zone; every zone also offers on-demand at ``on_demand_usd``.
    """

    def __init__(
        self,
        ups: Mapping[str, Sequence[tuple[float, float]]],
        *,
        spot_usd: str = "1.00",
        on_demand_usd: str = "3.00",
        job: SimJob | None = None,
        policy: Policy | None = None,
        options: Options | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.clock = SimClock()
        offers: list[Offer] = []
        zones: dict[str, Zone] = {}
        for zone, intervals in ups.items():
            spot = an_offer(zone, Market.SPOT, spot_usd)
            on_demand = an_offer(zone, Market.ON_DEMAND, on_demand_usd)
            offers += [spot, on_demand]
            seconds = tuple((a * HOUR, b * HOUR) for a, b in intervals)
            zones[spot.id] = SpotZone(price=Decimal(spot_usd), ups=seconds)
            zones[on_demand.id] = SteadyZone(price=Decimal(on_demand_usd))
        self.job = job or SimJob(steps=36_000, steps_per_s={"cpu": 1.0})
        self.engine = SimExecutor(self.clock, offers, zones, self.job)
        self.executor: Executor = self.engine
        self.journal: Journal = journal or MemoryJournal()
        self.policy: Policy = policy or UniformProgress()
        self.options = options or Options(tick_s=60.0)

    def supervisor(self, holder: str = "test") -> Supervisor:
        """A new leader over the same journal and engine, as after a crash."""
        lease = self.journal.acquire(holder, ttl_s=3600.0)
        assert lease is not None, "another test supervisor still leads"
        return Supervisor(
            journal=self.journal,
            executors={"sim": self.executor},
            policy=self.policy,
            clock=self.clock,
            lease=lease,
            spent_usd=spent_nothing,
            options=self.options,
        )

    def run(self, workload: Workload | Iterable[Workload], *, max_hours: float = 400.0) -> Supervisor:
        """Submit and supervise to the end (bounded); the supervisor, for its book."""
        jobs = [workload] if isinstance(workload, Workload) else list(workload)
        for number, job in enumerate(jobs):
            submit(self.journal, job, run_id=f"run{number or ''}")
        supervisor = self.supervisor()
        supervisor.run(max_ticks=int(max_hours * HOUR / self.options.tick_s))
        return supervisor
