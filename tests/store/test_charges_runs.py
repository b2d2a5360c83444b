"""A run's receipt in the ledger: the same money, once, however often it is booked."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.ledger.carbon import GridFactor
from shoestring.ledger.data_prices import DataPrices
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import Booking, book_run, book_runs, booked_states, charge_rows
from shoestring.store.focus.check import check_file
from shoestring.store.focus.export import export_focus
from tests.ledger.test_receipt import ON_DEMAND, paid

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def book(store, told, state="a"):
    book_run(store, told, state=state, now=NOW, user="ann")


def by(store, *names):
    answer = ask(store, Question(by=names))
    return {row.keys if len(names) > 1 else row.keys[0]: row.usd for row in answer.rows}


def test_the_ledger_says_what_the_receipt_says(store):
    told = paid(baselines=(ON_DEMAND,))
    book(store, told)
    assert sum(by(store, "run").values()) == told.cost.total_usd
    assert by(store, "part") == {part.value: usd for part, usd in told.cost.parts.items() if usd}
    assert by(store, "team", "run") == {("vision", "r1"): told.cost.total_usd}
    assert ask(store, Question()).metered_usd == told.cost.total_usd
    assert ask(store, Question()).idle_usd > 0


def test_booking_again_replaces_and_remembers_the_state(store):
    book(store, paid(), "a")
    book(store, paid(), "b")
    assert sum(by(store, "run").values()) == paid().cost.total_usd
    assert booked_states(store) == {"r1": "b"}
    assert [d.id for d in store.manifest().deliveries] == ["run-r1"]


def test_energy_and_accelerator_seconds_are_split_over_the_lines_and_add_up(store):
    told = paid()
    rows = charge_rows(told)
    assert sum(r["x_EnergyKwh"] or 0 for r in rows) == pytest.approx(told.energy.kwh)
    assert sum(r["x_AcceleratorSeconds"] or 0 for r in rows) == pytest.approx(7200)


def test_list_cost_is_the_on_demand_price_of_the_same_shape(store):
    book(store, paid(baselines=(ON_DEMAND,)))
    listed = {row.keys[0]: row.list_usd for row in ask(store, Question(by=("market",))).rows}
    assert listed["spot"] == pytest.approx(Decimal(2 * 3), abs=Decimal("1e-9"))


@pytest.mark.parametrize("version", ["1.2", "1.4"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_an_export_of_runs_conforms(store, tmp_path, version, suffix):
    told = paid(baselines=(ON_DEMAND,))
    book(store, told)
    done = export_focus(store, tmp_path / f"out.{suffix}", version=version)
    verdict = check_file(done.path, version)
    assert [v for v in verdict.violations if v.level == "MUST"] == []
    assert (verdict.rows, verdict.conforms) == (len(told.charges), True)


def test_unrated_use_is_counted_and_in_no_file(store, tmp_path):
    book(store, paid(prices=DataPrices()))
    done = export_focus(store, tmp_path / "out.csv", version="1.4")
    assert done.unrated == len(paid(prices=DataPrices()).unrated) > 0


def test_an_export_comes_back_without_loss(store, tmp_path):
    from shoestring.workflows.bills import bring_in

    book(store, paid())
    export_focus(store, tmp_path / "out.csv", version="1.4")
    other = ChargeStore(tmp_path / "other")
    bring_in(other, [tmp_path / "out.csv"], now=NOW, user="ann")
    for names in [("team", "run", "part"), ("market", "region", "day"), ("basis", "accelerator")]:
        assert by(other, *names) == by(store, *names)


def test_carbon_is_metered_energy_at_the_regions_grid_and_pue_with_its_source():
    told = paid()
    places = {(line.attempt.offer.provider, line.attempt.offer.region) for line in told.attempts}
    factor = GridFactor(kg_per_kwh=0.5, pue=1.2, source="table", as_of=date(2024, 12, 31))
    rows = charge_rows(told, dict.fromkeys(places, factor))
    assert sum(r["x_CarbonKg"] or 0 for r in rows) == pytest.approx(told.energy.kwh * 1.2 * 0.5)
    assert {(r["x_CarbonSource"], r["x_CarbonAsOf"]) for r in rows if r["x_CarbonKg"] is not None} == {
        ("table", datetime(2024, 12, 31))
    }
    for unknown in ({}, dict.fromkeys(places, replace(factor, pue=None))):
        assert {(r["x_CarbonKg"], r["x_CarbonSource"]) for r in charge_rows(told, unknown)} == {(None, None)}


def test_many_runs_are_booked_in_one_change(store):
    runs = [replace(paid(), run_id=f"r{n}") for n in range(5)]
    book_runs(store, [Booking(paid=r, state="a") for r in runs], now=NOW, user="ann")
    assert by(store, "run") == {f"r{n}": paid().cost.total_usd for n in range(5)}
    assert store.manifest().generation == 2  # the empty one, and one change
