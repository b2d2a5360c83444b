"""A shadow on prices as they come: it follows them, is never launched, and goes on where its log ends."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shoestring.catalog.candidates import Account
from shoestring.catalog.load import embedded
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from shoestring.domain.offer import Market, Offer
from shoestring.domain.workload import AcceleratorRequest, Backend, HoursOf, ResourceRequest
from shoestring.policies.base import Policy
from shoestring.policies.deadline import Deadline
from shoestring.policies.greedy import Greedy
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.sim.clock import SimClock
from shoestring.testing import HOUR, a_workload, an_offer
from shoestring.workflows.shadow_job import ghost, offers_for
from shoestring.workflows.shadow_live import LiveShadow, Standing, Turn
from shoestring.workflows.shadow_log import ShadowLog, watch

EVERY_S = 600.0
EAST, WEST, SAFE = "sim/us-east-1a/spot", "sim/us-west-1a/spot", "sim/us-east-1a/on_demand"


class Prices:
    """ports.PriceSource: three offers whose states a test decides by the hour."""

    def __init__(self, clock: SimClock, change: Callable[[float, dict[str, Offer]], None]) -> None:
        self.clock, self.change, self.asked = clock, change, 0

    def offers(self) -> Sequence[Offer]:
        self.asked += 1
        found = {
            o.id: replace(o, available=True)
            for o in (
                an_offer("us-east-1a"),
                an_offer("us-west-1a", usd="1.10"),
                an_offer("us-east-1a", Market.ON_DEMAND, "3.00"),
            )
        }
        self.change(self.clock.elapsed_s / HOUR, found)
        return tuple(found.values())


def nothing(at_h: float, offers: dict[str, Offer]) -> None:
    """A market that stands still."""


def west_after_two_hours(at_h: float, offers: dict[str, Offer]) -> None:
    if at_h >= 2:
        offers[EAST] = replace(offers[EAST], available=False)


def run(
    prices: Prices,
    *,
    hours: float,
    path: Path | None = None,
    policy: Policy | None = None,
    work_h: float = 5.0,
    deadline_h: float = 12.0,
) -> tuple[Standing, list[Turn], LiveShadow]:
    policy = policy or UniformProgress()
    log, turns = ShadowLog(path), list[Turn]()
    left = log.resume(policy)
    if left is None:
        workload = a_workload(deadline_s=deadline_h * HOUR)
        seen = prices.offers()
        made = ghost(
            workload, seen, {"cpu": work_h}, deadline_s=None, started_at=prices.clock.now(), every_s=EVERY_S,
            profile=None,
        )  # fmt: skip
        shadow = LiveShadow(made, policy)
        log.begin(made, policy)
    else:
        shadow = left[0]
    standing = watch(shadow, log, prices, prices.clock, seconds=hours * HOUR, told=turns.append)  # type: ignore[arg-type]
    return standing, turns, shadow


@pytest.mark.parametrize("policy", [UniformProgress(), Deadline()], ids=lambda p: p.name)
def test_on_a_steady_market_the_job_costs_its_spot_hours(policy: Policy) -> None:
    standing, turns, shadow = run(Prices(SimClock(), nothing), hours=10, policy=policy)

    assert standing.done and standing.in_time and standing.losses == 0
    assert [t.offer for t in turns if t.action == "launch"] == [EAST]
    assert standing.usd == pytest.approx(5.0 + shadow.ghost.job.boot_s / HOUR, abs=0.02)


def test_a_spot_offer_that_goes_is_a_loss_and_the_job_goes_on_elsewhere() -> None:
    standing, turns, _ = run(Prices(SimClock(), west_after_two_hours), hours=12)

    assert standing.done and standing.losses == 1
    assert [t.offer for t in turns if t.action == "launch"] == [EAST, WEST]


def test_a_price_that_rises_under_a_running_job_is_paid() -> None:
    def dearer(at_h: float, offers: dict[str, Offer]) -> None:
        if at_h >= 1:
            for offer_id in (EAST, WEST):
                price = replace(offers[offer_id].price, usd_per_hour=Decimal(2))
                offers[offer_id] = replace(offers[offer_id], price=price)

    steady, _, _ = run(Prices(SimClock(), nothing), hours=12, policy=Greedy())
    risen, _, _ = run(Prices(SimClock(), dearer), hours=12, policy=Greedy())

    assert risen.usd == pytest.approx(1.0 + 2 * (steady.usd - 1.0), rel=0.01)


def test_an_offer_that_is_listed_no_more_can_not_be_had() -> None:
    def unlisted(at_h: float, offers: dict[str, Offer]) -> None:
        if at_h >= 2:
            del offers[EAST]

    standing, turns, _ = run(Prices(SimClock(), unlisted), hours=12)

    assert standing.losses == 1 and [t.offer for t in turns if t.action == "launch"] == [EAST, WEST]


def test_the_watch_is_bounded_and_says_how_the_job_stands() -> None:
    prices = Prices(SimClock(), nothing)
    standing, _, _ = run(prices, hours=2)

    assert not standing.done and standing.looks == 13
    assert prices.clock.elapsed_s == 2 * HOUR
    assert standing.work_left_s is not None and 2.5 * HOUR < standing.work_left_s < 5 * HOUR


@pytest.mark.parametrize("policy", [UniformProgress(), Deadline()], ids=lambda p: p.name)
def test_a_shadow_that_was_stopped_goes_on_as_if_it_had_not_been(policy: Policy, tmp_path: Path) -> None:
    whole, turns, _ = run(Prices(SimClock(), west_after_two_hours), hours=9, policy=policy)
    clock, told = SimClock(), list[Turn]()
    for _ in range(3):
        pieces, more, _ = run(
            Prices(clock, west_after_two_hours), hours=3, path=tmp_path / "log", policy=policy
        )
        told += more
        clock.sleep(EVERY_S)

    assert (pieces.usd, pieces.losses, pieces.done) == (
        pytest.approx(whole.usd, rel=0.02),
        whole.losses,
        whole.done,
    )
    assert [(t.action, t.offer) for t in told if t.action == "launch"] == [
        (t.action, t.offer) for t in turns if t.action == "launch"
    ]


def test_a_torn_line_is_cut_off_and_the_rest_is_kept(tmp_path: Path) -> None:
    path, clock = tmp_path / "log", SimClock()
    first, _, _ = run(Prices(clock, nothing), hours=1, path=path)
    with path.open("a") as file:
        file.write('{"at": "2026-01-')
    clock.sleep(EVERY_S)
    second, _, _ = run(Prices(clock, nothing), hours=1, path=path)

    assert second.looks == 2 * first.looks and second.usd > first.usd
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_another_policy_or_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    run(Prices(SimClock(), nothing), hours=1, path=path)
    with pytest.raises(BadInput, match="begun by uniform_progress version 1, not by greedy"):
        ShadowLog(path).resume(Greedy())
    path.write_text('{"some": "thing"}\n')
    with pytest.raises(BadInput, match="not the log of a live shadow"):
        ShadowLog(path).resume(Greedy())
    path.write_text("no json\n")
    with pytest.raises(BadInput, match=str(path)):
        ShadowLog(path).resume(Greedy())


def test_a_source_that_does_not_answer_changes_nothing_and_is_logged(tmp_path: Path) -> None:
    def silent(at_h: float, offers: dict[str, Offer]) -> None:
        if 1 <= at_h < 3:
            raise ExecutorUnavailable("no route to the market")

    standing, _, _ = run(Prices(SimClock(), silent), hours=10, path=tmp_path / "log")

    assert standing.done and standing.losses == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert sum(line.get("away") == "no route to the market" for line in lines) == 12


def test_a_clock_that_is_set_back_is_waited_for() -> None:
    prices = Prices(SimClock(), nothing)
    _, _, shadow = run(prices, hours=2)
    before = shadow.looks

    assert shadow.look(prices.clock.at(HOUR), prices.offers()) == []
    assert shadow.looks == before


def test_the_catalog_gives_the_few_offers_that_finish_the_job_for_least() -> None:
    asked = a_workload(
        work=HoursOf(hours=20.0, accelerator="H100"),
        resources=(
            ResourceRequest(accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),)),
        ),
        backend=Backend.CUDA,
    )
    found = offers_for(asked, embedded(), Account(), None, now=datetime(2026, 11, 1, tzinfo=UTC))
    everything = offers_for(
        asked, embedded(), Account(), None, now=datetime(2026, 11, 1, tzinfo=UTC), all_of_them=True
    )

    job, offers, hours = found
    spot = [o for o in offers if o.market is Market.SPOT]
    assert 0 < len(spot) <= 12 and 0 < len(offers) - len(spot) <= 3
    assert (
        set(hours)
        == {o.accelerator for o in offers}
        == {a.name for r in job.resources for a in r.accelerators}
    )
    assert {o.id for o in offers} < {o.id for o in everything[1]}


def test_work_that_nobody_knows_can_not_be_shadowed_on_the_catalog() -> None:
    asked = a_workload(
        work=None, resources=(ResourceRequest(accelerators=(AcceleratorRequest(name="H100"),)),)
    )

    with pytest.raises(BadInput, match="how long the work takes is unknown"):
        offers_for(asked, embedded(), Account(), None, now=datetime(2026, 11, 1, tzinfo=UTC))
