"""FOCUS in, FOCUS out: no row, amount or text is lost, as DuckDB and an independent toolkit read it."""

import pathlib
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import connect
from shoestring.store.charges_schema import STORE_COLUMNS
from shoestring.store.focus.export import FILLED, export_focus
from shoestring.store.focus.model import REMOVED
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 9, 1, tzinfo=UTC)
SHARED = pathlib.Path(__file__).parents[4] / "shared/data/focus"


def toolkit(*arguments):
    """The independent toolkit's command line; what it prints."""
    pytest.importorskip("focus_data_toolkit")
    done = subprocess.run(
        [sys.executable, "-m", "focus_data_toolkit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def text(path):
    """A file as rows of text for the engine; the word NULL is none."""
    if path.suffix == ".parquet":
        return f"read_parquet('{path}')"
    return f"read_csv('{path}', all_varchar=true, header=true, delim=',', quote='\"', nullstr=['NULL', ''])"


def lost(source, out):
    """(column, rows of the source that are not in the output), typed; our filling of gaps is no loss."""
    with connect() as engine:
        before, after = (
            {name for name, *_ in engine.execute(f"describe select * from {text(p)}").fetchall()}
            for p in (source, out)
        )
        missing = []
        for name in sorted(before):
            typed = STORE_COLUMNS.get(REMOVED.get(name, name), "VARCHAR")
            values = f'cast("{name}" as {typed})'
            some = f'where "{name}" is not null'
            (filled,) = engine.execute(f"select count(*) from {text(source)} {some}").fetchone()
            if name not in after:
                if filled:
                    missing.append((name, "no such column"))
                continue
            kept = some if name in FILLED or REMOVED.get(name) in FILLED else ""
            (gone,) = engine.execute(
                f"select count(*) from (select {values} from {text(source)} {kept} "
                f"except all select {values} from {text(out)})"
            ).fetchone()
            if gone:
                missing.append((name, gone))
        return missing


def through(tmp_path, source, version, suffix):
    store = ChargeStore(tmp_path / "ledger")
    done = bring_in(store, [source], now=NOW, user="ann")
    assert done.delivery.rows_quarantined == 0
    out = tmp_path / f"out{suffix}"
    assert export_focus(store, out, version=version).rows == done.delivery.rows_in
    return out


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_toolkits_file_comes_out_whole_and_the_toolkit_reads_it(tmp_path, provider, suffix):
    toolkit("generate", "--provider", provider, "--focus-version", "1.2", "--rows", 150, "--out", tmp_path)
    (source,) = tmp_path.glob("*cost_and_usage*.csv")
    out = through(tmp_path, source, "1.2", suffix)
    assert lost(source, out) == []
    if suffix == ".csv":
        assert "dataset=Cost and Usage version=1.2 confidence=HIGH" in toolkit("detect", out)
        toolkit(
            *("convert", "--cost-and-usage", out, "--out", tmp_path / "converted"),
            *("--exit-policy", "pipeline"),  # the other datasets can't be made of charges alone
        )
        (converted,) = (tmp_path / "converted").glob("*cost_and_usage.csv")
        kept = [name for name, _ in lost(source, converted)]
        assert not {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ResourceId", "Tags"} & set(
            kept
        )


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_a_newer_file_comes_out_as_1_4_and_passes_the_toolkits_lint(tmp_path, provider):
    toolkit("generate", "--provider", provider, "--focus-version", "1.3", "--rows", 150, "--out", tmp_path)
    (source,) = tmp_path.glob("*cost_and_usage*.csv")
    out = through(tmp_path, source, "1.4", ".csv")
    assert [name for name, _ in lost(source, out)] == [
        n for n in ("ProviderName", "PublisherName") if n in REMOVED
    ]
    assert "STRUCTURAL_VALID, SEMANTIC_VALID" in toolkit("validate", out)


@pytest.mark.parametrize("version", ["1.2", "1.4"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_real_rows_come_out_whole(tmp_path, version, suffix):
    sample = SHARED / "focus/focus_sample_1.0_1000.csv"
    if not sample.exists():
        pytest.skip("the FOCUS sample is not beside the checkout")
    out = through(tmp_path, sample, version, suffix)
    renamed = {"Id", "ProviderName", "PublisherName"} if version == "1.4" else {"Id"}
    gone = dict(lost(sample, out))
    assert (
        gone.pop("ChargeFrequency") == 7
    )  # written "Usage-based" there, and as the specification wants here
    assert set(gone) <= renamed
    with connect() as engine:
        assert engine.execute(f'select count("x_Source_Id") from {text(out)}').fetchone() == (1000,)


def test_what_came_out_goes_in_again_and_comes_out_the_same(tmp_path):
    rows = [focus(), focus(BilledCost="-3.5", x_Vendor="v", Odd="o", ServiceName="=1+1")]
    first = through(tmp_path, write(tmp_path / "bill.csv", rows), "1.4", ".csv")
    (tmp_path / "again").mkdir()
    second = through(tmp_path / "again", first, "1.4", ".csv")
    assert first.read_text() == second.read_text()
    assert "x_Vendor" in first.read_text()
    assert "x_Source_Odd" in first.read_text()


def test_every_scenario_of_the_specification_ties_out_with_its_own_text(tmp_path):
    folder = SHARED / "focus-spec-examples"
    if not folder.exists():
        pytest.skip("the specification's scenarios are not beside the checkout")
    files = sorted(folder.rglob("*.csv"))
    assert len(files) == 26
    for file in files:
        header, *rows = _table(file)
        store = ChargeStore(tmp_path / file.stem)
        done = bring_in(store, [file], now=NOW, user="ann", currency="USD")
        bad_hours = sum("T30:" in ",".join(row) for row in rows)  # hours that no day has
        assert done.delivery.rows_quarantined == bad_hours, file.name
        for column, found in (("BilledCost", done.billed), ("EffectiveCost", done.effective)):
            wanted = sum(
                Decimal(row[header.index(column)].strip(" $").replace(",", "") or 0)
                for row in rows
                if "T30:" not in ",".join(row)
            )
            assert sum(found.values(), Decimal(0)) == wanted, (file.name, column)


def _table(file):
    import csv

    with file.open(newline="", encoding="utf-8-sig") as lines:
        return [row for row in csv.reader(lines) if row]
