"""The rehearsal market as a function of its file and of time: luck, losses, prices and books."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.errors import BadInput, NoCapacity
from shoestring.domain.offer import Market
from shoestring.executors.book import InstanceBook
from shoestring.executors.clock import MarketClock
from shoestring.executors.marketfile import BUILT_IN, BillingFile, MarketFile, ZoneFile
from shoestring.executors.neighbor import Terms
from shoestring.executors.rehearsal import START, RehearsalMarket, create_rehearsal, open_rehearsal
from shoestring.ports import JobSpec
from shoestring.testing import a_workload

REAL = 0.0  # where floats are exact: near 1.8e9 a market at scale 60 is 14 microseconds coarse
SPOT, ON_DEMAND = "rehearsal/eu-west-1a/spot", "rehearsal/eu-west-1a/on_demand"


def a_market(zone: dict[str, Any] | None = None, **fields: Any) -> RehearsalMarket:
    """One zone whose clock has begun at REAL; a real second is a minute of the market."""
    given: dict[str, Any] = {"region": "eu-west-1", "spot": 0.36, "on_demand": 1.2, "starts_up": True}
    market = MarketFile(scale=60.0, zones={"eu-west-1a": ZoneFile(**(given | (zone or {})))}, **fields)
    return RehearsalMarket(market=market, clock=MarketClock(real_start=REAL, start=START, scale=60.0))


def traced(tmp_path: Path, states: list[int], *, gap_s: float = 600.0, prices: Any = None) -> dict[str, Any]:
    path = tmp_path / "zone.json"
    path.write_text(json.dumps({"metadata": {"gap_seconds": gap_s}, "data": states, "prices": prices}))
    return {"trace": path}


def a_launch(market: RehearsalMarket, token: str = "run-1", kind: Market = Market.SPOT) -> JobSpec:
    offer = next(o for o in market.offers(REAL) if o.market is kind)
    return JobSpec(
        run_id="run", attempt_id=token, attempt_number=1, token=token, epoch=1,
        workload=a_workload(), offer=offer,
    )  # fmt: skip


def terms_of(market: RehearsalMarket, count: int) -> list[Terms | None]:
    """What so many launches at the market's beginning got; None: refused."""
    found: list[Terms | None] = []
    for number in range(count):
        try:
            found.append(market.admit(a_launch(market, f"run-{number}"), REAL, 0))
        except NoCapacity:
            found.append(None)
    return found


# -- luck -------------------------------------------------------------------------------------------------------


def test_shares_of_bad_luck_are_met_and_the_same_token_always_has_the_same_luck() -> None:
    market = a_market(
        launch_failure_share=0.3, no_notice_share=0.4, slow_boot_share=0.2, boot_s=100.0, notice_real_s=0.0
    )
    launches = terms_of(market, 2000)
    granted = [t for t in launches if t is not None]

    assert launches.count(None) / 2000 == pytest.approx(0.3, abs=0.04)
    assert sum(t.notice_s is None for t in granted) / len(granted) == pytest.approx(0.4, abs=0.05)
    slow = [t for t in granted if t.boot_s * 60.0 > 200]
    assert len(slow) / len(granted) == pytest.approx(0.2, abs=0.04)
    assert all(80 <= t.boot_s * 60.0 <= 120 or 240 <= t.boot_s * 60.0 <= 360 for t in granted)
    assert terms_of(market, 200) == launches[:200]


def test_a_warning_is_never_shorter_than_processes_need() -> None:
    (terms,) = terms_of(a_market(notice_s=30.0, notice_real_s=2.0, no_notice_share=0.0), 1)

    assert terms is not None and terms.notice_s == 2.0, "30 s of the market would be half a second here"


def test_a_full_zone_refuses_and_names_how_many_it_has() -> None:
    market = a_market({"capacity": 2})

    market.admit(a_launch(market), REAL, 1)
    with pytest.raises(NoCapacity, match="all 2 instances"):
        market.admit(a_launch(market), REAL, 2)


def test_an_offer_of_another_market_is_bad_input() -> None:
    market = a_market()
    foreign = replace(a_launch(market), offer=replace(a_launch(market).offer, zone="mars-1a"))

    with pytest.raises(BadInput, match="no offer of this market"):
        market.admit(foreign, REAL, 0)


# -- losses -----------------------------------------------------------------------------------------------------


def test_spot_is_taken_back_when_its_zone_goes_down_and_on_demand_never(tmp_path: Path) -> None:
    market = a_market(traced(tmp_path, [1, 1, 1, 0]))

    spot = market.admit(a_launch(market), REAL + 1.0, 0)
    on_demand = market.admit(a_launch(market, kind=Market.ON_DEMAND), REAL + 1.0, 0)
    assert spot.lost_at == REAL + 30.0, "1,800 s of the market"
    assert on_demand.lost_at is None


def test_no_spot_while_the_zone_is_down(tmp_path: Path) -> None:
    market = a_market(traced(tmp_path, [1, 0]))
    launch = a_launch(market)

    with pytest.raises(NoCapacity, match="no spot capacity"):
        market.admit(launch, REAL + 15.0, 0)
    spot, on_demand = market.offers(REAL + 15.0)
    assert (spot.available, on_demand.available) == (False, True)


# -- prices -----------------------------------------------------------------------------------------------------


def test_a_recorded_price_goes_before_the_files_and_sells_spot_by_itself(tmp_path: Path) -> None:
    market = a_market({**traced(tmp_path, [1, 1], prices=[0.5, 0.75]), "spot": None})
    spot, _ = market.offers(REAL + 11.0)

    assert spot.price.usd_per_hour == Decimal("0.75")
    assert spot.price.as_of == START + timedelta(seconds=600)


def test_a_recording_without_prices_takes_the_files(tmp_path: Path) -> None:
    assert a_market(traced(tmp_path, [1, 1])).offers(REAL)[0].price.usd_per_hour == Decimal("0.36")


def test_price_spans_cover_a_life_without_gaps_and_each_holds_one_price(tmp_path: Path) -> None:
    market = a_market(traced(tmp_path, [1, 1, 1], prices=[0.3, 0.3, 0.6]))
    spans = market.price_spans(SPOT, REAL + 5.0, REAL + 45.0)  # 300 s to 2,700 s of the market

    assert [(s.start, s.end) for s in spans] == [
        (START + timedelta(seconds=300), START + timedelta(seconds=1200)),
        (START + timedelta(seconds=1200), START + timedelta(seconds=1800)),
        (START + timedelta(seconds=1800), START + timedelta(seconds=2700)),
    ]
    assert [s.price.usd_per_hour for s in spans] == [Decimal("0.3"), Decimal("0.6"), Decimal("0.3")]


# -- books ------------------------------------------------------------------------------------------------------


def billed(market: RehearsalMarket, offer: str, used_s: float, why: str = "ended", nodes: int = 1) -> Decimal:
    book = InstanceBook(launched=REAL, terminated=REAL + used_s / 60.0, why=why)
    lines = market.bill(
        "t", {"offer_id": offer, "nodes": nodes}, book, real=REAL + 1e6, fetched_gib=Decimal(0)
    )
    return sum((line.amount_usd for line in lines), Decimal(0))


@given(seconds=st.integers(1, 5400), prices=st.lists(st.sampled_from([0.3, 0.41]), min_size=1, max_size=6))
def test_spot_costs_each_second_at_the_price_in_force_counted_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, seconds: int, prices: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("zone")
    market = a_market(traced(folder, [1] * len(prices), prices=prices))
    last = prices[((seconds - 1) // 600) % len(prices)]
    one_by_one = sum(Decimal(str(prices[(s // 600) % len(prices)])) for s in range(seconds))
    rounding = max(0, 60 - seconds) * Decimal(str(last))

    assert billed(market, SPOT, seconds) == pytest.approx(
        (one_by_one + rounding) / 3600, abs=Decimal("1e-12")
    )


@pytest.mark.parametrize(
    ("used_s", "why", "hours"),
    [
        (3599, "interrupted", 0),
        (3600, "interrupted", 1),
        (1800, "cancelled", Decimal("0.5")),
        (1, "ended", Decimal(1) / 60),
        (7200, "lost", 2),
    ],
)
def test_spot_is_free_only_when_taken_back_in_its_first_hour(used_s: float, why: str, hours: Decimal) -> None:
    market = a_market({"price_drift": 0.0})

    assert billed(market, SPOT, used_s, why) == pytest.approx(Decimal("0.36") * hours)


def test_on_demand_is_never_free_and_a_gang_pays_for_each_node() -> None:
    assert billed(a_market(), ON_DEMAND, 1800, "interrupted", nodes=3) == Decimal("1.8")


def test_each_provider_bills_by_its_own_rule() -> None:
    hourly = BillingFile(granularity_s=3600, minimum_s=3600, free_if_interrupted_within_s=None)
    market = a_market({"provider": "old", "price_drift": 0.0}, providers={"old": hourly})
    spot, _ = market.offers(REAL)

    assert spot.billing.granularity_s == 3600 and spot.billing.free_if_interrupted_within_s is None
    assert billed(market, SPOT, 3601, "interrupted") == Decimal("0.72")
    assert billed(a_market({"price_drift": 0.0}, providers={"other": hourly}), SPOT, 3601) < Decimal("0.37")


def test_checkpoints_from_another_region_cost_egress() -> None:
    book = InstanceBook(launched=REAL, terminated=REAL + 60.0, why="ended")
    order = {"offer_id": SPOT, "nodes": 1}
    lines = a_market(egress_usd_per_gib=0.02).bill("t", order, book, real=0.0, fetched_gib=Decimal(5))

    assert [(line.kind, line.amount_usd) for line in lines if line.kind == "egress"] == [
        ("egress", Decimal("0.10"))
    ]


# -- the folder -------------------------------------------------------------------------------------------------


def test_a_market_that_is_opened_again_is_the_same_market(tmp_path: Path) -> None:
    create_rehearsal(tmp_path / "market", BUILT_IN)
    one, two = open_rehearsal(tmp_path / "market"), open_rehearsal(tmp_path / "market")

    assert one.clock == two.clock
    moment = one.clock.real(90_000.0)
    assert one._neighbor.offers(moment) == two._neighbor.offers(moment)


def test_changing_a_trace_later_changes_nothing_that_was_billed(tmp_path: Path) -> None:
    zone = traced(tmp_path, [1, 1], prices=[0.3, 0.4])
    create_rehearsal(tmp_path / "market", a_market(zone).market)
    zone["trace"].write_text("gone")

    (spot, _) = open_rehearsal(tmp_path / "market").offers()
    assert spot.price.usd_per_hour in (Decimal("0.3"), Decimal("0.4"))


def test_a_folder_without_a_market_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no rehearsal market"):
        open_rehearsal(tmp_path)


def test_real_and_market_time_go_into_each_other() -> None:
    clock = MarketClock(real_start=REAL, start=START, scale=360.0)

    assert clock.at(REAL + 10.0) == datetime(2026, 1, 5, 1, tzinfo=UTC)
    assert clock.elapsed_s(REAL + 10.0) == 3600.0 and clock.real(3600.0) == REAL + 10.0
