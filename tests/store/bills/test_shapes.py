"""Every family of bills in every shape it is delivered in: all rows in, to the cent, with their labels."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in, files_of, tie_out
from tests.store.bills import shapes
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
MAPS = ("product", "resource_tags", "cost_category", "discount")


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bring(store, *paths, **kwargs):
    return bring_in(store, paths, now=NOW, user="ann", **kwargs)


def by(store, *names, metric="billed"):
    return {row.keys: row.usd for row in ask(store, Question(by=names, metric=metric)).rows}


def whole(done, rows):
    d = done.delivery
    assert (d.rows_in, d.rows_stored, d.rows_quarantined) == (rows, rows, 0)


CUR = {
    "2.0 csv": lambda folder: shapes.cur2_csv(folder / "cur.csv"),
    "2.0 parquet with maps": lambda folder: shapes.parquet(
        folder / "c.parquet", shapes.cur_rows(), maps=MAPS
    ),
    "2.0 json lines": lambda folder: shapes.json_lines(folder / "cur.jsonl.gz", shapes.cur_rows()),
    "legacy csv": lambda folder: shapes.legacy_csv(folder / "cur.csv"),
}


@pytest.mark.parametrize("make", CUR.values(), ids=CUR)
def test_an_aws_report_in_any_shape_is_the_same_bill(store, tmp_path, make):
    done = bring(store, make(tmp_path))
    whole(done, 12)
    assert done.billed == {"USD": Decimal("93.50")}
    assert done.effective == {"USD": Decimal("93.00")}
    assert tie_out(done, Decimal("93.50")).startswith("imported 93.50 USD = invoice 93.50; 0% unallocated;")
    assert by(store, "team", "project", "experiment") == {
        ("speech", "voice", "asr-7"): 90,
        (None, "voice", None): Decimal("4.5"),
        (None, None, None): -1,
    }
    services = {service for (service,) in by(store, "service")}
    assert services >= {"Amazon Elastic Compute Cloud", "Amazon SageMaker"}
    assert (
        by(store, "commitment", metric="effective")[("Unused",)] == 5
    )  # 3 of the plan, 2 of the reservation
    assert ask(store, Question(by=(), metric="list")).total_usd == Decimal(
        "168.00"
    )  # a discount lowers no list price
    assert ask(store, Question(by=())).credit_usd == -4


def test_hyperpod_is_found_under_sagemaker_with_its_machine(store, tmp_path):
    bring(store, shapes.cur2_csv(tmp_path / "cur.csv"))
    with store.connect() as engine:
        (machine,) = engine.execute(
            f"select ResourceType from {store.rows_sql(store.manifest().parts)} "
            "where ServiceName = 'Amazon SageMaker'"
        ).fetchone()
    assert machine == "ml.p4d.24xlarge"


def test_a_pods_share_adds_no_money_and_names_its_machine(store, tmp_path):
    bring(store, shapes.parquet(tmp_path / "cur.parquet", shapes.cur_rows(), maps=MAPS))
    with store.connect() as engine:
        rows = engine.execute(
            "select BilledCost, EffectiveCost, AllocatedResourceId, x_Source_split_line_item_split_cost "
            f"from {store.rows_sql(store.manifest().parts)} where AllocatedMethodId is not null"
        ).fetchall()
    assert rows == [(0, 0, "i-1", "3.0")]


GCP = {
    "json lines": lambda folder: shapes.json_lines(folder / "gcp.json", shapes.gcp_rows()),
    "nested parquet": lambda folder: shapes.parquet(folder / "gcp.parquet", shapes.gcp_rows()),
    "flat csv": lambda folder: write(folder / "g.csv", [shapes.gcp_flat(r) for r in shapes.gcp_rows()]),
    "flat csv, underscores": lambda folder: write(
        folder / "g.csv", [shapes.gcp_flat(r, "_") for r in shapes.gcp_rows()]
    ),
}


@pytest.mark.parametrize("make", GCP.values(), ids=GCP)
def test_a_google_export_in_any_shape_is_the_same_bill(store, tmp_path, make):
    done = bring(store, make(tmp_path))
    whole(done, 4)
    assert done.billed == {"USD": Decimal("12.25")}
    assert by(store, "team", "experiment") == {("nlp", "gpt-tiny"): 8, (None, None): Decimal("4.25")}
    assert by(store, "charge") == {("Usage",): 13, ("Tax",): Decimal("1.25"), ("Adjustment",): -2}
    with store.connect() as engine:
        tags, zone, name = engine.execute(
            "select Tags, AvailabilityZone, ResourceName "
            f"from {store.rows_sql(store.manifest().parts)} where x_Team = 'nlp'"
        ).fetchone()
    assert (zone, name) == ("us-central1-a", "vm-1")
    assert json.loads(tags)["env"] == "prod"  # Google's own tags beside the labels


@pytest.mark.parametrize("credit", ['[{"name": "x", "amount": "much"}]', "[{]", '[{"name": "x"}]'])
def test_a_credit_that_can_not_be_read_is_no_row_without_credits(store, tmp_path, credit):
    row = shapes.gcp_flat(shapes.GCP_NESTED) | {"credits": credit}
    d = bring(store, write(tmp_path / "gcp.csv", [row])).delivery
    assert (d.rows_stored, d.rows_quarantined) == (0, 1)
    assert "BilledCost can not be read: credits" in (store.folder / d.quarantine).read_text()


@pytest.mark.parametrize(
    "header", [shapes.AZURE_EA, shapes.AZURE_MCA], ids=["enterprise", "customer agreement"]
)
def test_azure_actual_is_billed_and_amortized_is_effective(store, tmp_path, header):
    done = bring(store, shapes.azure(tmp_path / "actual.csv", header, amortized=False))
    whole(done, 5)
    assert done.billed == done.effective == {"EUR": 104}
    done = bring(store, shapes.azure(tmp_path / "amortized.csv", header, amortized=True))
    whole(done, 5)
    assert (done.billed, done.effective) == ({"EUR": 4}, {"EUR": 44})


def test_azure_prices_are_for_blocks_of_units(store, tmp_path):
    rates = tmp_path / "rates.csv"
    rates.write_text("currency,day,usd_per_unit\nEUR,2026-01-01,1\n")
    bring(store, shapes.azure(tmp_path / "a.csv", shapes.AZURE_EA, amortized=False), rates=rates)
    assert by(store, "market", metric="list")[("spot",)] == 8  # 200 hours at 4 for 100
    assert by(store, "market", metric="contracted")[("spot",)] == 6


def test_both_azure_exports_together_are_one_month(store, tmp_path):
    actual = shapes.azure(tmp_path / "actual.csv", shapes.AZURE_MCA, amortized=False)
    amortized = shapes.azure(tmp_path / "amortized.csv", shapes.AZURE_MCA, amortized=True)
    done = bring(store, amortized, actual)
    whole(done, 10)
    assert (done.billed, done.effective) == ({"EUR": 104}, {"EUR": 44})
    with store.connect() as engine:
        (hours,) = engine.execute(
            f"select sum(ConsumedQuantity) from {store.rows_sql(store.manifest().parts)} where x_Market = 'spot'"
        ).fetchone()
    assert hours == 200


def test_an_azure_file_of_neither_kind_beside_both_is_asked_about(store, tmp_path):
    files = [
        shapes.azure(tmp_path / f"{name}.csv", shapes.AZURE_EA, amortized=kind)
        for name, kind in (("actual", False), ("amortized", True), ("third", False))
    ]
    kept = [
        line for line in files[2].read_text().splitlines() if "Reservation" not in line or "MeterId" in line
    ]
    files[2].write_text("\n".join(kept) + "\n")
    with pytest.raises(BadInput, match="an actual or an amortized export"):
        bring(store, *files)


def test_opencost_csv_and_api_say_the_same(store, tmp_path):
    table = tmp_path / "opencost.csv"
    table.write_text(shapes.OPENCOST_CSV)
    whole(bring(store, table, currency="USD"), 3)
    assert by(store, "team", "project", "part") == {
        ("nlp", "research", None): Decimal("9.25"),
        (None, None, "idle"): Decimal("0.75"),
    }
    other = ChargeStore(tmp_path / "other")
    done = bring(other, shapes.opencost_json(tmp_path / "allocation.json"), currency="USD")
    whole(done, 4)
    assert done.billed == {"USD": 10}
    assert by(other, "day", "part") == {
        (f"2026-01-0{day}", part): amount
        for day in (7, 8)
        for part, amount in ((None, Decimal("4.1")), ("idle", Decimal("0.9")))
    }
    hours = [row.accelerator_hours for row in ask(other, Question(by=("part",))).rows if row.keys[0] is None]
    assert hours == [4]


def test_focus_as_a_json_list_of_records(store, tmp_path):
    rows = [focus(), focus(BilledCost=1.25, Tags={"team": "nlp"}), focus(BilledCost="x")]
    (tmp_path / "focus.json").write_text(json.dumps(rows))
    d = bring(store, tmp_path / "focus.json").delivery
    assert (d.rows_stored, d.rows_quarantined) == (2, 1)
    assert by(store, "team") == {("vision",): 10, ("nlp",): Decimal("1.25")}


def test_a_line_that_is_no_json_is_quarantined(store, tmp_path):
    path = shapes.json_lines(tmp_path / "f.jsonl", [focus(), focus(ResourceId="i-2")])
    path.write_text(path.read_text() + '{"BilledCost": 3,\n')
    d = bring(store, path).delivery
    assert (d.rows_in, d.rows_stored, d.rows_quarantined) == (3, 2, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "without a charge"),
        ('{"data": [', "broken JSON"),
        ("[" * 100_000, "broken JSON"),
        ('[{"a": 1}, {"b": 2}]', "without a charge"),
        ("[]", "without a charge"),
    ],
)
def test_json_that_is_no_bill_is_refused(store, tmp_path, text, says):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(BadInput, match=says):
        bring(store, tmp_path / "x.json")


def test_a_folder_is_the_files_in_it(store, tmp_path):
    month = tmp_path / "BILLING_PERIOD=2026-01"
    month.mkdir()
    rows = shapes.cur_rows()
    for number in range(3):
        part = rows[number * 4 : number * 4 + 4]
        shapes.json_lines(month / f"report-0000{number}.json.gz", part)
    (month / "report-Manifest.json").write_text("{}")
    (month / ".hidden.csv").write_text("x")
    assert len(files_of(month)) == 3
    assert bring(store, month).billed == {"USD": Decimal("93.50")}
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no bill files"):
        files_of(tmp_path / "empty")


@pytest.mark.parametrize(
    ("kind", "billed"), [("float", "0.1"), ("varchar", "0.1"), ("decimal(20, 9)", "0.1")]
)
def test_money_of_any_type_is_read_as_it_is_written(store, tmp_path, kind, billed):
    import duckdb

    table = write(tmp_path / "t.csv", [focus(BilledCost="0.1")])
    with duckdb.connect() as engine:
        engine.execute(
            f"copy (select * replace (cast(BilledCost as {kind}) as BilledCost, cast(EffectiveCost as double) "
            f"as EffectiveCost) from read_csv('{table}', all_varchar = true)) to '{tmp_path}/b.parquet'"
        )
    assert bring(store, tmp_path / "b.parquet").billed == {"USD": Decimal(billed)}
