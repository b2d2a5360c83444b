"""What a live shadow watches: a rehearsal market's file, or the catalog with its live prices, cache and price sheet."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shoestring.app.config import Settings
from shoestring.app.planning import account_for, prices_in_use, profile_of
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from shoestring.domain.offer import Offer
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Workload, work_hours
from shoestring.executors.clock import REAL_TIME, MarketClock
from shoestring.executors.marketfile import load_market
from shoestring.executors.rehearsal import START, RehearsalMarket
from shoestring.ports import PriceSource
from shoestring.workflows.shadow_job import offers_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A market that can be asked again and again, its clock, and the job's hours by accelerator."""

    workload: Workload
    source: PriceSource
    clock: MarketClock
    offers: tuple[Offer, ...]
    hours: Mapping[str, float]
    tells_capacity: bool


@dataclass(slots=True)
class MarketFileSource:
    """ports.PriceSource: a rehearsal market; a file that has changed is read again, its clock goes on."""

    path: Path
    clock: MarketClock
    _stamp: int = -1
    _market: RehearsalMarket | None = None

    def offers(self) -> tuple[Offer, ...]:
        try:
            stamp = self.path.stat().st_mtime_ns
        except OSError as error:
            raise ExecutorUnavailable(f"{self.path}: {error.strerror or error}") from None
        if self._market is None or stamp != self._stamp:
            market = load_market(self.path).model_copy(update={"start_real_s": 0.0})  # nothing is started
            self._market = RehearsalMarket(market=market, clock=self.clock)
            self._stamp = stamp
        return self._market.offers(time.time())


@dataclass(frozen=True, slots=True)
class CatalogSource:
    """ports.PriceSource: the catalog under everything newer that lies here now, read anew at each look."""

    workload: Workload
    settings: Settings
    all_clouds: bool

    def offers(self) -> tuple[Offer, ...]:
        catalog, _ = prices_in_use(self.settings)
        account, _ = account_for(self.workload, self.settings, catalog, all_clouds=self.all_clouds)
        return offers_for(
            self.workload,
            catalog,
            account,
            profile_of(self.workload),
            now=datetime.now(UTC),
            all_of_them=True,
        )[1]


def market_file(
    path: Path, workload: Workload, work_s: float | None, *, real_start: float | None = None
) -> Watched:
    """A rehearsal market.

    Args:
        real_start: when its clock began, in seconds since the epoch; None: it begins now.

    Raises:
        BadInput: no such market, or work that is unknown on its machine.
    """
    market = load_market(path)
    began = time.time() if real_start is None else real_start
    clock = MarketClock(real_start=began, start=START, scale=market.scale)
    hours = work_hours(workload.work, market.accelerator or "cpu")
    if work_s is not None:
        hours = work_s / SECONDS_PER_HOUR
    if hours is None:
        raise BadInput(
            f"{workload.name}: how long the work takes on {market.accelerator or 'cpu'} is unknown",
            next_step="give --work 48h, or `work:` in the file (shoestring probe measures it)",
        )
    source = MarketFileSource(path, clock)
    return Watched(
        workload=workload,
        source=source,
        clock=clock,
        offers=source.offers(),
        hours={market.accelerator or "cpu": hours},
        tells_capacity=True,
    )


def catalog_prices(workload: Workload, settings: Settings, *, all_clouds: bool) -> Watched:
    """The offers that are cheapest to finish the job on now. The catalog rarely knows whether spot is to be had."""
    source = CatalogSource(workload, settings, all_clouds)
    catalog, _ = prices_in_use(settings)
    account, _ = account_for(workload, settings, catalog, all_clouds=all_clouds)
    job, offers, hours = offers_for(workload, catalog, account, profile_of(workload), now=datetime.now(UTC))
    return Watched(
        workload=job, source=source, clock=REAL_TIME, offers=offers, hours=hours, tells_capacity=False
    )
