"""One's own machine in a plan: given a machine with two prices, when planned, then either view can be had."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from shoestring.app.planning import with_machine
from shoestring.catalog.candidates import Account
from shoestring.catalog.load import embedded
from shoestring.catalog.owned import OwnedRow, with_owned
from shoestring.catalog.reserved import View
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import Plan
from shoestring.domain.workload import AcceleratorRequest, HoursOf, ResourceRequest, Workload
from shoestring.workflows.plan import plan

NOW = datetime.now(UTC)  # the machine is priced as of today
MACHINE = """
name: rack 7
accelerator: H100
accelerator_count: 8
capex_usd: 300000
utilization: 0.5
power_w: 10000
electricity_usd_per_kwh: 0.12
"""
JOB = Workload(
    name="sft",
    run="train",
    resources=(ResourceRequest(accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),)),),
    work=HoursOf(hours=10, accelerator="H100"),
)


def planned(file: Path, view: View) -> tuple[Plan, str]:
    file.write_text(MACHINE)
    catalog, note = with_machine(embedded(), file, view)
    account = Account(enabled=frozenset({"aws", "owned"}))
    return plan(JOB, catalog, account, now=NOW), note or ""


def test_the_marginal_view_asks_what_one_more_hour_costs_and_the_loaded_one_what_all_of_it_does(
    tmp_path: Path,
) -> None:
    cheap, note = planned(tmp_path / "machine.yaml", View.MARGINAL)
    whole, _ = planned(tmp_path / "machine.yaml", View.LOADED)

    assert cheap.chosen and cheap.chosen.market == "owned"
    assert cheap.chosen.price_usd_per_hour == pytest.approx(10 * 0.8 * 0.12)
    loaded = next(o for o in whole.options if o.market == "owned")
    assert loaded.price_usd_per_hour > 10 * cheap.chosen.price_usd_per_hour
    assert "0.96" in note and f"{loaded.price_usd_per_hour:.2f}" in note


def test_a_machine_without_a_full_price_is_left_out_with_a_word(tmp_path: Path) -> None:
    file = tmp_path / "machine.yaml"
    file.write_text("accelerator: H100\naccelerator_count: 8\n")

    catalog, note = with_machine(embedded(), file, View.LOADED)

    assert len(catalog) == len(embedded())
    assert note and "capex_usd" in note


def test_an_unknown_device_is_refused() -> None:
    row = OwnedRow(name="x", region="local", accelerator="Z9", count=1, usd_per_hour=1.0, source="m",
                   as_of=date(2026, 11, 1))  # fmt: skip
    with pytest.raises(BadInput, match="Z9"):
        with_owned(embedded(), row)
