"""An up-front fee from the bill to the answers: over its term, unused hours with an owner, the invoice untouched."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.store.dimensions import Condition
from shoestring.store.fee_book import FeeTerm, fee_terms
from shoestring.store.focus.export import export_focus
from shoestring.store.reconcile import reconcile
from shoestring.workflows.bills import bring_in, close_month
from shoestring.workflows.fees import moment, spread_fee, stop_spreading
from shoestring.workflows.shared_cost import refresh
from tests.ledger.test_receipt import paid
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 3, 3, tzinfo=UTC)
FEE = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), "1000.01")


def purchase(**changes):
    told = {"ChargeCategory": "Purchase", "ChargeFrequency": "One-Time", "ResourceId": "cr-1",
            "ChargePeriodStart": "2026-01-30T00:00:00Z", "ChargePeriodEnd": "2026-01-31T00:00:00Z",
            "CapacityReservationId": "", "Tags": '{"team": "platform"}'}  # fmt: skip
    return focus(**(FEE | told | changes))


def use(team, begin, end, **changes):
    nothing = dict.fromkeys(FEE, "0")
    told = {"ResourceId": f"i-{team}", "CapacityReservationId": "cr-1", "CapacityReservationStatus": "Used",
            "ChargePeriodStart": begin, "ChargePeriodEnd": end, "Tags": f'{{"team": "{team}"}}'}  # fmt: skip
    return focus(**(nothing | told | changes))


ROWS = [
    purchase(),
    use("vision", "2026-01-31T00:00:00Z", "2026-01-31T12:00:00Z"),
    use("nlp", "2026-02-01T00:00:00Z", "2026-02-01T06:00:00Z"),
]
TERM = FeeTerm(
    at=NOW,
    user="ann",
    id="cr-1",
    start=datetime(2026, 1, 31, tzinfo=UTC),
    end=datetime(2026, 2, 2, tzinfo=UTC),
)


def ledger(folder, rows=ROWS):
    store = ChargeStore(folder / "ledger")
    bring_in(store, [write(folder / "january.csv", rows)], now=NOW, user="ann")
    return store


def usd(store, *by, metric="effective", **where):
    conditions = tuple(Condition(dimension=k, operator="=", value=v) for k, v in where.items())
    return {row.keys: row.usd for row in ask(store, Question(by=by, metric=metric, where=conditions)).rows}


def test_the_fee_goes_to_the_days_and_teams_that_used_it(tmp_path):
    store = ledger(tmp_path)
    before = usd(store, "month", metric="billed")
    made = spread_fee(store, TERM)
    assert made.fee_usd == Decimal("1000.01")
    assert made.unused_usd == Decimal("625.00625")  # 30 of 48 hours
    assert usd(store, "day") == {
        ("2026-01-30",): 0, ("2026-01-31",): Decimal("500.005"), ("2026-02-01",): Decimal("500.005"),
    }  # fmt: skip
    assert usd(store, "team") == {
        ("platform",): Decimal("625.00625"), ("vision",): Decimal("250.0025"), ("nlp",): Decimal("125.00125"),
    }  # fmt: skip
    answer = ask(store, Question(by=("team",)))
    assert answer.unused_usd == made.unused_usd and answer.total_usd == Decimal("1000.01")
    billed = usd(store, "month", metric="billed")
    assert billed == before == {("2026-01",): Decimal("1000.01"), ("2026-02",): 0}


def test_undone_the_fee_is_back_on_its_day_and_again_changes_nothing(tmp_path):
    store = ledger(tmp_path)
    before = usd(store, "day", "team")
    spread_fee(store, TERM)
    generation = store.manifest().generation
    refresh(store)
    assert store.manifest().generation == generation
    stop_spreading(store, "cr-1", user="bob", now=NOW, why="wrong term")
    assert usd(store, "day", "team") == before and fee_terms(store.folder) == ()
    with pytest.raises(BadInput, match="not spread"):
        stop_spreading(store, "cr-1", user="bob", now=NOW, why="")


def test_a_newer_bill_is_spread_by_itself(tmp_path):
    store = ledger(tmp_path)
    spread_fee(store, TERM)
    bring_in(
        store,
        [write(tmp_path / "newer.csv", [purchase(**dict.fromkeys(FEE, "480")), *ROWS[1:]])],
        now=NOW,
        user="a",
    )
    refresh(store)
    assert usd(store, "day") == {("2026-01-30",): 0, ("2026-01-31",): 240, ("2026-02-01",): 240}


@pytest.mark.parametrize(
    ("rows", "changes", "told"),
    [
        (ROWS, {"id": "cr-2"}, "no up-front fee"),
        ([purchase(EffectiveCost="0")], {}, "no up-front fee"),
        ([purchase(ChargeFrequency="Recurring")], {}, "no up-front fee"),
        (
            [*ROWS, use("vision", "2026-01-31T00:00:00Z", "2026-01-31T01:00:00Z", EffectiveCost="3")],
            {},
            "by itself",
        ),
        (ROWS, {"end": TERM.start}, "is not after"),
        (ROWS, {"machines": 0}, "one or more"),
    ],
)
def test_what_is_no_fee_or_no_term_is_refused(tmp_path, rows, changes, told):
    from dataclasses import replace

    store = ledger(tmp_path, rows)
    before = usd(store, "day")
    with pytest.raises(BadInput, match=told):
        spread_fee(store, replace(TERM, **changes))
    assert usd(store, "day") == before and fee_terms(store.folder) == ()


def test_a_closed_month_stays_as_it_is(tmp_path):
    store = ledger(tmp_path)
    close_month(store, "2026-01", None, now=NOW, user="ann")
    with pytest.raises(BadInput, match="2026-01 is closed"):
        spread_fee(store, TERM)


def test_our_own_run_on_the_reserved_machines_is_billed_by_the_fee(tmp_path):
    term = FeeTerm(at=NOW, user="ann", id="cr-1", start=datetime(2026, 1, 1, tzinfo=UTC),
                   end=datetime(2026, 1, 2, tzinfo=UTC), resources=("t1", "t2"))  # fmt: skip
    store = ledger(tmp_path, [purchase(**dict.fromkeys(FEE, "24"))])
    book_run(store, paid(), state="a", now=NOW, user="ann")
    spread_fee(store, term)
    assert [d.billed for d in reconcile(store).runs] == [True]
    assert usd(store, "run") == {("r1",): 2, (None,): 22}  # two of 24 hours
    assert usd(store, "team")[("vision",)] == 2


def test_an_export_with_spread_fees_ties_out(tmp_path):
    store = ledger(tmp_path)
    spread_fee(store, TERM)
    export_focus(store, tmp_path / "out.csv", version="1.4")
    again = ChargeStore(tmp_path / "again")
    bring_in(again, [tmp_path / "out.csv"], now=NOW, user="ann")
    assert usd(again, "day", "team") == usd(store, "day", "team")


@pytest.mark.parametrize(
    ("text", "hour"), [("2026-11-02", 0), ("2026-11-02T11:30", 11), ("2026-11-02T11:30+02:00", 9)]
)
def test_moments_are_utc(text, hour):
    assert moment(text, "--since").hour == hour


def test_what_is_no_moment_is_refused():
    with pytest.raises(BadInput, match="--since"):
        moment("monday", "--since")
