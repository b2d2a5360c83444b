"""Archives, patterns, files that are no bills, and dates whose order a file itself tells."""

import bz2
import json
import lzma
import zipfile
from datetime import UTC, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.bills import unpack
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write
from tests.store.bills.shapes import json_lines, parquet

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bring(store, path, **kwargs):
    return bring_in(store, [path], now=NOW, user="ann", **kwargs)


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress], ids=["bzip2", "xz"])
def test_a_packed_file_is_read(store, tmp_path, pack):
    plain = write(tmp_path / "b.csv", [focus(), focus(ServiceName="two\nlines")])
    packed = tmp_path / "b.csv.packed"
    packed.write_bytes(pack(plain.read_bytes()))
    assert bring(store, packed).billed == {"USD": 20}
    assert bring(store, packed).delivery is None  # the same file twice changes nothing
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(BadInput, match="can't be unpacked"):
        bring(store, packed)


def test_zstandard_is_read(store, tmp_path):
    import duckdb

    plain = write(tmp_path / "b.csv", [focus(), focus(ServiceName='two\nlines, "quoted"')])
    with duckdb.connect() as engine:
        engine.execute(
            f"copy (from read_csv('{plain}', all_varchar = true)) to '{tmp_path}/b.csv.zst' "
            "(format csv, header, compression zstd)"
        )
    done = bring(store, tmp_path / "b.csv.zst")
    assert (done.delivery.rows_stored, done.billed) == (2, {"USD": 20})


def test_a_zip_is_the_bills_in_it(store, tmp_path):
    one = write(tmp_path / "1.csv", [focus()]).read_text()
    two = write(tmp_path / "2.csv", [focus(ResourceId="i-2")]).read_text()
    members = {
        "a/part.csv": one,
        "b/part.csv": two,
        "../../evil.csv": one,
        "Manifest.json": "{}",
        "x.txt": "?",
    }
    done = bring(store, zipped(tmp_path / "b.zip", members | {"__MACOSX/._part.csv": "?"}))
    assert (done.delivery.rows_stored, done.billed) == (2, {"USD": 20})  # one of them twice
    assert not list(tmp_path.parent.glob("evil*"))


def test_a_bomb_is_given_up(store, tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "ALWAYS_FINE", 1 << 20)
    bomb = zipped(tmp_path / "b.zip", {"b.csv": b"0" * 30_000_000})
    with pytest.raises(BadInput, match="far more than a bill"):
        bring(store, bomb)
    assert not list((tmp_path / "ledger").rglob("b.csv"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7", "a PDF"),
        (b"<?xml version='1.0'?><Error/>", "error page"),
        (b"Obj\x01x", "Avro"),
        (b"version https://git-lfs.github.com/spec/v1", "pointer"),
        (b"\xd0\xcf\x11\xe0", "Excel"),
    ],
)
def test_what_is_no_bill_is_called_by_its_name(store, tmp_path, data, says):
    path = tmp_path / "bill.csv"
    path.write_bytes(data)
    with pytest.raises(BadInput, match=says) as refused:
        bring(store, path)
    assert refused.value.next_step


def test_a_workbook_and_an_archive_without_bills_are_refused(store, tmp_path):
    with pytest.raises(BadInput, match="workbook"):
        bring(store, zipped(tmp_path / "b.xlsx", {"xl/workbook.xml": "<x/>"}))
    with pytest.raises(BadInput, match="0 bill files"):
        bring(store, zipped(tmp_path / "c.zip", {"readme.txt": "?"}))


def test_a_pattern_stands_for_its_files(store, tmp_path):
    for n in range(3):
        write(tmp_path / f"part-{n}.csv", [focus(ResourceId=f"i-{n}")])
    assert bring(store, tmp_path / "part-*.csv").delivery.rows_stored == 3
    with pytest.raises(BadInput, match="no bill files"):
        bring(store, tmp_path / "none-*.csv")


def test_a_document_on_one_line_is_read(store, tmp_path):
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"value": [focus(), focus(ResourceId="i-2")], "nextLink": None}))
    assert bring(store, path).billed == {"USD": 20}


def starts(store):
    with store.connect() as engine:
        sql = f"select ChargePeriodStart from {store.rows_sql(store.manifest().parts)} order by 1"
        return [(t.month, t.day) for (t,) in engine.execute(sql).fetchall()]


@pytest.mark.parametrize(
    "put", [("csv", write), ("parquet", parquet), ("jsonl", json_lines)], ids=lambda p: p[0]
)
@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (["25/01/2026", "05/01/2026"], [(1, 5), (1, 25)]),
        (["01/25/2026", "01/05/2026"], [(1, 5), (1, 25)]),
        (["05/03/2026", "06/03/2026"], [(3, 5), (3, 6)]),
        (["3/5/26", "3/6/26"], [(3, 5), (3, 6)]),
    ],
)
def test_the_order_of_day_and_month_follows_from_all_dates(store, tmp_path, put, dates, found):
    rows = [
        focus(ChargePeriodStart=d, ChargePeriodEnd=None, BillingPeriodStart=None, BillingPeriodEnd=None)
        for d in dates
    ]
    bring(store, put[1](tmp_path / f"bill.{put[0]}", rows))
    assert starts(store) == found


@pytest.mark.parametrize(
    ("begins", "dates", "found"),
    [
        ("4/1/2026", ("4/1/2026", "5/1/2026"), [(4, 1), (5, 1)]),
        ("01/04/2026", ("02/04/2026", "03/04/2026"), [(4, 2), (4, 3)]),
    ],
)
def test_a_billing_period_begins_on_the_first(store, tmp_path, begins, dates, found):
    rows = [
        focus(ChargePeriodStart=d, ChargePeriodEnd="", BillingPeriodStart=begins, BillingPeriodEnd="")
        for d in dates
    ]
    bring(store, write(tmp_path / "bill.csv", rows))
    assert starts(store) == found


@pytest.mark.parametrize("dates", [("4/1/2026", "5/1/2026"), ("01/04/2026", "01/05/2026")])
def test_firsts_of_months_or_days_of_one_are_asked_about(store, tmp_path, dates):
    rows = [
        focus(ChargePeriodStart=d, ChargePeriodEnd="", BillingPeriodStart="", BillingPeriodEnd="")
        for d in dates
    ]
    with pytest.raises(BadInput, match="day or with the month"):
        bring(store, write(tmp_path / "bill.csv", rows))


def test_dates_that_could_be_either_are_asked_about(store, tmp_path):
    row = focus(
        ChargePeriodStart="05/02/2026", ChargePeriodEnd="", BillingPeriodStart="", BillingPeriodEnd=""
    )
    path = write(tmp_path / "bill.csv", [row])
    with pytest.raises(BadInput, match="day or with the month") as refused:
        bring(store, path)
    assert "--date-format" in refused.value.next_step
    bring(store, path, date_format="%d/%m/%Y")
    assert starts(store) == [(2, 5)]


def test_a_header_that_is_none_is_told_what_it_lacks(store, tmp_path):
    row = {"MeterCategory": "Virtual Machines", "ResourceId": "vm", "Amount": "1"}
    with pytest.raises(BadInput, match="nearest: Azure cost export, without Quantity"):
        bring(store, write(tmp_path / "bill.csv", [row]))
