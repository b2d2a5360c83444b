"""FOCUS files as their senders and their views write them: early versions, closed sets, words for nothing, headers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.bills.tag_texts import tags_json
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import connect
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


def stored(folder, rows, *columns):
    """What the ledger holds of rows in one file; every row is stored."""
    store = ChargeStore(folder / "ledger")
    done = bring_in(store, [write(folder / "bill.csv", rows)], now=NOW, user="ann")
    assert (done.delivery.rows_stored, done.delivery.rows_quarantined) == (len(rows), 0)
    with store.connect() as engine:
        names = ", ".join(f'"{c}"' for c in columns)
        return engine.execute(f"select {names} from {store.rows_sql(store.manifest().parts)}").fetchall()


def test_the_names_of_the_first_version_are_read_as_what_replaced_them(tmp_path):
    row = {
        "BilledCost": "5.00",
        "AmortizedCost": "4.00",
        "BilledCurrency": "EUR",
        "ChargeType": "Purchase",
        "ChargePeriodStart": "2026-01-02",
        "Provider": "AWS",
        "Publisher": "NVIDIA",
        "InvoiceIssuer": "Reseller",
        "Region": "eu-west-1",
    }
    names = ("EffectiveCost", "BillingCurrency", "ChargeCategory", "ServiceProviderName", "HostProviderName")
    found = stored(tmp_path, [row], *names, "InvoiceIssuerName", "RegionId")
    assert found == [(Decimal(4), "EUR", "Purchase", "AWS", "NVIDIA", "Reseller", "eu-west-1")]


@pytest.mark.parametrize(
    ("subcategory", "given", "category", "charge_class", "status"),
    [
        ("On-Demand", "Usage", "Usage", None, None),
        ("Used Commitment", "Usage", "Usage", None, "Used"),
        ("Unused Commitment", "Usage", "Usage", None, "Unused"),
        ("Refund", "Adjustment", "Credit", "Correction", None),
        ("Credit", "Adjustment", "Credit", None, None),
        ("Rounding Error", "Adjustment", "Adjustment", None, None),
    ],
)
def test_subcategories_of_the_preview_become_columns_of_their_own(
    tmp_path, subcategory, given, category, charge_class, status
):
    row = focus(ChargeCategory=given, ChargeSubcategory=subcategory, UsageQuantity="3", UsageUnit="Hours")
    names = ("ChargeCategory", "ChargeClass", "CommitmentDiscountStatus", "ConsumedQuantity", "ConsumedUnit")
    assert stored(tmp_path, [row], *names) == [(category, charge_class, status, Decimal(3), "Hours")]


@pytest.mark.parametrize(
    ("written", "word", "market"),
    [
        ("On-Demand", "Standard", "on_demand"),
        ("standard", "Standard", "on_demand"),
        ("Spot", "Dynamic", "spot"),
        ("Commitment-Based", "Committed", "committed"),
        ("Flat rate", "Flat rate", None),
    ],
)
def test_words_of_a_closed_set_are_read_however_they_are_written(tmp_path, written, word, market):
    found = stored(tmp_path, [focus(PricingCategory=written)], "PricingCategory", "x_Market")
    assert found == [(word, market)]


def test_a_credit_in_small_letters_is_a_credit(tmp_path):
    rows = [focus(), focus(ChargeCategory="CREDIT", BilledCost="-2", EffectiveCost="-2")]
    assert sorted(stored(tmp_path, rows, "ChargeCategory")) == [("Credit",), ("Usage",)]


@pytest.mark.parametrize("word", ["None", "nan", "NaN", r"\N", "<NA>", "#N/A", "NaT", "(null)"])
def test_words_for_nothing_are_nothing_in_every_column(tmp_path, word):
    empty = dict.fromkeys(("ListCost", "ResourceId", "PricingCategory", "ServiceName", "Tags"), word)
    names = ("ListCost", "ResourceId", "PricingCategory", "ServiceName", "Tags", "x_Team")
    assert (None,) * 6 in stored(tmp_path, [focus(), focus(**empty)], *names)


def test_a_view_of_some_columns_is_a_bill(tmp_path):
    row = {"billed_cost": "1.5", "charge_period_start": "2026-01-10 00:00:00 UTC", "service_name": "GPU"}
    assert stored(tmp_path, [row], "BilledCost", "ServiceName") == [(Decimal("1.5"), "GPU")]


@pytest.mark.parametrize(
    "written",
    [
        '[{"Key":"team","Value":"a"},{"Key":"env","Value":"b"}]',
        '[{"TagKey":"team","TagValue":"a"}]',
        '[{"name":"team","value":"a"},{"name":"team","value":"b"}]',
        '[{"team":"a"},{"env":"b"}]',
        '[["team","a"],["env","b"]]',
        '["team=a","env:b"]',
        "{'team': 'a', 'owner': None}",
        "[{'Key': 'team', 'Value': 'a'}]",
        "[('team', 'a'), ('owner', None)]",
        "{team=a, env=b}",
        "team:a,env:b",
        "team: a; env: b",
        "team=a|env=b",
        "team=>a",
        '"team"=>"a", "env"=>"b"',
        'team="a",env="b"',
        '"{\\"team\\":\\"a\\"}"',
        '{""team"":""a""}',
    ],
)
def test_tags_in_the_form_of_every_tool_name_their_owner(written):
    with connect() as engine:
        found = f"json_extract_string({tags_json('written')}, '$.team')"
        assert engine.execute(f"select {found} from (select ? as written)", [written]).fetchone() == ("a",)


@pytest.mark.parametrize(
    ("written", "hour"),
    [
        ("1768003200000000", 0),
        ("1768003200000000000", 0),
        ("1.7680032E9", 0),
        ("2026011005", 5),
        ("20260110T050000Z", 5),
        ("2026-01-10 05:00:00.000 +0000", 5),
        ("2026-01-10 05:00:00 +0000 UTC", 5),
        ("2026-01-10 05:00:00 AM", 5),
        ("1/10/2026 5:00:00 AM +02:00", 3),
        ("01-10-2026 05:00", 5),
        ("Jan 10, 2026, 5:00 AM", 5),
        ("Sat Jan 10 2026 05:00:00 GMT+0000 (Coordinated Universal Time)", 5),
        ("10-JAN-26", 0),
        ("2026.01.10", 0),
    ],
)
def test_moments_of_other_tools_are_read(tmp_path, written, hour):
    row = focus(ChargePeriodStart=written, ChargePeriodEnd="")
    assert stored(tmp_path, [row], "ChargePeriodStart") == [(datetime(2026, 1, 10, hour),)]


def test_dashed_dates_tell_days_from_months_together(tmp_path):
    rows = [focus(ChargePeriodStart=f"{day}-01-2026", ChargePeriodEnd="") for day in ("05", "25")]
    assert sorted(stored(tmp_path, rows, "ChargePeriodStart")) == [
        (datetime(2026, 1, 5),),
        (datetime(2026, 1, 25),),
    ]


@pytest.mark.parametrize(
    "written", ["12.5-", "\u221212.5", "$ -12.50", "12.50 CR", "(USD 12.50)", "US$-12.50"]
)
def test_what_is_less_than_nothing_is_less_in_every_notation(tmp_path, written):
    assert stored(tmp_path, [focus(BilledCost=written)], "BilledCost") == [(Decimal("-12.5"),)]


CONTRACT = {
    "ContractCommitmentId": "cc-1",
    "ContractCommitmentPeriodStart": "2026-01-01T00:00:00Z",
    "ContractCommitmentCost": "100000",
}
INVOICE = {
    "InvoiceDetailId": "d",
    "InvoiceIssueStatus": "Issued",
    "BilledCost": "10",
    "ChargeCategory": "Usage",
}
PERIOD = {"BillingPeriodStart": "2026-01-01T00:00:00Z", "BillingPeriodStatus": "Closed"}


def test_the_other_datasets_of_a_folder_are_left_aside_by_name(tmp_path):
    folder = tmp_path / "delivery"
    folder.mkdir()
    write(folder / "cost_and_usage.csv", [focus()])
    for name, row in {"a_contracts": CONTRACT, "invoice": INVOICE, "z_periods": PERIOD}.items():
        write(folder / f"{name}.csv", [row])
    (folder / "metadata.json").write_text('{"DataGenerator": "NeoCloud"}')
    done = bring_in(ChargeStore(tmp_path / "ledger"), [folder], now=NOW, user="ann")
    assert done.billed == {"USD": 10}
    assert {path.name: what for path, what in done.aside} == {
        "a_contracts.csv": "FOCUS Contract Commitment",
        "invoice.csv": "FOCUS Invoice Detail",
        "z_periods.csv": "FOCUS Billing Period",
    }


def test_a_dataset_without_charges_alone_is_refused_by_name(tmp_path):
    with pytest.raises(BadInput, match="FOCUS Contract Commitment holds no charges"):
        bring_in(ChargeStore(tmp_path / "l"), [write(tmp_path / "c.csv", [CONTRACT])], now=NOW, user="ann")


def test_a_title_over_several_lines_stands_above_the_header(tmp_path):
    bill = write(tmp_path / "bill.csv", [focus()])
    bill.write_text('"A title,\nwhich goes on",,\nGenerated,2026-02-01\n\n' + bill.read_text())
    done = bring_in(ChargeStore(tmp_path / "l"), [bill], now=NOW, user="ann")
    assert done.billed == {"USD": 10}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_western_bytes_that_are_no_utf8_are_read(tmp_path, encoding):
    name = "Größe" if encoding == "latin-1" else "Größe – 5 €"
    bill = write(tmp_path / "bill.csv", [focus(ServiceName=name), focus()], encoding=encoding)
    store = ChargeStore(tmp_path / "l")
    done = bring_in(store, [bill], now=NOW, user="ann")
    assert (done.delivery.rows_stored, done.delivery.rows_quarantined) == (2, 0)
    with store.connect() as engine:
        names = engine.execute(f"select ServiceName from {store.rows_sql(store.manifest().parts)}").fetchall()
    assert (name,) in names


@pytest.mark.parametrize("delimiter", ["\x01", "^"])
def test_rarer_delimiters_are_found(tmp_path, delimiter):
    bill = write(tmp_path / "bill.csv", [focus()], delimiter=delimiter)
    assert bring_in(ChargeStore(tmp_path / "l"), [bill], now=NOW, user="ann").billed == {"USD": 10}


def test_parquet_with_columns_of_json(tmp_path):
    bill = tmp_path / "bill.parquet"
    with connect() as engine:
        engine.execute(
            "copy (select 10.0 as BilledCost, 'USD' as BillingCurrency, 'Usage' as ChargeCategory, "
            "date '2026-01-10' as ChargePeriodStart, cast('{\"team\":\"a\"}' as json) as Tags) "
            f"to '{bill}' (format parquet)"
        )
    done = bring_in(ChargeStore(tmp_path / "l"), [bill], now=NOW, user="ann")
    assert (done.billed, done.unallocated) == ({"USD": 10}, {"USD": 0})
