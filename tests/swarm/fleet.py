"""One fleet in one weather, from a seed: some jobs, a market of some zones, supervisors that get killed."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shoestring.domain import codec
from shoestring.domain.errors import StaleLeader
from shoestring.domain.facts import Asked, Intended, Observed, StateChanged, SweptOrphan
from shoestring.domain.fleet import Bounds, Launch, Release, Save, Suspend
from shoestring.domain.lateness import Lateness
from shoestring.domain.offer import BillingRule, Market
from shoestring.domain.run import ExitKind
from shoestring.domain.workload import Steps
from shoestring.policies.base import Policy
from shoestring.policies.deadline import Deadline
from shoestring.policies.lateness import lateness
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.sim.executor import SimExecutor
from shoestring.sim.instance import SimJob
from shoestring.supervisor import Options, RunBook, Supervisor, TickReport
from shoestring.supervisor.book import NEVER_LISTED
from shoestring.supervisor.view import Assumptions
from shoestring.testing import HOUR, World, a_workload, submit
from tests.faults.crash import Crash, violations
from tests.swarm.weather import VISIBLE_S, StormyEngine, Weather, WildClock

TICK_S = 120.0
STORM_H = 16.0
CALM_H = 120.0  # within so much calm everything must finish
OPTIONS = Options(
    tick_s=TICK_S, grace_s=60.0, sweep_s=240.0, orphan_grace_s=30.0, visible_s=VISIBLE_S, backoff_s=60.0,
    backoff_max_s=600.0, hang_s=None, assumptions=Assumptions(bounds=Bounds(poll_gap_s=TICK_S)),
)  # fmt: skip
# Tables of the lookahead take most of the time, so it leads fewer of the fleets, and small ones.
POLICIES: tuple[Policy, ...] = (
    *(UniformProgress(),) * 7,
    *(UniformProgress(hysteresis=False, name="uniform_progress_eager"),) * 4,
    Deadline(),
)


@dataclass
class Lived:
    """A fleet's life, and what was met in it."""

    seed: int
    world: World
    supervisor: Supervisor
    weather: Weather
    met: Counter[str]
    run_days: float
    late: tuple[tuple[str, Lateness], ...]


class Killed:
    """A door whose caller may die at any call, before it or after it took effect, or sleep through its lease.

    Args:
        sleep: what goes on while the caller is stopped.
    """

    def __init__(
        self, door: Any, weather: Weather, clock: Any, calls: frozenset[str], sleep: Callable[[], None]
    ) -> None:
        self._door, self._weather, self._clock, self._calls = door, weather, clock, calls
        self._sleep = sleep

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._door, name)
        if name not in self._calls:
            return value

        def call(*given: Any, **named: Any) -> Any:
            if self._weather.strikes("leader paused", self._clock.elapsed_s):
                self._sleep()
            if self._weather.strikes("supervisor killed", self._clock.elapsed_s):
                if self._weather.rng.random() < 0.5:
                    value(*given, **named)
                raise Crash
            return value(*given, **named)

        return call


def live(seed: int, *, mild: bool = False, policy: Policy | None = None) -> Lived:
    """The fleet of this seed from its first submission to its last end.

    Args:
        mild: only what the deadline's bounds allow for, and nobody asks for anything.
        policy: leads it; None leaves that to the seed.
    """
    rng = random.Random(seed)
    world = _world(rng, policy)
    weather = Weather.drawn(rng, STORM_H * HOUR, mild=mild)
    storm = StormyEngine(world.engine, weather)
    journal = world.journal
    met: Counter[str] = Counter()
    throne = Throne(world, weather, WildClock(world.clock, weather), journal, met)
    sleep = throne.sleep_through
    engine_calls, journal_calls = (
        frozenset({"submit", "cancel", "poll", "alive"}),
        frozenset({"append", "take"}),
    )
    world.executor = Killed(storm, weather, world.clock, engine_calls, sleep)  # type: ignore[assignment]
    world.journal = Killed(journal, weather, world.clock, journal_calls, sleep)  # type: ignore[assignment]
    asks = [] if mild else list(_submitted(rng, world, journal))
    if mild:
        _due(rng, world, journal)
    supervisor, days = _supervised(throne, asks)
    world.executor, world.journal = world.engine, journal
    _note_states(world, supervisor, met)
    late = tuple(_late(supervisor, world))
    met.update(f"late by {found.cause}" for _, found in late)
    return Lived(seed, world, supervisor, weather, met, days, late)


def journal_bytes(lived: Lived) -> bytes:
    """The whole journal as text: equal bytes, equal lives."""
    return "\n".join(codec.dumps(entry.fact) for entry in lived.world.journal.read()).encode()


def broken(lived: Lived) -> list[str]:
    """Invariants that this life has broken."""
    found = list(violations(lived.world, lived.supervisor))
    if lived.supervisor.book.given_up and any(
        not a.ended for _, a in lived.supervisor.book.given_up.values()
    ):
        found.append("I1: something that was given up runs on")
    return found


def _world(rng: random.Random, policy: Policy | None) -> World:
    policy = policy or rng.choice(POLICIES)
    most, hours = (2, 4) if isinstance(policy, Deadline) else (4, 12)
    zones = [f"us-{area}-1{letter}" for area in ("east", "west") for letter in "ab"][: rng.randint(1, most)]
    ups = {zone: _ups(rng) for zone in zones}
    job = SimJob(
        steps=int(rng.uniform(2, hours) * HOUR), steps_per_s={"cpu": 1.0}, boot_s=rng.uniform(60, 300),
        save_s=rng.uniform(5, 60), interval_s=rng.choice((300.0, 900.0)),
    )  # fmt: skip
    world = World(ups, job=job, options=OPTIONS, policy=policy, spot_usd=str(rng.choice((1, 2))))
    offers = [_exact(o) for o in world.engine.offers()]
    world.engine = SimExecutor(world.clock, offers, world.engine.zones, job)
    return world


def _exact(offer: Any) -> Any:
    kept = {f: getattr(offer, f) for f in offer.__slots__}
    return type(offer)(**kept | {"billing": BillingRule(granularity_s=1, minimum_s=60)})


def _ups(rng: random.Random) -> list[tuple[float, float]]:
    found, at = [], rng.choice((0.0, rng.uniform(0, 3)))
    while at < STORM_H + CALM_H:
        end = at + rng.choice((rng.uniform(0.05, 1), rng.uniform(1, 12)))
        found.append((at, end))
        at = end + rng.uniform(0.05, 4)
    return found


def _submitted(rng: random.Random, world: World, journal: Any) -> Iterator[tuple[float, Asked]]:
    """Leaves the runs for the leader; what people will ask of them, and when."""
    for number in range(rng.randint(1, 4)):
        run_id = f"run{number}"
        work_s = world.job.steps
        deadline_s = rng.choice((None, work_s * rng.uniform(1.02, 2) + rng.uniform(1, 3) * HOUR))
        budget = Decimal(str(round(work_s / HOUR * rng.uniform(0.2, 2), 2))) if rng.random() < 0.5 else None
        work = Steps(steps=work_s, steps_per_s={"cpu": 1.0})
        submit(journal, a_workload(work=work, deadline_s=deadline_s, budget_usd=budget), run_id=run_id)
        if rng.random() < 0.7:
            what = rng.choice(("cancel", "cancel", "suspend"))
            at_s = rng.uniform(0, STORM_H * HOUR)
            yield at_s, Asked(run_id=run_id, at=world.clock.at(at_s), what=what, user="me")
        rich = Decimal(10**6)
        at_s = STORM_H * HOUR + TICK_S  # whatever was parked goes on once the storm is over
        yield at_s, Asked(run_id=run_id, at=world.clock.at(at_s), what="resume", user="me", budget_usd=rich)


def _due(rng: random.Random, world: World, journal: Any) -> None:
    """Runs that have a deadline and nothing else to stop them."""
    for number in range(rng.randint(1, 4)):
        deadline_s = world.job.steps * rng.uniform(1.02, 2) + rng.uniform(1, 3) * HOUR
        work = Steps(steps=world.job.steps, steps_per_s={"cpu": 1.0})
        submit(journal, a_workload(work=work, deadline_s=deadline_s), run_id=f"run{number}")


class Throne:
    """Who leads: one supervisor at a time, followed by another when it dies, or while it sleeps."""

    def __init__(
        self, world: World, weather: Weather, clock: WildClock, journal: Any, met: Counter[str]
    ) -> None:
        self.world, self.weather, self.clock, self.journal, self.met = world, weather, clock, journal, met
        self.leader: Supervisor | None = None
        self._usurped = False

    def tick(self) -> TickReport | None:
        """One round of whoever leads; None if it died or was fenced in it."""
        try:
            if self.leader is None:
                self.leader = self._crowned()
            mine = self.leader
            mine.lease = self.journal.renew(mine.lease, 3600.0)
            report = mine.tick()
        except Crash:
            self.met["a new leader adopts"] += 1
            self.leader = None
            self.world.clock.sleep(self.weather.rng.choice((0.0, TICK_S, 10 * TICK_S)))
            return None
        except StaleLeader:
            assert self.leader is not mine, "fenced, and nobody else leads"
            self.met["a fenced leader stepped down"] += 1
            return None
        return report if self.leader is mine else None

    def sleep_through(self) -> None:
        """The leader is stopped in the middle of a call; its lease passes, and another one leads meanwhile."""
        if self._usurped or self.leader is None:
            return
        self._usurped = True
        try:
            self.leader = None
            self.leader = self._crowned()
            for _ in range(self.weather.rng.choice((1, 2, 5))):
                self.world.clock.sleep(TICK_S)
                self.leader.lease = self.journal.renew(self.leader.lease, 3600.0)
                self.leader.tick()
        except Crash:
            self.met["a new leader adopts"] += 1
            self.leader = None
        finally:
            self._usurped = False

    def _crowned(self) -> Supervisor:
        supervisor = self.world.supervisor()
        supervisor.clock = self.clock
        world = self.world
        supervisor.spent_usd = lambda run, now: 0.0 if run.budget_usd is None else _billed(world, run)
        return supervisor


def _supervised(throne: Throne, asks: list[tuple[float, Asked]]) -> tuple[Supervisor, float]:
    """The last leader, and days times open runs."""
    clock = throne.world.clock
    asks, run_s = sorted(asks, key=lambda ask: ask[0]), 0.0
    while clock.elapsed_s < (STORM_H + CALM_H) * HOUR:
        while asks and asks[0][0] <= clock.elapsed_s:
            throne.journal.ask(asks.pop(0)[1])
        report = throne.tick()
        if report is None or throne.leader is None:
            continue
        run_s += TICK_S * sum(not run.done for run in throne.leader.book.runs.values())
        if report.finished and not asks and clock.elapsed_s > STORM_H * HOUR:
            break
        clock.sleep(TICK_S)
    assert throne.leader is not None, f"no supervisor lived to the end of {CALM_H} h of calm"
    return throne.leader, run_s / (24 * HOUR)


def _billed(world: World, run: RunBook) -> float:
    tokens = {attempt.token for attempt in run.attempts}
    return float(sum(line.amount_usd for line in world.engine.bill() if line.token in tokens))


def _note_states(world: World, supervisor: Supervisor, met: Counter[str]) -> None:
    """Counts the rare states that this life went through."""
    stopping: set[str] = set()
    given_up: set[str] = set()
    for entry in world.journal.read():
        fact = entry.fact
        if isinstance(fact, Intended):
            met["guard: no later than now"] += fact.action.reason.code == "deadline_guard"
            met["moved a running job"] += isinstance(fact.action, Release)
            met["asked for a save"] += isinstance(fact.action, Save)
            met["suspended for its budget"] += isinstance(fact.action, Suspend)
            if isinstance(fact.action, Launch):
                assert fact.offer is not None
                kind = "spot" if fact.offer.market is Market.SPOT else "guaranteed capacity"
                met[f"launched on {kind}"] += 1
            if isinstance(fact.action, Release | Suspend):
                stopping.add(
                    f"{fact.run_id}-{fact.view.attempt.attempt_id if fact.view and fact.view.attempt else ''}"
                )
        elif isinstance(fact, Observed) and fact.observation.exit is not None:
            if fact.observation.exit.detail == NEVER_LISTED:
                given_up.add(fact.observation.attempt_id)
            elif fact.observation.attempt_id in given_up:
                met["showed after it was given up"] += 1
            met[f"ended as {fact.observation.exit.kind}"] += 1
            if fact.observation.exit.kind is ExitKind.PREEMPTED and any(
                s.endswith(fact.observation.attempt_id) for s in stopping
            ):
                met["preempted while it was stopping"] += 1
        elif isinstance(fact, StateChanged):
            met[f"run {fact.state}"] += 1
        elif isinstance(fact, SweptOrphan):
            met["orphan swept"] += 1
    for run in supervisor.book.runs.values():
        for attempt in run.attempts:
            if attempt.observation.restores:
                met["resumed from a checkpoint"] += 1


def _late(supervisor: Supervisor, world: World) -> Iterator[tuple[str, Lateness]]:
    facts = [entry.fact for entry in world.journal.read()]
    for run_id in supervisor.book.runs:
        found = lateness(facts, run_id, world.clock.now())
        if found is not None:
            yield run_id, found
