"""Wiring: the only place where doors get real neighbors."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from shoestring.app.config import Settings
from shoestring.app.place import home
from shoestring.app.site import Site
from shoestring.domain.errors import BadInput
from shoestring.domain.fleet import Bounds
from shoestring.domain.offer import Offer, Price, PriceKind
from shoestring.executors.clock import MarketClock
from shoestring.executors.local import OwnedMachine, create_local, load_machine, open_local
from shoestring.executors.marketfile import MarketFile, ZoneFile, load_market
from shoestring.executors.processes import ProcessExecutor
from shoestring.executors.rehearsal import START, RehearsalMarket, create_rehearsal, open_rehearsal
from shoestring.ledger.data_prices import NO_DATA_PRICES, DataPrices
from shoestring.ledger.spend import spend_of, spent
from shoestring.policies.base import Policy
from shoestring.policies.best_zone import BestZone
from shoestring.policies.deadline import Deadline
from shoestring.policies.greedy import Greedy
from shoestring.policies.on_demand import OnDemand
from shoestring.policies.spot_failover import SpotFailover
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.ports import Journal
from shoestring.store.journal import SqlJournal
from shoestring.store.records import SqlRecords
from shoestring.supervisor import Options, RunBook
from shoestring.supervisor.view import Assumptions
from shoestring.training.spool import read_json

STAGE = MarketFile(
    scale=1.0,
    hours=24.0,
    boot_s=0.0,
    slow_boot_share=0.0,
    start_real_s=0.0,
    zones={"stage": ZoneFile(region="stage", spot=1.0, starts_up=True, long_up_share=1.0, long_up_h=1e6)},
)
FAST_LOOK_REAL_S = 0.25  # how often a fast market is looked at
GRACE_REAL_S = 10.0  # what a save before a stop may take there
SWEEP_REAL_S = 5.0
SAVE_EVERY_REAL_S = 5.0

POLICIES: dict[str, Callable[[], Policy]] = {
    "deadline": Deadline,
    "uniform_progress": UniformProgress,
    "uniform_progress_eager": lambda: UniformProgress(hysteresis=False, name="uniform_progress_eager"),
}
BASELINES: dict[str, Callable[[], Policy]] = {  # to compare with; `shoestring simulate` plays them all
    "best_zone": BestZone,
    "greedy": Greedy,
    "on_demand": OnDemand,
    "spot_failover": SpotFailover,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """The real neighbors of one site."""

    journal: Journal
    executor: ProcessExecutor
    clock: MarketClock
    policy: Policy
    options: Options
    data_prices: DataPrices

    def spent_usd(self, run: RunBook, now: datetime) -> float:
        """What a run has cost until ``now``, in float dollars; use without a price is left out."""
        workload = run.submitted.workload
        return spent(
            [a.value(run.run_id) for a in run.attempts],
            now,
            nodes=workload.num_nodes,
            keep_last=workload.checkpoint.keep_last,
            prices=self.data_prices,
        )

    def storage_usd_per_day(self, run: RunBook) -> float | None:
        """What holding a run's checkpoints costs a day; None if unknown or if there are none."""
        attempts = [a.value(run.run_id) for a in run.attempts]
        keep = run.submitted.workload.checkpoint.keep_last
        daily = spend_of(Decimal(0), attempts, keep_last=keep, prices=self.data_prices).storage_usd_per_day
        return None if daily is None else float(daily)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotes:
    """What an engine offers at a moment of its clock. ``scale``: its seconds in a real one."""

    executor: str
    offers: tuple[Offer, ...]
    now: datetime
    scale: float = 1.0


def records() -> SqlRecords:
    """Profiles of all jobs of this user."""
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqlRecords(home() / "records.db")


def prepare_engine(site: Site) -> None:
    """Make the engine's folder of a new site. Raises BadInput for a bad market or machine file."""
    settings = site.settings
    if settings.executor == "rehearsal":
        create_rehearsal(site.folder / "market", load_market(settings.market))
    elif settings.executor == "local":
        load_machine(settings.machine)
        create_local(site.folder / "machine")
    else:
        raise _unknown_executor(settings.executor)


def open_doors(site: Site) -> Doors:
    """The doors of a site. Raises BadInput when its engine's folder is gone or its settings make no sense."""
    executor = _open_engine(site)
    return Doors(
        journal=SqlJournal(site.journal_place),
        executor=executor,
        clock=executor.clock,
        policy=policy_named(site.settings.policy),
        options=_options(site, executor.clock.scale),
        data_prices=_data_prices(site),
    )


def quotes_of(doors: Doors) -> Quotes:
    """What the engine of a site offers now."""
    return Quotes(
        executor=doors.executor.name,
        offers=doors.executor.offers(),
        now=doors.clock.now(),
        scale=doors.clock.scale,
    )


def quotes_without_a_site(settings: Settings) -> Quotes:
    """What the engine would offer at the start of a run, for a dry run: nothing is made on disk."""
    real = time.time()
    if settings.executor == "rehearsal":
        market = load_market(settings.market)
        clock = MarketClock(real_start=real, start=START, scale=market.scale)
        offers = RehearsalMarket(market=market, clock=clock).offers(real)
        return Quotes(executor="rehearsal", offers=offers, now=clock.at(real), scale=clock.scale)
    if settings.executor == "local":
        machine = OwnedMachine(machine=load_machine(settings.machine))
        return Quotes(executor="local", offers=machine.offers(real), now=machine.clock.at(real))
    raise _unknown_executor(settings.executor)


def policy_named(name: str) -> Policy:
    """A policy by its name. Raises BadInput with the names there are."""
    if name not in POLICIES:
        raise BadInput(f"policy {name!r}: there is no such policy", next_step=f"one of {', '.join(POLICIES)}")
    return POLICIES[name]()


def _open_engine(site: Site) -> ProcessExecutor:
    settings = site.settings
    if settings.executor == "rehearsal":
        return open_rehearsal(site.folder / "market")
    if settings.executor == "local":
        return open_local(site.folder / "machine", load_machine(settings.machine))
    raise _unknown_executor(settings.executor)


def _unknown_executor(name: str) -> BadInput:
    return BadInput(f"executor {name!r}: there is no such executor", next_step="one of local, rehearsal")


def _options(site: Site, scale: float) -> Options:
    """The loop's limits in the fleet's seconds. On a market that runs faster than life, what costs real time
    (starting processes, saving, looking) costs ``scale`` times as much of the market's."""
    settings = site.settings
    look_s = tick_real_s(site.settings, scale) * scale
    bounds = Bounds(boot_s=0.0, launch_retries=1, retry_s=look_s, poll_gap_s=2 * look_s, save_s=2.0 * scale)
    if scale == 1.0:
        bounds = Bounds(poll_gap_s=2 * look_s)
    return Options(
        tick_s=look_s,
        lease_s=settings.lease_real_s,
        grace_s=settings.grace_s if scale == 1.0 else GRACE_REAL_S * scale,
        hang_s=None if settings.hang_s is None else settings.hang_s * scale,
        linger_s=settings.linger_s,
        failures_max=settings.failures_max,
        sweep_s=SWEEP_REAL_S * scale,
        orphan_grace_s=30.0 if scale == 1.0 else 3.0 * scale,
        visible_s=0.0,  # engines of this machine list an instance from the moment they grant it
        checkpoint_interval_s=SAVE_EVERY_REAL_S * scale if scale != 1.0 else 600.0,
        assumptions=Assumptions(bounds=bounds, egress_usd_per_gib=_egress_usd(site)),
    )


def tick_real_s(settings: Settings, scale: float) -> float:
    """Real seconds between two looks: as set, but a fast market is looked at often."""
    return settings.tick_real_s if scale == 1.0 else min(settings.tick_real_s, FAST_LOOK_REAL_S)


def _market_of(site: Site) -> MarketFile | None:
    data = read_json(site.folder / "market" / "market.json")
    return None if data is None else MarketFile.model_validate(data["market"])


def _egress_usd(site: Site) -> dict[tuple[str, str], float]:
    market = _market_of(site)
    regions = sorted({zone.region for zone in market.zones.values()}) if market else []
    rate = market.egress_usd_per_gib if market else 0.0
    return {(a, b): rate for a in regions for b in regions if a != b}


def _data_prices(site: Site) -> DataPrices:
    """Storage and egress prices of the site's engine; an owned machine has none that are known."""
    market = _market_of(site)
    if market is None:
        return NO_DATA_PRICES

    def price(usd: float) -> Price:
        return Price(
            usd_per_hour=Decimal(str(usd)), source="rehearsal market", as_of=START, kind=PriceKind.LIST
        )

    return DataPrices(
        storage={"*": price(market.storage_usd_per_gib_month)},
        egress={("*", "*"): price(market.egress_usd_per_gib)},
    )


def stage_for(settings: Settings, folder: Path) -> ProcessExecutor:
    """The machine, or a rehearsal stage in real time: what is measured there is real either way."""
    if settings.executor == "rehearsal":
        return rehearsal_stage(folder)
    if settings.executor == "local":
        create_local(folder)
        return open_local(folder, load_machine(settings.machine))
    raise _unknown_executor(settings.executor)


def rehearsal_stage(folder: Path) -> ProcessExecutor:
    """A market in real time whose one zone never goes down: losses come from the rehearsal alone."""
    create_rehearsal(folder, STAGE)
    return open_rehearsal(folder)
