"""A tracker is told what a run cost, once, and what it knows comes back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shoestring.ledger.data_prices import DataPrices
from shoestring.ledger.receipt import BILLED
from shoestring.ledger.tracking import TrackedRun, figures_of
from shoestring.store.tracked_book import NAME, keep, tracked_runs
from shoestring.workflows.trackers import bridge, bridged_json
from tests.ledger.test_receipt import ON_DEMAND, paid

NOW = datetime(2026, 2, 3, tzinfo=UTC)


class Notebook:
    """A tracker that remembers; runs are kept newest first."""

    name = "notebook"

    def __init__(self, *runs: TrackedRun) -> None:
        self.all = list(runs)
        self.writes = 0

    def runs(self, run_ids):
        return [r for r in self.all if r.run_id in run_ids]

    def named(self, run_id, tracked_id):
        return next(replace(r, run_id=run_id) for r in self.all if r.tracked_id == tracked_id)

    def create(self, paid):
        self.all.insert(0, TrackedRun(run_id=paid.run_id, tracked_id=f"new-{paid.run_id}"))
        return self.all[0]

    def tell(self, tracked, values, tags):
        self.writes += 1
        place = next(i for i, r in enumerate(self.all) if r.tracked_id == tracked.tracked_id)
        here = self.all[place]
        self.all[place] = replace(here, told={**here.told, **values}, tags={**here.tags, **tags})

    def __getitem__(self, tracked_id):
        return next(r for r in self.all if r.tracked_id == tracked_id)


def finished():
    return paid(baselines=(ON_DEMAND,))


def test_the_run_gets_its_cost_energy_and_saving_once():
    told, book = finished(), Notebook(TrackedRun(run_id="r1", tracked_id="m1"))
    (done,) = bridge(book, [told])
    assert book["m1"].told["cost_usd"] == float(told.cost.total_usd)
    assert book["m1"].told["energy_kwh"] == told.energy.kwh
    assert book["m1"].told["saving_usd"] == float(told.saving.usd)
    assert book["m1"].tags["shoestring.run_id"] == "r1"
    assert done.told == book["m1"].told
    assert book.writes == 1
    (again,) = bridge(book, [told])
    assert (dict(again.told), book.writes) == ({}, 1)


def test_what_is_unknown_is_named_and_never_zero():
    told, book = paid(prices=DataPrices()), Notebook(TrackedRun(run_id="r1", tracked_id="m1"))
    (done,) = bridge(book, [told])
    assert told.cost.total_usd is None
    assert "cost_usd" in done.unknown and "cost_usd" not in book["m1"].told
    assert "cost_usd" in book["m1"].tags["shoestring.unknown"]


def test_a_billed_run_is_told_at_its_bill():
    billed = replace(finished(), basis=BILLED, billed_usd=finished().cost.total_usd * 2)
    assert figures_of(billed).values["cost_usd"] == float(billed.billed_usd)
    assert figures_of(billed).tags["shoestring.basis"] == BILLED


def test_sums_over_the_trackers_runs_count_a_preempted_run_once():
    told, book = finished(), Notebook(TrackedRun(run_id="r1", tracked_id="first", params={"lr": "0.1"}))
    bridge(book, [told])
    book.all.insert(0, TrackedRun(run_id="r1", tracked_id="second", metrics={"accuracy": 0.9}))
    (done,) = bridge(book, [told])
    assert sum(r.told["cost_usd"] for r in book.all) == float(told.cost.total_usd)
    assert book["first"].tags["shoestring.cost_on"] == "second"
    assert (done.read.params, done.read.metrics) == ({"lr": "0.1"}, {"accuracy": 0.9})


def test_a_run_that_the_tracker_lacks_is_made_only_when_asked_for():
    told, book = finished(), Notebook()
    assert bridge(book, [told])[0].tracked_id is None
    assert bridge(book, [told], create=True, dry=True)[0].tracked_id is None and not book.all
    assert bridge(book, [told], create=True)[0].tracked_id == "new-r1"
    assert "cost_usd" in book["new-r1"].told


def test_a_dry_run_writes_nothing_and_says_what_it_would():
    book = Notebook(TrackedRun(run_id="r1", tracked_id="m1"))
    done = bridge(book, [finished()], dry=True)
    assert book.writes == 0
    assert bridged_json("notebook", done, dry=True)["runs"][0]["told"]["cost_usd"] > 0


def test_a_run_can_be_named_by_the_trackers_own_id():
    book = Notebook(TrackedRun(run_id="?", tracked_id="m7"))
    bridge(book, [finished()], tracked_id="m7")
    assert book["m7"].told["cost_usd"] > 0


def test_what_trackers_told_is_kept_and_the_last_word_counts(tmp_path):
    first = TrackedRun(run_id="r1", tracked_id="m1", params={"lr": "0.1"}, metrics={"accuracy": 0.5})
    keep(tmp_path, "mlflow", [first], now=NOW)
    keep(tmp_path, "mlflow", [first], now=NOW.replace(hour=1))
    assert len((tmp_path / NAME).read_text().splitlines()) == 1
    keep(tmp_path, "wandb", [replace(first, tracked_id="w1", metrics={"f1": 0.4})], now=NOW.replace(hour=2))
    known = tracked_runs(tmp_path)["r1"]
    assert (known.tracked_id, known.metrics) == ("w1", {"accuracy": 0.5, "f1": 0.4})
    with (tmp_path / NAME).open("a") as file:
        file.write("torn")
    assert tracked_runs(tmp_path)["r1"] == known


def test_a_moment_without_a_zone_is_refused(tmp_path):
    with pytest.raises(ValueError, match="time zone"):
        keep(tmp_path, "mlflow", [], now=datetime(2026, 1, 1))
