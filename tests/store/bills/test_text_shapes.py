"""How text files are written: encodings, line ends, delimiters, torn lines, and what people write on invoices."""

import codecs
import csv
import gzip
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bring(store, path, **kwargs):
    done = bring_in(store, [path], now=NOW, user="ann", **kwargs)
    d = done.delivery
    assert d.rows_in == d.rows_stored + d.rows_quarantined
    return done


def services(store):
    return {row.keys[0] for row in ask(store, Question(by=("service",), metric="billed")).rows}


def text_of(tmp_path, rows, **kwargs):
    return write(tmp_path / "made.csv", rows, **kwargs).read_bytes()


TWO = [focus(ServiceName="Zürich, GPU"), focus(ResourceId="i-2", BilledCost="-3.33")]
PLAIN = {
    "mark": lambda t: codecs.BOM_UTF8 + t.encode(),
    "packed mark": lambda t: gzip.compress(codecs.BOM_UTF8 + t.encode()),
    "utf-16 le": lambda t: codecs.BOM_UTF16_LE + t.encode("utf-16-le"),
    "utf-16 be": lambda t: codecs.BOM_UTF16_BE + t.encode("utf-16-be"),
    "utf-16 packed": lambda t: gzip.compress(t.encode("utf-16")),
    "utf-16 without a mark": lambda t: t.encode("utf-16-le"),
    "utf-16 be without a mark": lambda t: t.encode("utf-16-be"),
    "utf-32": lambda t: t.encode("utf-32"),
    "unix": lambda t: t.replace("\r\n", "\n").encode(),
    "old mac": lambda t: t.replace("\r\n", "\r").encode(),
    "mixed line ends": lambda t: t.replace("\r\n", "\n", 1).encode(),
    "no end": lambda t: t.rstrip().encode(),
    "blank lines": lambda t: t.replace("\r\n", "\r\n\r\n").encode() + b"\r\n\r\n",
    "several gzip members": lambda t: b"".join(
        gzip.compress(p.encode()) for p in t.splitlines(keepends=True)
    ),
    "empty cells at every end": lambda t: t.replace("\r\n", ",,\r\n").encode(),
    "empty cells at the header's end": lambda t: t.replace("\r\n", ",,\r\n", 1).encode(),
    "empty cells at the rows' ends": lambda t: t.replace("\r\n", ",,\r\n").replace(",,", "", 1).encode(),
    "a preamble": lambda t: b"Invoice,42\r\nfor,January,2026\r\n\r\n" + t.encode(),
    "quoted header": lambda t: ('"' + t.replace("\r\n", '"\r\n', 1).replace(",", '","', 18)).encode(),
    "lower header": lambda t: (t.partition("\r\n")[0].lower() + "\r\n" + t.partition("\r\n")[2]).encode(),
}


@pytest.mark.parametrize("written", PLAIN.values(), ids=PLAIN)
def test_however_it_is_written_it_is_the_same_bill(store, tmp_path, written):
    path = tmp_path / "bill.csv"
    path.write_bytes(written(text_of(tmp_path, TWO).decode()))
    done = bring(store, path)
    assert (done.delivery.rows_stored, done.billed) == (2, {"USD": Decimal("6.67")})
    assert services(store) == {"Zürich, GPU", "EC2"}


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ISO-8859-15", "cp850", "utf-8"])
def test_an_encoding_that_is_named_is_used(store, tmp_path, encoding):
    path = write(tmp_path / "bill.csv", TWO, encoding=encoding)
    bring(store, path, encoding=encoding)
    assert services(store) == {"Zürich, GPU", "EC2"}


@pytest.mark.parametrize("encoding", ["klingon", "ascii"])
def test_a_wrong_encoding_is_explained(store, tmp_path, encoding):
    with pytest.raises(BadInput, match=r"encoding|not in") as refused:
        bring(store, write(tmp_path / "bill.csv", TWO), encoding=encoding)
    assert refused.value.next_step


def test_a_line_in_another_encoding_than_the_rest_is_quarantined_and_can_be_had_again(store, tmp_path):
    utf8, latin = (
        write(tmp_path / f"{encoding}.csv", TWO, encoding=encoding) for encoding in ("utf-8", "latin-1")
    )
    path = tmp_path / "bill.csv"
    path.write_bytes(utf8.read_bytes() + latin.read_bytes().partition(b"\r\n")[2])
    done = bring(store, path)
    assert (done.delivery.rows_quarantined, done.misencoded) == (1, 1)
    path = latin
    done = bring(store, path, encoding="latin-1", again=True)
    assert (done.delivery.rows_stored, services(store)) == (2, {"Zürich, GPU", "EC2"})


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_are_found_out_beside_text_that_has_them(store, tmp_path, delimiter):
    rows = [focus(ServiceName="a;b|c\td,e"), focus()]
    done = bring(store, write(tmp_path / "bill.csv", rows, delimiter=delimiter))
    assert done.delivery.rows_stored == 2
    assert services(store) == {"a;b|c\td,e", "EC2"}


def test_line_ends_and_quotes_inside_cells_are_text(store, tmp_path):
    odd = 'first\nsecond\r\nthird,"quoted"'
    bring(store, write(tmp_path / "bill.csv", [focus(ServiceName=odd), focus()]))
    assert services(store) == {odd, "EC2"}


TORN = {
    "cut in a cell": (lambda t: t[:-60], 1),
    "too few cells": (lambda t: t + "1,2\r\n", 2),
    "too many cells": (lambda t: t + t.splitlines()[1] + ",x\r\n", 2),
    "a quote that never ends": (lambda t: t + '"' + t.splitlines()[1] + "\r\n", 2),
    "an end-of-file sign": (lambda t: t + "\x1a", 2),
}


@pytest.mark.parametrize(("tear", "stored"), TORN.values(), ids=TORN)
def test_a_torn_line_is_quarantined_and_its_neighbors_are_not(store, tmp_path, tear, stored):
    path = tmp_path / "bill.csv"
    path.write_bytes(tear(text_of(tmp_path, [focus(), focus(ResourceId="i-2")]).decode()).encode())
    d = bring(store, path).delivery
    assert (d.rows_stored, d.rows_quarantined) == (stored, 1)
    with (store.folder / d.quarantine).open(newline="") as file:
        (kept,) = csv.DictReader(file)
    assert kept["file"] == "bill.csv"
    assert kept["reason"]


def test_stray_quotes_do_not_take_their_neighbors_along(store, tmp_path):
    path = tmp_path / "bill.csv"
    text = text_of(tmp_path, [focus(ServiceName="QQ"), focus(), focus()]).decode()
    path.write_text(text.replace("QQ", 'a12"b'), newline="")
    assert bring(store, path).delivery.rows_stored == 3
    path.write_text(text.replace("QQ", '"a'), newline="")
    d = bring(store, path).delivery
    assert (d.rows_stored, d.rows_quarantined) == (2, 1)


@pytest.mark.parametrize("size", [3_000_000, 5_000_000, 40_000_000])
def test_a_huge_cell_costs_its_own_row_at_most(store, tmp_path, size):
    d = bring(store, write(tmp_path / "bill.csv", [focus(ServiceName="x" * size), focus()])).delivery
    assert d.rows_stored == (2 if size < 4_000_000 else 1)


def test_columns_named_like_ours_are_kept_beside_ours(store, tmp_path):
    row = focus(x_Problem="p", x_Found="f", Odd="1", x_Source_Odd="2")
    assert bring(store, write(tmp_path / "bill.csv", [row])).delivery.rows_stored == 1
    with store.connect() as engine:
        kept = engine.execute(
            'select "x_Source_x_Problem", "x_Source_x_Found", "x_Source_Odd" '
            f"from {store.rows_sql(store.manifest().parts)}"
        ).fetchone()
    assert kept[:2] == ("p", "f")
    assert kept[2] in ("1", "2")


@pytest.mark.parametrize(
    ("written", "team"),
    [
        ('{"team":"a"}', "a"),
        ('"team": "a","env": "b"', "a"),
        ('[{"key":"team","value":"a"}]', "a"),
        ("env=b,team=a", "a"),
        ("team = a; env = b", "a"),
        ('{"Cost Center":"7","Team":"a"}', "a"),
        ("team", None),
        ("[1,2]", None),
        ('{"team":', None),
        ("-", None),
    ],
)
def test_tags_are_read_in_every_form_and_never_lost(store, tmp_path, written, team):
    bring(store, write(tmp_path / "bill.csv", [focus(Tags=written)]))
    with store.connect() as engine:
        found, tags = engine.execute(
            f"select x_Team, Tags from {store.rows_sql(store.manifest().parts)}"
        ).fetchone()
    assert found == team
    if team is None and written != "-":
        assert '"x_unread"' in tags


MAP = """
columns:
  ChargePeriodStart: When
  BilledCost: Amount
currency: EUR
"""


def test_no_tags_are_no_tags(store, tmp_path):
    bring(store, write(tmp_path / "bill.csv", [focus(Tags=""), focus()]))
    with store.connect() as engine:
        rows = engine.execute(
            f"select Tags from {store.rows_sql(store.manifest().parts)} order by 1"
        ).fetchall()
    assert rows == [('{"team": "vision"}',), (None,)]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$10,000.00 ", "10000"),
        ("$-3.50", "-3.5"),
        ("1,234", "1234"),  # the other amounts of its row have points
        ("1.234,5", "1234.5"),
        ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"),
        ("10,50", "10.5"),
        ("0,125", "0.125"),
        ("(10.50)", "-10.5"),
        ("-$10.50", "-10.5"),
        ("€10.50", "10.5"),
        ("10.50 USD", "10.5"),
        ("1.05E1", "10.5"),
        ("1,23,4", None),
        ("N/A", None),
    ],
)
def test_amounts_of_known_formats_are_read_where_they_mean_one_thing(store, tmp_path, text, amount):
    done = bring(store, write(tmp_path / "bill.csv", [focus(BilledCost=text)]))
    assert done.billed == ({} if amount is None else {"USD": Decimal(amount)})


POINT = {
    "1,234.56": "1234.56", "$1,234.50": "1234.5", "-$5.00": "-5", "$-5.00": "-5", "(12.00)": "-12", "5.00 USD": "5",
    "EUR 7": "7", "€ 0.10": "0.1", "1'234.5": "1234.5", "1e-3": "0.001", "+2": "2", ".5": "0.5", "3.": "3",
}  # fmt: skip
COMMA = {
    "1.234,56": "1234.56",
    "1 234,5 €": "1234.5",
    "12": "12",
    "-0,5": "-0.5",
    "1.234": "1234",
    ",5": "0.5",
}
NONE = {
    "12,5": False,
    "1,23,456": False,
    "ten": False,
    "1.2.3": False,
    "12.34": True,
    "1,2,3": True,
    "--1": False,
}


@pytest.mark.parametrize(
    ("text", "amount", "comma"),
    [(t, a, False) for t, a in POINT.items()] + [(t, a, True) for t, a in COMMA.items()],
)
def test_amounts_are_read_as_people_write_them(store, tmp_path, text, amount, comma):
    mapping = tmp_path / "map.yaml"
    mapping.write_text(MAP + f"decimal_comma: {str(comma).lower()}\n")
    done = bring(store, write(tmp_path / "i.csv", [{"When": "2026-01-02", "Amount": text}]), mapping=mapping)
    assert done.billed == {"EUR": Decimal(amount)}
    (credit,) = (row.keys[0] for row in ask(store, Question(by=("charge",))).rows)
    assert credit == ("Credit" if Decimal(amount) < 0 else "Usage")


@pytest.mark.parametrize(("text", "comma"), NONE.items())
def test_amounts_that_could_mean_two_things_are_never_guessed(store, tmp_path, text, comma):
    mapping = tmp_path / "map.yaml"
    mapping.write_text(MAP + f"decimal_comma: {str(comma).lower()}\n")
    done = bring(store, write(tmp_path / "i.csv", [{"When": "2026-01-02", "Amount": text}]), mapping=mapping)
    assert (done.delivery.rows_stored, done.delivery.rows_quarantined) == (0, 1)


def test_a_map_may_name_the_category_in_any_case(store, tmp_path):
    mapping = tmp_path / "map.yaml"
    mapping.write_text(MAP.replace("columns:", "columns:\n  ChargeCategory: Kind"))
    rows = [
        {"When": "2026-01-02", "Amount": a, "Kind": k}
        for a, k in (("5", "usage"), ("-1", "Refund"), ("2", "TAX"))
    ]
    bring(store, write(tmp_path / "i.csv", rows), mapping=mapping)
    kinds = {row.keys[0] for row in ask(store, Question(by=("charge",))).rows}
    assert kinds == {"Usage", "Credit", "Tax"}
