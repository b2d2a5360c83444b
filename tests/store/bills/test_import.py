"""Bills come in whole: every row is stored or quarantined with its reason, and sums agree to the cent."""

import csv
import gzip
import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.bills.known import FORMATS
from shoestring.store.bills.load import import_bills
from shoestring.store.charges import ChargeStore
from shoestring.store.dimensions import Condition
from shoestring.workflows.bills import bring_in, close_month, parse_amount, sums, tie_out
from shoestring.workflows.costs import answer_csv
from tests.store.bills.giving import AZURE, CUR, GCP, OPENCOST, focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bring(store, *paths, **kwargs):
    return bring_in(store, paths, now=NOW, user="ann", **kwargs)


def total(store, metric="billed", **kwargs):
    return ask(store, Question(by=(), metric=metric, **kwargs)).total_usd


def by(store, *names, **kwargs):
    answer = ask(store, Question(by=names, **kwargs))
    return {row.keys if len(names) > 1 else row.keys[0]: row.usd for row in answer.rows}


def test_a_focus_file_ties_out_to_the_cent(store, tmp_path):
    rows = [focus(BilledCost="0.1", ResourceId=f"i-{n}") for n in range(1000)]
    done = bring(store, write(tmp_path / "bill.csv", rows))
    assert (done.delivery.rows_in, done.delivery.rows_stored) == (1000, 1000)
    assert total(store) == Decimal(100)
    line = tie_out(done, parse_amount("100.00"))
    assert line == "imported 100.00 USD = invoice 100.00; 0% unallocated; 2026-01 OPEN"
    assert "≠ invoice 99.00 (difference 1.00)" in tie_out(done, Decimal(99))


def test_the_same_file_twice_changes_nothing(store, tmp_path):
    bill = write(tmp_path / "bill.csv", [focus()])
    bring(store, bill)
    before = store.manifest()
    again = bring(store, bill)
    assert again.delivery is None and again.unchanged == (bill,)
    assert store.manifest() == before


def test_one_file_given_twice_in_a_delivery_counts_once(store, tmp_path):
    bill = write(tmp_path / "bill.csv", [focus()])
    copy = tmp_path / "copy.csv"
    copy.write_bytes(bill.read_bytes())
    bring(store, bill, copy)
    assert total(store) == 10


def test_a_newer_file_for_a_month_takes_the_older_ones_place(store, tmp_path):
    bring(store, write(tmp_path / "a.csv", [focus()]))
    done = bring(store, write(tmp_path / "b.csv", [focus(BilledCost="12"), focus(ResourceId="i-2")]))
    assert total(store) == 22
    assert [p.rows for p in done.replaced] == [1]


def test_an_older_file_does_not_come_back_unasked(store, tmp_path):
    old, new = (write(tmp_path / f"{n}.csv", [focus(BilledCost=str(n))]) for n in (1, 2))
    bring(store, old)
    bring(store, new)
    with pytest.raises(BadInput, match="replaced by a newer file"):
        bring(store, old)
    assert total(store) == 2
    bring(store, old, again=True)
    assert total(store) == 1


def test_accounts_issuers_and_months_do_not_replace_each_other(store, tmp_path):
    bring(store, write(tmp_path / "a.csv", [focus()]))
    bring(store, write(tmp_path / "b.csv", [focus(BillingAccountId="2")]))
    bring(store, write(tmp_path / "c.csv", [focus(InvoiceIssuerName="Other")]))
    later = {"BillingPeriodStart": "2026-02-01T00:00:00Z", "ChargePeriodStart": "2026-02-02T00:00:00Z"}
    bring(store, write(tmp_path / "d.csv", [focus(**later, ChargePeriodEnd="2026-02-02T01:00:00Z")]))
    assert total(store) == 40


def test_files_of_one_delivery_belong_together(store, tmp_path):
    parts = [write(tmp_path / f"{n}.csv", [focus(ResourceId=f"i-{n}")]) for n in range(3)]
    bring(store, *parts)
    assert total(store) == 30


BAD = {
    "amount": (focus(BilledCost="ten"), "BilledCost can not be read: ten"),
    "not a number": (focus(BilledCost="NaN"), "no BilledCost"),
    "too large": (focus(BilledCost="1e40"), "BilledCost can not be read: 1e40"),
    "no amount": (focus(BilledCost=""), "no BilledCost"),
    "list": (focus(ListCost="x"), "ListCost can not be read: x"),
    "no moment": (focus(ChargePeriodStart="", BillingPeriodStart=""), "no ChargePeriodStart"),
    "moment": (focus(ChargePeriodStart="yesterday"), "ChargePeriodStart can not be read: yesterday"),
    "backwards": (focus(ChargePeriodEnd="2026-01-09T00:00:00Z"), "ChargePeriodEnd before ChargePeriodStart"),
}


@pytest.mark.parametrize(("row", "reason"), BAD.values(), ids=BAD)
def test_a_bad_row_goes_to_quarantine_with_its_reason(store, tmp_path, row, reason):
    done = bring(store, write(tmp_path / "bill.csv", [focus(), row]))
    d = done.delivery
    assert (d.rows_in, d.rows_stored, d.rows_quarantined) == (2, 1, 1)
    with (store.folder / d.quarantine).open() as file:
        (kept,) = csv.DictReader(file)
    assert kept["reason"] == reason
    assert total(store) == 10


def test_torn_lines_are_quarantined_and_counted(store, tmp_path):
    bill = write(tmp_path / "bill.csv", [focus(), focus(ResourceId="i-2")])
    with bill.open("a") as file:
        file.write("1,2,3\n")
    d = bring(store, bill).delivery
    assert (d.rows_in, d.rows_stored, d.rows_quarantined) == (3, 2, 1)


def test_a_file_of_bad_rows_only_stores_nothing_and_says_so(store, tmp_path):
    d = bring(store, write(tmp_path / "bill.csv", [focus(BilledCost="x")])).delivery
    assert (d.rows_stored, d.rows_quarantined) == (0, 1)
    assert bring(store, tmp_path / "bill.csv").delivery is None


def test_gzip_utf16_semicolons_a_preamble_and_null_words_are_understood(store, tmp_path):
    plain = write(tmp_path / "bill.csv", [focus(ServiceName="NULL")])
    packed = tmp_path / "bill.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    bring(store, packed)
    assert by(store, "service", metric="billed") == {None: 10}
    bring(store, write(tmp_path / "wide.csv", [focus(BilledCost="11")], encoding="utf-16"))
    assert total(store) == 11
    bring(store, write(tmp_path / "semi.csv", [focus(BilledCost="12")], delimiter=";"))
    assert total(store) == 12
    preamble = tmp_path / "preamble.csv"
    text = write(tmp_path / "x.csv", [focus(BilledCost="13")]).read_text()
    preamble.write_text("Invoice,42\n\n" + text)
    bring(store, preamble)
    assert total(store) == 13


@pytest.mark.parametrize(
    "stamp", ["2026-01-10T02:00:00+02:00", "2026-01-10 00:00:00", "1/10/26", "2026-01-10T00:00:00.000Z"]
)
def test_moments_are_read_in_utc_however_they_are_written(store, tmp_path, stamp):
    bring(store, write(tmp_path / "bill.csv", [focus(ChargePeriodStart=stamp)]))
    assert by(store, "day", metric="billed") == {"2026-01-10": 10}


def test_unknown_columns_are_kept(store, tmp_path):
    bring(store, write(tmp_path / "bill.csv", [focus(x_Vendor="a", Odd="b")]))
    with store.connect() as engine:
        sql = store.rows_sql(store.manifest().parts)
        assert engine.execute(f'select x_Vendor, "x_Source_Odd" from {sql}').fetchall() == [("a", "b")]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "an empty file"),
        ("other.csv", b"a,b\n1,2\n", "no header of a bill"),
        ("header.csv", b"BilledCost,ChargePeriodStart,ChargeCategory\n", "a header and no rows"),
        ("archive.zip", b"PK\x03\x04", "can't be unpacked"),
        ("half.csv.gz", gzip.compress(b"x" * 100, mtime=0)[:20], "can't be read"),
    ],
)
def test_what_is_no_bill_is_refused_with_the_next_step_and_changes_nothing(
    store, tmp_path, name, content, says
):
    bring(store, write(tmp_path / "bill.csv", [focus()]))
    before = store.manifest()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=says) as refused:
        bring(store, tmp_path / name)
    assert refused.value.next_step
    assert store.manifest() == before


def test_a_gzip_that_breaks_off_late_leaves_the_ledger_whole(store, tmp_path):
    import os

    bring(store, write(tmp_path / "bill.csv", [focus()]))
    rows = [focus(ResourceId=os.urandom(40).hex()) for _ in range(20_000)]
    whole = gzip.compress(write(tmp_path / "big.csv", rows).read_bytes())
    (tmp_path / "broken.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput):
        bring(store, tmp_path / "broken.csv.gz")
    assert total(store) == 10
    assert not list((store.folder / "staging").iterdir())


def test_aws_savings_plans_are_amortized_and_the_bill_still_ties_out(store, tmp_path):
    bring(store, write(tmp_path / "cur.csv", CUR))
    assert total(store, "billed") == 11  # 3 + 5 - 5 + 7 + 1
    assert total(store, "effective") == 13  # 3 + 2 + 0 + 7 + 1
    assert by(store, "market", metric="effective")["spot"] == 3
    assert by(store, "service", metric="billed")["AmazonSageMaker"] == 7
    assert by(store, "team", metric="billed") == {"speech": 11}


def test_legacy_cur_headers_are_the_same_report(store, tmp_path):
    legacy = [
        {k.replace("line_item_", "lineItem/", 1).replace("bill_", "bill/", 1): v for k, v in row.items()}
        for row in CUR
    ]
    bring(store, write(tmp_path / "cur.csv", legacy))
    assert total(store, "billed") == 11


def test_a_credit_without_an_owner_hides_no_cost_without_an_owner(store, tmp_path):
    rows = [
        focus(Tags='{"team": "vision"}', BilledCost="30", EffectiveCost="30"),
        focus(Tags="", BilledCost="10", EffectiveCost="10"),
        focus(Tags="", BilledCost="-10", EffectiveCost="-10", ChargeCategory="Credit"),
    ]
    assert "; 25% unallocated;" in tie_out(bring(store, write(tmp_path / "bill.csv", rows)), None)


def test_google_credits_are_taken_off_and_labels_read(store, tmp_path):
    bring(store, write(tmp_path / "gcp.csv", GCP))
    assert total(store, "billed") == 8
    assert total(store, "list") == 10
    assert by(store, "team", "market", metric="billed") == {("nlp", "spot"): 8}


def test_azure_tags_without_braces_cost_center_and_euros_at_dated_rates(store, tmp_path):
    rates = tmp_path / "rates.csv"
    rates.write_text("currency,day,usd_per_unit\nEUR,2026-01-01,1.10\nEUR,2026-01-08,1.50\n")
    bring(store, write(tmp_path / "azure.csv", AZURE), rates=rates)
    assert by(store, "team", "cost_center", metric="billed") == {("vision", "CC-7"): Decimal("6.60")}
    (part,) = store.manifest().parts
    assert Decimal(part.billed["EUR"]) == 6


def test_a_currency_without_a_rate_is_told_and_never_added(store, tmp_path):
    bring(store, write(tmp_path / "azure.csv", AZURE))
    answer = ask(store, Question(by=("provider",), metric="billed"))
    assert answer.total_usd == 0
    assert [row.usd for row in answer.rows] == [None], "unknown is not zero"
    assert answer.unconverted == {"EUR": 6}
    assert answer_csv(answer).splitlines()[1].split(",")[1] == ""


def test_opencost_shares_are_allocated_cost(store, tmp_path):
    bring(store, write(tmp_path / "opencost.csv", OPENCOST), currency="usd")
    assert by(store, "basis", "project", metric="billed") == {("allocated", "research"): 4}


MAP = """
name: neocloud
provider: NeoCloud
currency: USD
date_formats: ["%d.%m.%Y"]
decimal_comma: true
columns:
  ChargePeriodStart: Start
  BilledCost: Betrag
  ResourceId: Instance
  ServiceName: {value: GPU Cloud}
labels:
  team: Cost centre
"""


def test_any_csv_can_be_mapped(store, tmp_path):
    mapping = tmp_path / "neocloud.yaml"
    mapping.write_text(MAP)
    row = {"Start": "02.01.2026", "Betrag": "1.234,56", "Instance": "h100", "Cost centre": "nlp", "Note": "n"}
    bring(store, write(tmp_path / "invoice.csv", [row], delimiter=";"), mapping=mapping)
    assert by(store, "team", "service", "provider", "day", metric="billed") == {
        ("nlp", "GPU Cloud", "NeoCloud", "2026-01-02"): Decimal("1234.56")
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("BilledCost:", "BiledCost:"), "did you mean 'BilledCost'"),
        (("provider:", "provder:"), "did you mean 'provider'"),
        (("  team:", "  taem:"), "did you mean 'team'"),
        (("  BilledCost: Betrag\n", ""), "BilledCost missing"),
        (("columns:", "colums:"), "no `columns:`"),
        (("{value: GPU Cloud}", "{val: x}"), "a column's name, or"),
    ],
)
def test_a_wrong_map_is_explained(store, tmp_path, change, says):
    mapping = tmp_path / "map.yaml"
    mapping.write_text(MAP.replace(*change))
    with pytest.raises(BadInput, match=says):
        bring(store, write(tmp_path / "a.csv", [focus()]), mapping=mapping)


def test_a_closed_month_is_restated_by_adjustments_that_always_add_up(store, tmp_path):
    bring(store, write(tmp_path / "1.csv", [focus(), focus(ResourceId="i-2")]))
    close_month(store, "2026-01", None, now=NOW, user="ann")
    for number, amount in enumerate(["12.5", "9.25", "10"]):
        restated = [
            focus(BilledCost=amount),
            focus(ResourceId="i-2"),
            focus(ResourceId="i-3", BilledCost="1"),
        ]
        done = bring(store, write(tmp_path / f"r{number}.csv", restated))
        assert done.adjusted == (("2026-01", "AWS/123456789012"),)
        assert total(store) == Decimal(amount) + 11
    kinds = {p.kind: p.period for p in store.manifest().parts}
    assert kinds == {"bill": "2026-01", "adjusts 2026-01": "2026-02"}
    assert by(store, "class", metric="billed") == {None: 20, "Correction": 1}


def test_adjustments_of_a_closed_month_stay_when_the_next_is_closed_too(store, tmp_path):
    bring(store, write(tmp_path / "1.csv", [focus()]))
    close_month(store, "2026-01", None, now=NOW, user="ann")
    bring(store, write(tmp_path / "2.csv", [focus(BilledCost="11")]))
    close_month(store, "2026-02", None, now=NOW, user="ann")
    bring(store, write(tmp_path / "3.csv", [focus(BilledCost="14")]))
    assert total(store) == 14
    assert sorted(p.period for p in store.manifest().parts) == ["2026-01", "2026-02", "2026-03"]


def test_two_importers_at_once_both_get_their_way(store, tmp_path):
    bills = [write(tmp_path / f"{n}.csv", [focus(BillingAccountId=str(n))]) for n in range(4)]
    threads = [threading.Thread(target=bring, args=(store, bill)) for bill in bills]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert total(store) == 40


def test_a_crash_before_the_manifest_is_replaced_leaves_the_old_ledger(store, tmp_path, monkeypatch):
    bring(store, write(tmp_path / "1.csv", [focus()]))

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("shoestring.store.charges.write_manifest", crash)
    with pytest.raises(KeyboardInterrupt):
        bring(store, write(tmp_path / "2.csv", [focus(BilledCost="99")]))
    monkeypatch.undo()
    assert total(store) == 10
    bring(store, write(tmp_path / "3.csv", [focus(BilledCost="5")]))
    named = store.manifest().files()
    left = {str(p.relative_to(store.folder)) for p in (store.folder / "charges").rglob("*.parquet")}
    assert left == named


def test_tags_that_show_up_late_are_found_all_the_same(store, tmp_path, monkeypatch):
    monkeypatch.setattr("shoestring.store.bills.reading.FIRST_LOOK", 2)
    rows = [focus(ResourceId=f"i-{n}") for n in range(5)] + [
        focus(Tags='{"Owner": "bo", "user:team": "nlp"}')
    ]
    bring(store, write(tmp_path / "bill.csv", rows))
    assert by(store, "user", "team", metric="billed") == {(None, "vision"): 50, ("bo", "nlp"): 10}


def test_broken_tags_cost_no_money(store, tmp_path):
    bring(store, write(tmp_path / "bill.csv", [focus(Tags='{"team": '), focus(Tags="[1,", ResourceId="i-2")]))
    assert by(store, "team", metric="billed") == {None: 20}


HOSTILE = [
    "'; drop table x; --",
    "\"); copy (select 1) to '/tmp/x'",
    "=1+1",
    "${jndi}",
    "%s%n",
    "\x1b[31m",
    "🙂",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(store, tmp_path, text):
    import json

    row = focus(ServiceName=text, BillingAccountId=text, Tags=json.dumps({"team": text}))
    bring(store, write(tmp_path / "bill.csv", [row]))
    where = (Condition.parse(f"team={text}"), Condition.parse(f"service~{text}"))
    assert total(store, where=where) == 10
    assert total(store, where=(Condition.parse("team=x' or '1'='1"),)) == 0


def test_the_real_sample_ties_out(store):
    import pathlib

    sample = pathlib.Path(__file__).parents[4] / "shared/data/focus/focus/focus_sample_1.0_1000.csv"
    if not sample.exists():
        pytest.skip("the FOCUS sample is not beside the checkout")
    done = bring(store, sample)
    with sample.open() as file:
        rows = list(csv.DictReader(file))
    assert done.delivery.rows_stored == len(rows) == 1000
    exact = sum(Decimal(row["BilledCost"]) for row in rows)
    assert abs(sums(done.parts, "billed")["USD"] - exact) < Decimal("1e-9")


def test_progress_is_told(store, tmp_path):
    told = []
    import_bills(
        store,
        [write(tmp_path / "bill.csv", [focus()])],
        formats=FORMATS,
        now=NOW,
        user="ann",
        progress=lambda doing, percent: told.append((doing, percent)),
    )
    assert told[-1] == ("reading bill.csv", 100.0)
