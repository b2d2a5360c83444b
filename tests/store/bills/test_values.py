"""Single values, however they are written: moments, words for nothing, currencies, columns given twice."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import AZURE, GCP, focus, write
from tests.store.bills.shapes import parquet

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bring(store, path, **kwargs):
    done = bring_in(store, [path], now=NOW, user="ann", **kwargs)
    d = done.delivery
    assert d.rows_in == d.rows_stored + d.rows_quarantined
    return done


@pytest.mark.parametrize("nothing", ["N/A", "-", "None", "n/a", "NULL"])
def test_words_for_no_amount_cost_a_row_nothing_where_an_amount_may_lack(store, tmp_path, nothing):
    row = focus(EffectiveCost=nothing, ListCost=nothing, PricingQuantity=nothing)
    done = bring(store, write(tmp_path / "bill.csv", [row]))
    assert (done.delivery.rows_stored, done.effective) == (1, {"USD": 10})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1/10/2026 0:00", (10, 0)),
        ("01/10/2026 1:30 PM", (10, 13)),
        ("10.01.2026", (10, 0)),
        ("Jan 10, 2026", (10, 0)),
        ("2026/01/10", (10, 0)),
        ("10 Jan 2026", (10, 0)),
        ("Sat, 10 Jan 2026 05:00:00 GMT", (10, 5)),
        ("1768003200", (10, 0)),
        ("1768003200000", (10, 0)),
        ("46032", (10, 0)),
        ("46032.25", (10, 6)),
        ("2026-01", (1, 0)),
        ("2026-01-10 02:00:00+01:00", (10, 1)),
    ],
)
def test_moments_are_read_however_they_are_written(store, tmp_path, text, moment):
    bring(store, write(tmp_path / "bill.csv", [focus(ChargePeriodStart=text, ChargePeriodEnd="")]))
    with store.connect() as engine:
        (start,) = engine.execute(
            f"select ChargePeriodStart from {store.rows_sql(store.manifest().parts)}"
        ).fetchone()
    assert (start.year, start.month, start.day, start.hour) == (2026, 1, *moment)


@pytest.mark.parametrize(
    "less", ["\u221210.50", "10.50-", "$10.50-", "10.50- USD", "-10.50", "(10.50)", "1,010.50-"]
)
def test_a_minus_is_one_wherever_it_stands_and_however_it_is_printed(store, tmp_path, less):
    done = bring(store, write(tmp_path / "bill.csv", [focus(BilledCost=less)]))
    assert done.billed == {"USD": Decimal("-1010.50" if "1,0" in less else "-10.50")}


def test_thousands_may_be_parted_by_spaces_that_do_not_break(store, tmp_path):
    rows = [focus(BilledCost=f"1{space}010,50") for space in "\u00a0\u202f "]
    rows.append(focus(BilledCost="1 000"))
    assert bring(store, write(tmp_path / "bill.csv", rows)).billed == {"USD": Decimal("4031.50")}


@pytest.mark.parametrize("year", ["0026", "1026", "9026"])
def test_a_year_that_nobody_means_is_no_moment(store, tmp_path, year):
    row = focus(ChargePeriodStart=f"{year}-01-10", ChargePeriodEnd="")
    assert bring(store, write(tmp_path / "bill.csv", [row])).delivery.rows_quarantined == 1


@pytest.mark.parametrize("name", ["BilledCost", "billed_cost", "Billed Cost"])
def test_an_amount_that_stands_there_twice_is_refused(store, tmp_path, name):
    path = write(tmp_path / "bill.csv", [focus()])
    lines = path.read_text().splitlines()
    path.write_text(f"{lines[0]},{name}\n{lines[1]},99\n")
    with pytest.raises(BadInput, match="which is meant"):
        bring(store, path)


def test_a_currency_is_the_same_with_spaces_and_small_letters(store, tmp_path):
    assert bring(store, write(tmp_path / "bill.csv", [focus(BillingCurrency="usd ")])).billed == {"USD": 10}


def test_a_cost_with_commas_never_loses_its_credits_or_its_commitment(store, tmp_path):
    d = bring(store, write(tmp_path / "gcp.csv", [GCP[0] | {"cost": "1,010.50"}])).delivery
    assert (d.rows_stored, d.rows_quarantined) == (0, 1)
    row = AZURE[0] | {"CostInBillingCurrency": "1,010.50", "PricingModel": "Reservation"}
    done = bring(store, write(tmp_path / "azure.csv", [row]))
    assert (done.billed, done.effective) == ({"EUR": 0}, {"EUR": 1010.5})


def test_where_points_are_decimal_a_comma_parts_thousands(store, tmp_path):
    rows = [
        focus(BilledCost=t, EffectiveCost="2", ListCost="", ContractedCost="") for t in ("10.50", "1,234")
    ]
    assert bring(store, write(tmp_path / "bill.csv", rows)).billed == {"USD": Decimal("1244.50")}
    rows[0] |= {"BilledCost": "10"}
    d = bring(store, write(tmp_path / "either.csv", rows)).delivery
    assert (d.rows_stored, d.rows_quarantined) == (1, 1)


def test_decimal_commas_are_a_habit_of_a_parquet_file_of_texts_too(store, tmp_path):
    rows = [
        focus(BilledCost=t, EffectiveCost="2,5", ListCost="", ContractedCost="") for t in ("10,125", "1.234")
    ]
    assert bring(store, parquet(tmp_path / "bill.parquet", rows)).billed == {"USD": Decimal("1244.125")}


def test_decimal_commas_are_a_habit_of_the_whole_file(store, tmp_path):
    rows = [
        focus(BilledCost=t, EffectiveCost="2", ListCost="", ContractedCost="") for t in ("10,50", "1.234")
    ]
    done = bring(store, write(tmp_path / "bill.csv", rows, delimiter=";"))
    assert done.billed == {"USD": 1244.5}
    rows.append(focus(BilledCost="0.75", ListCost="", ContractedCost=""))
    done = bring(store, write(tmp_path / "mixed.csv", rows, delimiter=";"))
    assert done.billed == {"USD": Decimal("12.484")}  # both habits: each amount for itself
