"""A verdict from the claim to the savings, and the claims that are none."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput, NotFound, QualityNotShown
from shoestring.domain.run import Heartbeat, RunState
from shoestring.domain.units import money
from shoestring.ledger.levers import work_of
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.store.lever_book import verdicts
from shoestring.workflows.levers import Claim, levers_in, record_lever, undo_lever
from shoestring.workflows.savings import savings, savings_json
from shoestring.workflows.savings_chain import chains_json, savings_chains
from tests.app.report_making import NOW, run

CLAIM = Claim(
    run_id="pruned", kind="data", what="60 % of the examples", against="whole", metric="accuracy", why="trial"
)


def finished(run_id, accuracy, *, end=None, state=RunState.SUCCEEDED, **metrics):
    """A run of three lives; ``end`` cuts the useful part of the last one, in seconds."""
    told = run(2, run_id=run_id, state=state)
    last = told.attempts[-1]
    beat = Heartbeat(at=last.attempt.observation.heartbeat.at, step=300,
                     metrics={"accuracy": accuracy, **metrics} if accuracy is not None else metrics)  # fmt: skip
    attempt = replace(last.attempt, observation=replace(last.attempt.observation, heartbeat=beat))
    told = replace(told, attempts=(*told.attempts[:-1], replace(last, attempt=attempt)))
    if end is None:
        return told
    usage = tuple(
        replace(u, parts=tuple(replace(p, end=min(p.end, p.start + timedelta(seconds=end))) for p in u.parts))
        for u in told.usage
    )
    return replace(told, usage=usage)


WHOLE, PRUNED = finished("whole", 0.91), finished("pruned", 0.92, end=900, epoch=7.0)


@pytest.fixture
def store(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    for told in (WHOLE, PRUNED):
        book_run(store, told, state="a", now=NOW, user="ann")
    return store


def claim(store, receipts=(WHOLE, PRUNED), **changes):
    return record_lever(store, receipts, replace(CLAIM, **changes), now=NOW, user="ann")


def test_a_verdict_is_kept_with_everything_that_it_rests_on(store):
    made = claim(store)
    assert verdicts(store.folder) == (made,)
    assert made.usd > 0 and made.low_usd <= made.usd <= made.high_usd
    assert (made.reference_run, made.basis, made.user) == ("whole", "METERED", "ann")
    assert (made.quality.value, made.quality.reference) == (0.92, 0.91)


def test_it_is_avoided_and_on_no_bill(store):
    before = savings(store, [WHOLE, PRUNED])
    made = claim(store)
    after = savings(store, [WHOLE, PRUNED])
    assert (after.realized, after.avoided) == (before.realized, before.avoided)
    told = savings_json(after)["avoided"]["levers"]
    assert told["usd"] == float(made.usd) and told["verdicts"][0]["quality"]["given_up"] == -0.01


def test_the_chain_takes_it_off_behind_spot_and_still_ends_at_what_was_paid(store):
    before = savings_chains(store, since=None, until=None)
    assert chains_json(before)["data_and_model_usd"] is None
    made = claim(store)
    after = savings_chains(store, since=None, until=None)
    assert after.total.data_lever_usd == made.usd and after.total.model_lever_usd == 0
    for old, new in zip((before.total, *before.runs), (after.total, *after.runs), strict=True):
        assert old.paid_usd == new.paid_usd == sum(new.steps.values())
        assert (old.list_usd, old.spot_usd) == (new.list_usd, new.spot_usd)
    steps = list(after.total.steps)
    assert steps.index("spot") < steps.index("data levers") < steps.index("lost work")
    assert [c.data_lever_usd for c in after.runs if c.run_id == "whole"] == [0]


def test_undone_it_is_in_no_sum_and_may_be_recorded_anew(store):
    claim(store)
    with pytest.raises(BadInput, match="has a verdict already"):
        claim(store, kind="model")
    undo_lever(store, "pruned", why="wrong reference", now=NOW, user="bob")
    assert verdicts(store.folder) == ()
    with pytest.raises(NotFound, match="no verdict"):
        undo_lever(store, "pruned", why="", now=NOW, user="bob")
    assert claim(store, kind="model").kind == "model"
    lines = (store.folder / "levers.jsonl").read_text()
    assert lines.count("\n") == 3 and "wrong reference" in lines and "bob" in lines


def test_a_torn_line_is_passed_over(store):
    made = claim(store)
    with (store.folder / "levers.jsonl").open("a") as file:
        file.write('{"what": "withdraw", "run": "pru')
    assert verdicts(store.folder) == (made,)


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "bleu"},
        {"against": "10 USD"},
        {"against": "10 USD", "reference_quality": 0.9},
        {"reference_quality": 0.93, "source": "paper"},
        {"reference_quality": float("nan"), "source": "paper"},
    ],
    ids=["no such metric", "no reference", "no source", "worse", "not a number"],
)
def test_without_shown_quality_nothing_is_booked(store, changes):
    with pytest.raises(QualityNotShown):
        claim(store, **changes)
    assert verdicts(store.folder) == ()


def test_a_loss_of_quality_has_to_be_agreed_on(store):
    worse = finished("pruned", 0.90, end=900)
    with pytest.raises(QualityNotShown, match="worse by more than 0"):
        claim(store, (WHOLE, worse))
    assert float(claim(store, (WHOLE, worse), tolerance=0.01).quality.given_up) == 0.01


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"against": "nobody"}, NotFound),
        ({"run_id": "nobody"}, NotFound),
        ({"against": "pruned"}, BadInput),
        ({"kind": "magic"}, BadInput),
        ({"why": " "}, BadInput),
        ({"what": ""}, BadInput),
        ({"tolerance": -1.0}, BadInput),
        ({"tolerance": float("nan")}, BadInput),
        ({"range_usd": (Decimal(1), Decimal(2))}, BadInput),
        ({"run_id": "whole", "against": "pruned", "tolerance": 1.0}, BadInput),
        ({"spent_usd": Decimal(1000)}, BadInput),
        ({"against": "5 epochs", "reference_quality": 0.9, "source": "x"}, BadInput),
        ({"against": "900 tokens", "reference_quality": 0.9, "source": "x"}, BadInput),
        ({"against": "10 USD", "range_usd": (Decimal(11), Decimal(12)), "reference_quality": 0.9,
          "source": "x"}, BadInput),
    ],
)  # fmt: skip
def test_what_is_no_comparison_or_no_saving_is_refused(store, changes, error):
    with pytest.raises(error):
        claim(store, **changes)
    assert verdicts(store.folder) == ()


def test_only_finished_runs_are_compared(store):
    with pytest.raises(BadInput, match="is failed"):
        claim(store, (finished("whole", 0.91, state=RunState.FAILED), PRUNED))


def test_an_early_end_is_valued_by_what_was_planned(store):
    made = claim(store, against="20 epochs", kind="model", reference_quality=0.9, source="the last release")
    assert made.counterfactual == "20 epochs as planned, 7 done" and made.reference_run is None
    assert made.hours_saved == pytest.approx(float(work_of(PRUNED).useful_h) * 13 / 7)


def test_stated_dollars_say_so_and_have_a_range_from_nothing(store):
    made = claim(
        store, against="120 USD", reference_quality=0.9, source="last year's run", spent_usd=Decimal(20)
    )
    assert (made.basis, made.hours_saved) == ("STATED", None)
    assert (made.low_usd, made.usd, made.high_usd) == (money(-20), money(100), money(100))


def test_days_choose_by_the_runs_end(store):
    made = claim(store)
    day = made.run_ended.date()
    assert levers_in(store, day, None) == levers_in(store, None, day + timedelta(days=1)) == (made,)
    assert levers_in(store, day + timedelta(days=1), None) == levers_in(store, None, day) == ()
