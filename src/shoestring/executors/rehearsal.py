"""The rehearsal market: spot on this machine. A pure function of its file and of time, plus a folder.

Zones live by traces; an instance is a process group that boots, gets notices and is taken back. Prices,
losses and bills follow from the traces and the clock alone, so they survive any crash and need no daemon.
"""

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput, NoCapacity
from shoestring.domain.offer import BillingRule, Market, Offer, Price, PriceKind
from shoestring.domain.run import PriceSpan
from shoestring.domain.workload import Backend
from shoestring.executors.book import InstanceBook
from shoestring.executors.clock import MarketClock
from shoestring.executors.marketfile import MarketFile, ZoneFile, traces_in
from shoestring.executors.neighbor import Terms
from shoestring.executors.processes import ProcessExecutor
from shoestring.market.generate import generate
from shoestring.market.traces import Trace, parse_availability, parse_prices
from shoestring.ports import BillLine, Capabilities, JobSpec
from shoestring.training.spool import read_json, replace_json

MARKET_FILE = "market.json"
START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday; a market's clock begins here
TRACE_BYTES_MAX = 256 << 20


def open_rehearsal(folder: Path) -> ProcessExecutor:
    """The market of a folder that :func:`create_rehearsal` has made. Raises BadInput if there is none."""
    data = read_json(folder / MARKET_FILE)
    if data is None:
        raise BadInput(f"{folder} holds no rehearsal market", next_step="shoestring run --executor rehearsal")
    market = traces_in(MarketFile.model_validate(data["market"]), folder)
    clock = MarketClock(real_start=data["real_start"], start=START, scale=market.scale)
    return ProcessExecutor(folder, RehearsalMarket(market=market, clock=clock))


def create_rehearsal(folder: Path, market: MarketFile) -> None:
    """Make a market whose clock begins now.

    Its traces are read once, so a bad one is refused here, and copied: what has been billed must not change
    when somebody changes a file.
    """
    RehearsalMarket(market=market, clock=MarketClock(real_start=0.0, start=START, scale=market.scale))
    (folder / "instances").mkdir(parents=True, mode=0o700)
    zones = dict(market.zones)
    for number, (name, zone) in enumerate(market.zones.items()):
        if zone.trace is not None:
            copy = f"trace-{number}{zone.trace.suffix}"
            shutil.copyfile(zone.trace, folder / copy)
            zones[name] = zone.model_copy(update={"trace": Path(copy)})
    own = market.model_copy(update={"zones": zones})
    replace_json(
        folder / MARKET_FILE,
        {"real_start": time.time(), "market": own.model_dump(mode="json")},
        durable=True,
    )


@dataclass(frozen=True, kw_only=True)
class RehearsalMarket:
    """Neighbor of ProcessExecutor: terms, prices and books from the traces."""

    market: MarketFile
    clock: MarketClock
    name: str = "rehearsal"
    traces: Mapping[str, Trace] = field(init=False)

    def __post_init__(self) -> None:
        traces = {name: _trace(name, zone, self.market) for name, zone in self.market.zones.items()}
        object.__setattr__(self, "traces", traces)

    @property
    def machine_id(self) -> None:
        """Each instance is a machine of its own on this market."""
        return None

    def capabilities(self) -> Capabilities:
        return Capabilities(tokens=True, notice_s=self.market.notice_s, gang=True, accounting=True)

    def offers(self, real: float) -> tuple[Offer, ...]:
        found = []
        for name, zone in self.market.zones.items():
            recorded = zone.trace is not None and self.traces[name].price_usd_per_hour is not None
            for market, sold in (
                (Market.SPOT, zone.spot is not None or recorded),
                (Market.ON_DEMAND, zone.on_demand is not None),
            ):
                if sold:
                    found.append(self._offer(name, zone, market, self.clock.elapsed_s(real)))
        return tuple(found)

    def admit(self, spec: JobSpec, real: float, alive: int) -> Terms:
        zone_name = spec.offer.zone
        if spec.offer.executor != self.name or zone_name is None or zone_name not in self.market.zones:
            raise BadInput(
                f"{spec.offer.id} is no offer of this market", next_step="ask for its offers again"
            )
        zone, trace = self.market.zones[zone_name], self.traces[zone_name]
        at_s, chance = self.clock.elapsed_s(real), _chances(self.market.seed, spec.token)
        spot = spec.offer.market is Market.SPOT
        if spot and not trace.up(at_s):
            raise NoCapacity(f"{zone_name}: no spot capacity now")
        if zone.capacity is not None and alive >= zone.capacity:
            raise NoCapacity(f"{zone_name}: all {zone.capacity} instances are in use")
        if chance["failure"] < self.market.launch_failure_share:
            raise NoCapacity(f"{zone_name}: the launch failed")
        slow = 3.0 if chance["slow"] < self.market.slow_boot_share else 1.0
        boot_s = self.market.boot_s * slow * (0.8 + 0.4 * chance["boot"]) / self.clock.scale
        loss_s = trace.next_loss_s(at_s) if spot else float("inf")
        warned = chance["notice"] >= self.market.no_notice_share and self.market.notice_s > 0
        notice_s = max(self.market.notice_s / self.clock.scale, self.market.notice_real_s)
        return Terms(
            boot_s=boot_s,
            lost_at=None if loss_s == float("inf") else self.clock.real(loss_s),
            notice_s=notice_s if warned else None,
            notice_poll_s=max(0.1, min(5.0, notice_s / 8)),
        )

    def price_spans(self, offer_id: str, start: float, end: float | None) -> tuple[PriceSpan, ...]:
        name, market = _parse(offer_id)
        zone, at_s = self.market.zones[name], self.clock.elapsed_s(start)
        until_s = self.clock.elapsed_s(time.time() if end is None else end)
        spans: list[PriceSpan] = []
        spot = market is Market.SPOT
        while True:
            change_s = self.traces[name].next_price_change_s(at_s) if spot else float("inf")
            last = change_s >= until_s
            span_end = (None if end is None else self.clock.at(end)) if last else self._moment(change_s)
            price = self._price(name, zone, market, at_s)
            spans.append(PriceSpan(start=self._moment(at_s), end=span_end, price=price))
            if last:
                return tuple(spans)
            at_s = change_s

    def bill(
        self, token: str, order: Mapping[str, Any], book: InstanceBook, *, real: float, fetched_gib: Decimal
    ) -> list[BillLine]:
        """The market's own books: arithmetic apart from the ledger's, so that each can check the other."""
        assert book.launched is not None
        name, market = _parse(order["offer_id"])
        end = real if book.terminated is None else book.terminated
        start, until = self.clock.at(book.launched), self.clock.at(end)
        used_us = (until - start) // timedelta(microseconds=1)
        free_s = self.market.billing_of(self.market.zones[name]).free_if_interrupted_within_s or 0
        free = market is Market.SPOT and book.why == "interrupted" and used_us < free_s * 1_000_000
        amount = Decimal(0) if free else self._compute_usd(name, market, book.launched, used_us)
        egress = fetched_gib * Decimal(str(self.market.egress_usd_per_gib))
        amounts = {"compute": amount * int(order["nodes"]), "egress": egress}
        return [
            BillLine(token=token, kind=kind, start=start, end=until, amount_usd=usd)
            for kind, usd in amounts.items()
            if kind == "compute" or usd
        ]

    def _compute_usd(self, name: str, market: Market, launched: float, used_us: int) -> Decimal:
        """Billable seconds, each at the price in force in it; what rounding adds, at the last price."""
        zone = self.market.zones[name]
        rule = self.market.billing_of(zone)
        start_us = round(self.clock.elapsed_s(launched) * 1_000_000)
        step_us = rule.granularity_s * 1_000_000
        billed_us = -(-max(used_us, rule.minimum_s * 1_000_000) // step_us) * step_us
        total, at_us, end_us = Decimal(0), start_us, start_us + billed_us
        real_end_us = start_us + used_us
        while at_us < end_us:
            change = float("inf")
            if market is Market.SPOT:
                change = self.traces[name].next_price_change_s(at_us / 1e6)
            until_us = end_us if change * 1e6 >= real_end_us else round(change * 1e6)
            usd = self._price(name, zone, market, at_us / 1e6).usd_per_hour
            assert usd is not None
            total += usd * (until_us - at_us) / 3_600_000_000
            at_us = until_us
        return total

    def _offer(self, name: str, zone: ZoneFile, market: Market, at_s: float) -> Offer:
        spot = market is Market.SPOT
        rule = self.market.billing_of(zone)
        return Offer(
            id=f"rehearsal/{name}/{market}",
            executor=self.name,
            provider=zone.provider,
            region=zone.region,
            zone=name,
            market=market,
            instance_type=self.market.instance_type,
            price=self._price(name, zone, market, at_s),
            accelerator=self.market.accelerator,
            accelerator_count=self.market.accelerator_count,
            vcpus=self.market.vcpus,
            memory_gib=self.market.memory_gib,
            backend=Backend(self.market.backend),
            billing=BillingRule(
                granularity_s=rule.granularity_s,
                minimum_s=rule.minimum_s,
                free_if_interrupted_within_s=rule.free_if_interrupted_within_s if spot else None,
            ),
            boot_s=self.market.boot_s + self.market.start_real_s * self.clock.scale,
            notice_s=self.market.notice_s if spot else None,
            available=self.traces[name].up(at_s) if spot else True,
            p_capacity=1 - self.market.launch_failure_share if self.market.launch_failure_share else None,
        )

    def _price(self, name: str, zone: ZoneFile, market: Market, at_s: float) -> Price:
        trace = self.traces[name]
        usd = zone.on_demand
        as_of = self.clock.start
        if market is Market.SPOT:
            usd = trace.price(at_s)
            usd = zone.spot if usd is None else usd
            as_of = self._moment(at_s - at_s % trace.gap_s)
        return Price(
            usd_per_hour=Decimal(str(usd)),
            source=f"rehearsal market ({trace.source})",
            as_of=as_of,
            kind=PriceKind.OBSERVED if market is Market.SPOT else PriceKind.LIST,
        )

    def _moment(self, at_s: float) -> datetime:
        return self.clock.at(self.clock.real(at_s))


def _trace(name: str, zone: ZoneFile, market: MarketFile) -> Trace:
    if zone.trace is None:
        price = zone.spot if zone.spot is not None else (zone.on_demand or 0.0)
        return generate(
            name,
            seed=market.seed,
            hours=market.hours,
            spot_usd_per_hour=price,
            shape=zone.shape,
            starts_up=zone.starts_up,
        )
    try:
        if zone.trace.stat().st_size > TRACE_BYTES_MAX:
            raise BadInput(f"{zone.trace}: over {TRACE_BYTES_MAX >> 20} MiB", next_step="cut the trace")
        text = zone.trace.read_text(encoding="utf-8")
        return (parse_prices if zone.trace.suffix == ".csv" else parse_availability)(text, name)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{zone.trace}: {error}", next_step=f"mend zones.{name}.trace") from None
    except ValueError as error:
        raise BadInput(f"{zone.trace}: {error}", next_step=f"mend zones.{name}.trace") from None


def _chances(seed: int, token: str) -> dict[str, float]:
    """Numbers in [0, 1) that a launch's luck depends on: the same token always has the same luck."""
    names = ("failure", "slow", "boot", "notice")
    digest = hashlib.sha256(f"{seed}:{token}".encode()).digest()
    return {n: int.from_bytes(digest[4 * i : 4 * i + 4], "big") / 2**32 for i, n in enumerate(names)}


def _parse(offer_id: str) -> tuple[str, Market]:
    _, zone, market = offer_id.split("/")
    return zone, Market(market)
