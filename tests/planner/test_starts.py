"""Blocks, flexible starts, managed services: given their rules, when planned, then finish, cost and certainty obey."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.catalog.candidates import Account
from shoestring.catalog.layer import Known, Layer, laid
from shoestring.catalog.load import Catalog, embedded
from shoestring.domain.offer import Market, StartRule
from shoestring.domain.plan import Option, Plan
from shoestring.domain.price import PricePoint
from shoestring.domain.workload import AcceleratorRequest, HoursOf, ResourceRequest, Workload
from shoestring.planner.estimate import Terms
from shoestring.planner.screen import Candidates, screen
from shoestring.planner.starts import Start, Starts
from shoestring.workflows.plan import plan

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)  # two hours before blocks start
BLOCK = embedded().start_rules["aws", "capacity_block"]
FLEX = embedded().start_rules["gcp", "flex_start"]


def catalog() -> Catalog:
    """The embedded one, with today's prices of a block and a flexible start, which win over old and inferred ones."""

    def point(provider: str, kind: str, region: str, market: Market, usd: float) -> PricePoint:
        return PricePoint(provider=provider, instance_type=kind, region=region, market=market,
                          usd_per_hour=Decimal(str(usd)), as_of=NOW, source="test")  # fmt: skip

    points = (point("aws", "p5.48xlarge", "us-east-1", Market.CAPACITY_BLOCK, 31.5),
              point("gcp", "a3-highgpu-8g", "us-central1", Market.FLEX_START, 41))  # fmt: skip
    return laid(embedded(), Layer(name="live", points=points), now=NOW)


CATALOG = catalog()


def planned(
    hours: float, *, days: float | None = None, nodes: int = 1, managed: bool = False, kind: str = "H100"
) -> Plan:
    wanted = ResourceRequest(accelerators=(AcceleratorRequest(name=kind, count_min=8, count_max=8),))
    job = Workload(name="sft", run="train", resources=(wanted,), num_nodes=nodes,
                   work=HoursOf(hours=hours, accelerator=kind),
                   deadline_s=None if days is None else days * 86400)  # fmt: skip
    account = Account(enabled=frozenset({"aws", "gcp"}), managed=managed)
    return plan(job, CATALOG, account, now=NOW)


def option(found: Plan, market: Market) -> Option:
    return next(o for o in found.options if o.market == market)


def test_a_block_starts_at_its_hour_and_its_days_are_paid_whole() -> None:
    block = option(planned(30), Market.CAPACITY_BLOCK)

    assert block.expected_finish_h == pytest.approx(2 + 30 + 5 / 60, abs=0.3)
    assert block.expected_cost_usd == block.p90_cost_usd == pytest.approx(48 * 31.5)
    assert {"paid_upfront", "start_assumed"} <= set(block.flags) and "paid whole" in block.reason


def test_a_job_that_hardly_fits_into_a_day_buys_two() -> None:
    """23.4 hours would end before the block's half hour of grace only with luck."""
    assert option(planned(20), Market.CAPACITY_BLOCK).expected_cost_usd == pytest.approx(24 * 31.5)
    assert option(planned(23), Market.CAPACITY_BLOCK).expected_cost_usd == pytest.approx(48 * 31.5)


def test_beyond_two_weeks_blocks_are_sold_by_the_week() -> None:
    assert option(planned(340), Market.CAPACITY_BLOCK).expected_cost_usd == pytest.approx(504 * 31.5)


def test_waiting_for_the_start_counts_for_the_deadline() -> None:
    late = planned(20, days=0.9)  # 21.6 h: in time if it began now

    group = next(r for r in late.rejected if r.group == "deadline")
    assert all(o.market != Market.CAPACITY_BLOCK for o in late.options) and group.count >= 1
    assert option(planned(20, days=2), Market.CAPACITY_BLOCK).p_deadline == 1.0


def test_a_flexible_start_may_take_a_week_and_is_paid_by_use() -> None:
    flex = option(planned(20), Market.FLEX_START)

    assert flex.expected_finish_h == pytest.approx(84 + 20, abs=1)
    assert flex.p90_finish_h == pytest.approx(0.9 * 168 + 20, abs=4)
    assert flex.expected_cost_usd == pytest.approx(20.1 * 41, rel=0.01) and "wait_assumed" in flex.flags


@pytest.mark.parametrize(("days", "sure"), [(4, 0.45), (6, 0.74), (8.5, 1.0)])
def test_a_flexible_start_is_as_sure_as_its_wait_leaves_time(days: float, sure: float) -> None:
    starts = Starts((Start(row=0, rule=FLEX, wait_h=0.0),))
    terms = Terms(deadline_h=days * 24)
    row = columns(20)

    found = starts.over(screen(row, terms), row, terms)

    assert float(found.p_deadline[0]) == pytest.approx(sure, abs=0.03)


def test_a_job_that_runs_longer_than_it_may_is_refused_with_a_way_out() -> None:
    groups = {r.group: r for r in planned(300).rejected}

    assert "168 h at most" in groups["too_long"].reason and groups["too_long"].fix
    assert all(o.market != Market.FLEX_START for o in planned(300).options)


def test_more_machines_than_are_sold_together_are_refused() -> None:
    groups = {r.group: r for r in planned(20, nodes=65).rejected}

    assert "64 instances at most" in groups["too_many"].reason


def test_managed_services_are_only_for_jobs_that_can_be_submitted_there() -> None:
    without, with_it = planned(20, kind="A100"), planned(20, kind="A100", managed=True)

    refusal = next(r for r in without.rejected if r.group == "managed")
    assert refusal.fix and "--managed" in refusal.fix
    assert all(r.group != "managed" for r in with_it.rejected)
    assert any(r.group == "too_long" and "672" in r.reason
               for r in planned(700, kind="A100", managed=True).rejected)  # fmt: skip


def test_old_and_inferred_prices_of_such_markets_never_win_by_themselves() -> None:
    account = Account(enabled=frozenset({"aws", "gcp"}))
    wanted = ResourceRequest(accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),))
    job = Workload(name="s", run="x", resources=(wanted,), work=HoursOf(hours=30, accelerator="H100"))

    found = plan(job, embedded(), account, now=NOW)

    assert found.chosen and found.chosen.market == Market.ON_DEMAND
    assert any(r.group == "suspect_price" for r in found.rejected)


def columns(hours: float) -> Candidates:
    one = {"low_h": hours * 0.9, "mid_h": hours, "high_h": hours * 1.1, "price_usd_per_hour": 10.0, "scale": 0.0,
           "granularity_s": 1.0, "minimum_s": 60.0, "free_s": 0.0, "data_usd": 3.0, "data_h": 0.0,
           "storage_usd_per_hour": 0.01, "power_kw": 1.0, "co2_kg_per_kwh": 0.3}  # fmt: skip
    return Candidates(**{name: np.array([value]) for name, value in one.items()})


@settings(max_examples=60, deadline=None)
@given(hours=st.floats(0.1, 5000), wait=st.floats(0, 24), deadline=st.floats(1, 9000))
def test_whatever_the_job_a_rule_never_makes_it_sooner_or_cheaper_than_its_hours(
    hours: float, wait: float, deadline: float
) -> None:
    row, terms = columns(hours), Terms(deadline_h=deadline)
    closed = screen(row, terms)
    for rule in (BLOCK, FLEX, StartRule()):
        found = Starts((Start(row=0, rule=rule, wait_h=wait),)).over(closed, row, terms)

        assert found.finish_h[0] >= closed.finish_h[0] - 1e-9
        assert found.p90_finish_h[0] >= found.finish_h[0]
        assert found.cost_usd[0] >= 10 * hours - 1e-6 and 0 <= found.p_deadline[0] <= 1
    longer = screen(columns(hours * 1.1), terms)
    a, b = (
        Starts((Start(row=0, rule=BLOCK, wait_h=wait),)).over(e, row, terms).cost_usd[0]
        for e in (closed, longer)
    )
    assert b >= a - 1e-9 - 0.01 * hours


def test_a_block_bought_today_is_seen_from_now_whatever_the_hour() -> None:
    for hour in (0, 11, 12, 23):
        at = NOW.replace(hour=hour, minute=0) + timedelta(days=1)
        wanted = ResourceRequest(accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),))
        job = Workload(name="s", run="x", resources=(wanted,), work=HoursOf(hours=10, accelerator="H100"))
        block = option(plan(job, CATALOG, Account(enabled=frozenset({"aws"})), now=at), Market.CAPACITY_BLOCK)
        finish = at + timedelta(hours=(block.expected_finish_h or 0) - 10.08)

        assert abs((finish - finish.replace(hour=11, minute=30)).total_seconds()) < 1200
    assert Known(CATALOG).rows
