"""Reserved capacity: given paid hours that are left, when planned, then they are sunk, and cost what else they do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shoestring.app.config import load_settings
from shoestring.app.planning import account_for, with_own
from shoestring.catalog.load import embedded
from shoestring.catalog.reserved import Reserved, View, opportunity_usd, with_reserved
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import Plan
from shoestring.domain.workload import AcceleratorRequest, HoursOf, ResourceRequest, Workload
from shoestring.workflows.plan import plan

NOW = datetime.now(UTC)
MINE = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1", "count": 2, "hours_left": 500,
        "paid_usd_per_hour": 30.0}  # fmt: skip
JOB = Workload(
    name="sft",
    run="train",
    resources=(ResourceRequest(accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),)),),
    work=HoursOf(hours=100, accelerator="H100"),
)


def planned(folder: Path, view: View | None = None, job: Workload = JOB, **changes: Any) -> Plan:
    row = MINE | changes
    lines = "\n".join(f"  {'-' if not i else ' '} {k}: {v}" for i, (k, v) in enumerate(row.items()))
    (folder / ".shoestring.yaml").write_text(f"clouds: [aws]\nreserved:\n{lines}\n")
    settings = load_settings(folder=folder)
    catalog, notes = with_own(embedded(), settings, view)
    account, _ = account_for(job, settings, catalog, all_clouds=False)
    return plan(job, catalog, account, now=NOW, notes=notes)


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path / "home"))


def test_paid_hours_that_nobody_waits_for_are_free_and_chosen(tmp_path: Path) -> None:
    found = planned(tmp_path)

    assert found.chosen and found.chosen.market == "reserved" and found.chosen.expected_cost_usd == 0
    assert found.chosen.price_layer == "reserved"
    assert any("500 instance hours left: 0.00 $/h marginal, 30.00 $/h loaded, 0.00 $/h opportunity" in note
               for note in found.notes)  # fmt: skip
    assert found.runner_up and "$ in cost" in found.runner_up.reason


def test_hours_that_others_wait_for_cost_what_those_would_pay(tmp_path: Path) -> None:
    half = next(o for o in planned(tmp_path, others_wait=0.5).options if o.market == "reserved")
    market = min(
        float(embedded().price[i])
        for i in range(len(embedded()))
        if embedded().offer_id(i).startswith("hyperstack/CANADA-1/-/n3-H100-SXM5x8/on_demand")
    )

    assert half.price_usd_per_hour == pytest.approx(market / 2)
    assert "opportunity" in half.price_source


@pytest.mark.parametrize(
    ("view", "usd"), [(View.MARGINAL, 0.0), (View.LOADED, 30.0), (View.OPPORTUNITY, 7.0)]
)
def test_each_view_has_its_price(view: View, usd: float, tmp_path: Path) -> None:
    found = planned(tmp_path, view, opportunity_usd_per_hour=7)

    assert next(o for o in found.options if o.market == "reserved").price_usd_per_hour == usd


@pytest.mark.parametrize(
    ("changes", "nodes", "says"),
    [
        ({"hours_left": 90}, 1, "90 reserved instance hours are left, the job may take 110"),
        ({}, 3, "2 instances are reserved, the job needs 3"),
        ({"until": (NOW + timedelta(days=2)).date().isoformat()}, 1, "the reservation ends in"),
    ],
)
def test_a_job_that_does_not_fit_into_what_is_left_is_told_by_how_much(
    changes: dict[str, Any], nodes: int, says: str, tmp_path: Path
) -> None:
    found = planned(tmp_path, job=replace(JOB, num_nodes=nodes), **changes)

    refusal = next(r for r in found.rejected if r.group == "reserved")
    assert says in refusal.reason and refusal.fix and any(d.isdigit() for d in refusal.fix)
    assert found.chosen is None or found.chosen.market != "reserved"


def test_reserved_capacity_counts_against_no_quota_and_asks_for_no_market(tmp_path: Path) -> None:
    spot = ResourceRequest(
        accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),), use_spot=True
    )
    found = planned(tmp_path, job=replace(JOB, resources=(spot,)))

    assert found.chosen and found.chosen.market == "reserved"


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0}, {"count": -1}, {"hours_left": -5}, {"hours_left": ".nan"}, {"paid_usd_per_hour": 0},
        {"paid_usd_per_hour": -30}, {"paid_usd_per_hour": ".inf"}, {"others_wait": 1.5}, {"others_wait": -0.1},
        {"opportunity_usd_per_hour": -1}, {"until": "soon"}, {"instance_type": "p5.49xlarge"},
        {"provider": "awss"}, {"usd": 5}, {"count": "many"}, {"opportunity_usd_per_hour": 1e9},
    ],
)  # fmt: skip
def test_a_reservation_that_cant_be_is_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"reserved|aws"):
        planned(tmp_path, **changes)


def test_one_reservation_twice_is_refused() -> None:
    one = Reserved(provider="aws", instance_type="p5.48xlarge", region="us-east-1")
    with pytest.raises(BadInput, match="twice"):
        with_reserved(embedded(), [one, one], View.OPPORTUNITY, NOW.date())


def test_an_owned_machines_hour_is_worth_the_market_while_somebody_waits(tmp_path: Path) -> None:
    machine = tmp_path / "machine.yaml"
    machine.write_text(
        "accelerator: H100\naccelerator_count: 8\ncapex_usd: 300000\npower_w: 10000\n"
        "electricity_usd_per_kwh: 0.12\nothers_wait: 0.25\n"
    )
    (tmp_path / ".shoestring.yaml").write_text(f"machine: {machine}\n")
    catalog, notes = with_own(embedded(), load_settings(folder=tmp_path), View.OPPORTUNITY)

    usd = float(catalog.price[-1])
    assert 0.96 < usd == pytest.approx(opportunity_usd(0.96, 20.0, 0.25) or 0, rel=0.5)
    assert "by what it could do instead; this plan takes opportunity" in notes[0]
