"""The report's document: every figure is one that another verb gives, and unknown stays unknown."""

import json
from datetime import date
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from shoestring.workflows.budgets import standing, standing_json
from shoestring.workflows.outlook import outlook, outlook_json
from shoestring.workflows.report import Period, report
from shoestring.workflows.savings import savings, savings_json
from shoestring.workflows.tie_out import tie_out_line, tie_out_of
from tests.app.report_making import NOW, PERIOD, TODAY, ledger, runs
from tests.store.bills.giving import focus, write


@pytest.fixture(scope="module")
def made():
    return runs()


@pytest.fixture(scope="module")
def store(tmp_path_factory, made):
    return ledger(tmp_path_factory.mktemp("report"), made)


@pytest.fixture(scope="module")
def document(store, made):
    return report(store, made, PERIOD, now=NOW, grid_kg_per_kwh=0.4)


def test_it_is_plain_data_that_any_program_reads(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_total_is_the_costs_verbs_and_every_cell_is_in_it(store, document):
    answer = ask(store, Question(since=PERIOD.since))
    assert document["totals"]["usd"] == float(answer.total_usd)
    assert sum(c["usd"] for c in document["costs"]["cells"]) == pytest.approx(float(answer.total_usd))


def test_it_ties_out_with_the_imports(document):
    tied = document["tie_out"]
    assert tied["holds"]
    assert tied["imported"] == tied["charged"]
    assert tied["line"].startswith("bills 1,305.00 USD = charges; 216 rows in = 216 stored + 0 quarantined")
    assert tied["line"].endswith("2026-01 OPEN")


def test_a_charge_that_got_lost_shows_in_the_first_line(store, made, monkeypatch):
    from shoestring.workflows import tie_out

    monkeypatch.setattr(tie_out, "_charged", lambda store, bills: {"USD": Decimal("1304.99")})
    tied = tie_out_of(store, since=PERIOD.since, until=None, unallocated=0.5)
    assert not tied.holds
    assert "≠ charges (difference -0.01" in tie_out_line(tied)


def test_an_invoice_given_at_import_is_tied_out_with(tmp_path):
    def tied(invoice):
        store = ChargeStore(tmp_path / invoice)
        bill = write(tmp_path / f"{invoice}.csv", [focus(), focus(BilledCost="2.50", ResourceId="i-2")])
        bring_in(store, [bill], now=NOW, user="ann", invoice=Decimal(invoice))
        return tie_out_of(store, since=None, until=None, unallocated=None)

    assert tied("12.50").holds
    assert "; 12.50 of them = invoice 12.50;" in tie_out_line(tied("12.50"))
    assert not tied("13.00").holds
    assert "≠ invoice 13.00 (difference -0.50)" in tie_out_line(tied("13.00"))


def test_month_budgets_and_savings_are_those_of_their_verbs(store, made, document):
    told = outlook_json(outlook(store, today=TODAY))
    assert document["month"]["end_usd"] == pytest.approx(told["month_end_usd"])
    assert document["month"]["range_usd"] == pytest.approx(told["range_usd"])
    assert document["month"]["spent_usd"] == pytest.approx(told["spent_usd"])
    assert document["budgets"] == standing_json(standing(store, today=TODAY))["budgets"]
    assert document["savings"] == savings_json(savings(store, made, since=PERIOD.since))
    assert document["month"]["limit_usd"] == 2600


def test_the_band_opens_from_what_is_spent_and_never_closes(document):
    ahead = document["month"]["ahead"]
    widths = [a["high_usd"] - a["low_usd"] for a in ahead]
    assert widths == sorted(widths)
    assert len(ahead) == 31 - TODAY.day + 1
    assert len(document["month"]["days"]) == TODAY.day - 1


def test_the_chain_leads_to_what_was_paid_for_each_run_too(document, made):
    for told in (document["chains"]["total"], *document["chains"]["runs"]):
        assert sum(s["usd"] for s in told["steps"]) == pytest.approx(told["paid_usd"])
    paid = {c["run"]: c["paid_usd"] for c in document["chains"]["runs"]}
    assert paid == {r.run_id: pytest.approx(float(r.cost.total_usd)) for r in made}


def test_runs_timelines_and_qualities_are_there(document, made):
    assert {r["run"]: r["preemptions"] for r in document["runs"]} == {r.run_id: 2 for r in made}
    assert document["timelines"][0]["run"] == "run-8"
    assert [q["metric"] for q in document["quality"]] == ["accuracy", "eval_loss", "loss"]
    assert all(any(p["on_frontier"] for p in q["points"]) for q in document["quality"])


def test_carbon_without_a_factor_is_unknown_and_with_one_an_estimate(store, made, document):
    plain = report(store, made, PERIOD, now=NOW)["energy"]
    assert plain["carbon_kg"] is None
    assert document["energy"]["carbon_kg"] == pytest.approx(0.4 * document["energy"]["kwh"])
    assert document["energy"]["carbon_kind"] == "estimate"


def test_sources_tell_their_age(document):
    bill, meters = document["sources"]["bills"]
    assert (bill["source"], bill["newest_day"]) == ("AWS/123456789012", "2026-01-23")
    assert bill["age_days"] == pytest.approx(7 / 24)
    assert meters["runs"] == 8
    assert document["sources"]["prices"][0]["source"] == "test"


def test_a_month_that_is_over_is_not_forecast(store, made):
    december = Period(since=date(2025, 12, 1), until=date(2026, 1, 1), today=TODAY)
    told = report(store, made, december, now=NOW)
    assert (told["month"]["month"], len(told["month"]["days"])) == ("2025-12", 31)
    assert told["month"]["ahead"] == []
    assert told["month"]["spent_usd"] == pytest.approx(told["totals"]["usd"])
    assert all(b["forecast_usd"] is None for b in told["budgets"])
    assert told["runs"] == []


def test_runs_that_this_ledger_does_not_know_stay_out_of_it(tmp_path, made):
    told = report(ledger(tmp_path, made[:2]), made, PERIOD, now=NOW)
    assert {r["run"] for r in told["runs"]} == {"run-1", "run-2"}
    assert told["savings"]["avoided"]["runs"] == 2


def test_runs_of_other_machines_are_told_by_their_charges(store):
    told = report(store, [], PERIOD, now=NOW)
    assert {r["basis"] for r in told["runs"]} == {"LEDGER"}
    assert len(told["runs"]) == 8
    assert told["timelines"] == []


def test_without_a_beginning_all_days_count_and_movers_look_back_thirty(store, made):
    told = report(store, made, Period(since=None, until=None, today=TODAY), now=NOW)
    assert told["totals"]["usd"] == float(ask(store, Question()).total_usd)
    assert (told["movers"]["since"], told["movers"]["before"]) == ("2025-12-25", "2025-11-25")


def test_on_the_first_of_a_month_there_is_no_whole_day_to_compare(store):
    first = date(2026, 1, 1)
    told = report(store, [], Period(since=first, until=None, today=first), now=NOW)
    assert told["movers"]["lines"] == []
    assert told["month"]["days"] == []
    assert told["month"]["ahead"][-1]["day"] == "2026-01-31"


def test_an_empty_ledger_has_a_report_too(tmp_path):
    told = report(ChargeStore(tmp_path / "none"), [], PERIOD, now=NOW)
    assert told["totals"]["usd"] == 0
    assert told["tie_out"]["line"] == "no bills in these days; all cost is metered"
    assert told["energy"]["kwh"] is None
    assert told["month"]["end_usd"] is None
