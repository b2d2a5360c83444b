"""Given runs on this machine at the same time, when they are booked, then the ledger has one machine's cost."""

import json
import shutil
from dataclasses import replace
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.app.book_runs import all_receipts, book_all_runs
from shoestring.app.cli import receipt as receipt_verb
from shoestring.app.config import Settings
from shoestring.app.place import home, runs_folder
from shoestring.app.site import Site, create_site
from shoestring.app.wiring import prepare_engine
from shoestring.domain.offer import Market
from shoestring.domain.run import MeterTotals
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.journal import SqlJournal
from tests.ledger.making import attempt, facts_of, offer

OWN = offer("3.60", market=Market.OWNED)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path))
    return ChargeStore(home() / "ledger")


def run(name, start, end, *, devices=None, machine="box/1", joules=None, kind="measured"):
    """A run of its own folder and journal, that held the machine from one second to another."""
    site = Site(folder=runs_folder() / name, run_id=name, settings=Settings(executor="local"))
    create_site(site)
    prepare_engine(site)
    held = attempt(1, start, end, steps=((start, end, 0, 10),), on=OWN)
    meter = MeterTotals(sampled_s=end - start, devices=devices, energy_j=joules,
                        energy_kind=None if joules is None else kind)  # fmt: skip
    held = replace(held, observation=replace(held.observation, machine=machine, meter=meter))
    journal = SqlJournal(site.journal_place)
    lease = journal.acquire("me", 60)
    journal.append(lease, facts_of((held,), ended=end, run_id=name))
    journal.release(lease)
    journal.close()


def costs(store, *by):
    return {row.keys[0]: row for row in ask(store, Question(by=by or ("run",))).rows}


def allocated(store):
    with store.connect() as engine:
        rows = engine.execute(
            "select x_RunId, AllocatedMethodId, AllocatedMethodDetails, ResourceId "
            f"from {store.rows_sql(store.manifest().parts)} order by 1"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_two_runs_at_once_are_charged_one_machine_together(store):
    run("a", 0, 1000)
    run("b", 500, 1000)
    assert book_all_runs(store).failed == ()
    told = costs(store)
    assert (told["a"].usd, told["b"].usd) == (Decimal("0.75"), Decimal("0.25"))
    assert (told["a"].accelerator_hours, told["b"].accelerator_hours) == pytest.approx(
        (750 / 3600, 250 / 3600)
    )
    assert list(costs(store, "resource")) == ["box/1"]
    method, details, _ = allocated(store)["b"]
    assert method == "machine held by several runs"
    assert json.loads(details)["Elements"] == [{"AllocatedRatio": 0.5, "UsageUnit": "runs on the machine"}]


def test_a_run_that_comes_later_changes_the_part_of_the_one_before(store):
    run("a", 0, 1000)
    book_all_runs(store)
    assert costs(store)["a"].usd == 1 and allocated(store)["a"][0] is None
    run("b", 0, 1000)
    assert set(book_all_runs(store).runs) == {"a", "b"}
    assert {name: row.usd for name, row in costs(store).items()} == {"a": Decimal("0.5"), "b": Decimal("0.5")}
    book_all_runs(store)  # a journal that was closed is touched when it is read for the first time
    assert book_all_runs(store).runs == (), "nothing has changed since"


def test_each_pays_for_the_accelerators_that_it_held(store):
    run("a", 0, 1000, devices=("GPU-0", "GPU-1", "GPU-2"))
    run("b", 0, 1000, devices=("GPU-3",))
    book_all_runs(store)
    assert {n: r.usd for n, r in costs(store).items()} == {"a": Decimal("0.75"), "b": Decimal("0.25")}
    assert json.loads(allocated(store)["a"][1])["Elements"][0]["UsageUnit"] == "accelerators held"


def test_machines_that_nobody_names_are_each_a_machine(store):
    run("a", 0, 1000, machine=None)
    run("b", 0, 1000, machine=None)
    run("c", 0, 1000, machine="another")
    book_all_runs(store)
    assert {row.usd for row in costs(store).values()} == {1}
    assert {told[0] for told in allocated(store).values()} == {None}


def test_energy_of_the_whole_node_is_shared_and_an_estimate_of_ones_own_is_not(store):
    for name, kind in (("a", "measured"), ("b", "estimate")):
        run(name, 0, 1000, joules=3.6e6, kind=kind)
    book_all_runs(store)
    told = costs(store)
    assert (told["a"].energy_kwh, told["b"].energy_kwh) == pytest.approx((0.5, 1.0))


def test_receipts_say_the_same_as_the_ledger_and_why(store, capsys):
    run("a", 0, 1000)
    run("b", 500, 1000)
    book_all_runs(store)
    assert {paid.run_id: paid.cost.total_usd for paid in all_receipts()} == {
        "a": Decimal("0.75"),
        "b": Decimal("0.25"),
    }
    receipt_verb.command("a", as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["cost_usd"]["total"] == 0.75
    assert told["shared_machine"] == {"machine": "box/1", "fraction": 0.75, "basis": "runs on the machine"}
    receipt_verb.command("b")
    assert "50% of box/1 is its own: others ran beside it" in " ".join(capsys.readouterr().out.split())


def test_a_neighbor_whose_folder_is_gone_still_counts_by_what_was_booked(store):
    run("a", 0, 1000)
    book_all_runs(store)
    shutil.rmtree(runs_folder() / "a")
    run("b", 0, 1000)
    book_all_runs(store)
    assert costs(store)["b"].usd == Decimal("0.5")
