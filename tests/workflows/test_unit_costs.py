"""From booked receipts to dollars per unit."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.domain.run import Heartbeat
from shoestring.ledger.tracking import TrackedRun
from shoestring.store.answers import Question
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.store.dimensions import Condition
from shoestring.store.tracked_book import keep
from shoestring.workflows.unit_costs import (
    cost_per_unit,
    marginal_costs,
    marginal_json,
    metric_per_dollar,
    unit_costs_json,
)
from tests.ledger.making import at
from tests.ledger.test_receipt import paid, preempted_and_resumed

ALL = Question(by=("team",))


def told():
    first, second = preempted_and_resumed()
    beat = Heartbeat(at=at(10_000), step=200, samples=500_000, metrics={"accuracy": 0.9})
    return paid((first, replace(second, observation=replace(second.observation, heartbeat=beat))))


@pytest.fixture
def store(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    book_run(store, told(), state="a", now=datetime(2026, 2, 3, tzinfo=UTC), user="ann")
    return store


def test_a_booked_run_has_a_price_per_million_samples(store):
    (line,) = cost_per_unit(store, [told()], ALL, "million_samples")
    assert line.keys == ("vision",)
    assert line.usd == told().cost.total_usd
    assert line.usd_per_unit == pytest.approx(float(told().cost.total_usd) / 0.5)


def test_experiments_by_metric_per_dollar(store):
    (line,) = metric_per_dollar(store, [told()], Question(by=("run",)), "accuracy")
    assert line.units_per_usd == pytest.approx(0.9 / float(told().cost.total_usd))
    assert unit_costs_json(("run",), "metric:accuracy", (line,))["rows"][0]["run"] == "r1"


def test_a_run_that_is_not_in_the_ledger_has_no_known_price(store):
    lines = cost_per_unit(store, [replace(told(), run_id="r9")], ALL, "run")
    assert [(line.usd, line.left_out) for line in lines] == [(None, 1)]


def test_where_and_days_choose_the_runs(store):
    other = Question(by=("team",), where=(Condition.parse("region=nowhere"),))
    assert cost_per_unit(store, [told()], other, "run") == ()
    late = Question(by=("team",), since=at(10 * 86_400).date())
    assert cost_per_unit(store, [told()], late, "run") == ()


@pytest.mark.parametrize(
    ("by", "unit"), [(("region",), "run"), (("team",), "furlong"), (("team",), "metric")]
)
def test_bad_words_are_refused(store, by, unit):
    with pytest.raises(BadInput):
        cost_per_unit(store, [told()], Question(by=by), unit)


def test_an_unknown_metric_names_those_there_are(store):
    with pytest.raises(BadInput) as refused:
        metric_per_dollar(store, [told()], ALL, "f1")
    assert "accuracy" in (refused.value.next_step or "")


def test_the_marginal_price_of_quality_by_run(store):
    trail = tuple(Heartbeat(at=at(600 * n), step=n, metrics={"accuracy": n / 10}) for n in range(10))
    run = replace(told(), trail=trail)
    (line,) = marginal_costs(store, [run], ALL, "accuracy")
    assert (line.run_id, line.best) == ("r1", 0.9)
    assert marginal_json("accuracy", [line])["rows"][0]["last_usd_per_point"] == line.last_usd_per_point
    with pytest.raises(BadInput, match="no run reported a metric 'f1' over time"):
        marginal_costs(store, [run], ALL, "f1")


def test_metrics_and_params_of_a_tracker_count_where_heartbeats_are_silent(store):
    known = TrackedRun(
        run_id="r1", tracked_id="m1", params={"lr": "0.1"}, metrics={"f1": 0.5, "accuracy": 0.1}
    )
    keep(store.folder, "mlflow", [known], now=datetime(2026, 2, 3, tzinfo=UTC))
    (line,) = metric_per_dollar(store, [told()], ALL, "f1")
    assert line.units == 0.5
    assert metric_per_dollar(store, [told()], ALL, "accuracy")[0].units == 0.9, "the heartbeat comes first"
    (line,) = cost_per_unit(store, [told()], Question(by=("param.lr",)), "run")
    assert line.keys == ("0.1",)
    assert cost_per_unit(store, [told()], Question(by=("param.depth",)), "run")[0].keys == (None,)
