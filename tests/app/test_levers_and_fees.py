"""`savings record` and `bills amortize` as a user types them, and what the page shows of a verdict."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("jinja2")

from shoestring.app.report.page import render
from shoestring.workflows.levers import Claim, record_lever
from shoestring.workflows.report import report
from tests.app.report_making import NOW, PERIOD, ledger, run
from tests.store.bills.giving import write
from tests.workflows.test_fees import ROWS


def shoestring(folder, *words):
    done = subprocess.run(
        [sys.executable, "-c", "from shoestring.app.cli import main; main()", *words],
        env={**os.environ, "SHOESTRING_HOME": str(folder / "home")},
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_a_fee_is_spread_and_taken_back(tmp_path):
    write(tmp_path / "bill.csv", ROWS)
    assert shoestring(tmp_path, "bills", "import", "bill.csv")[0] == 0
    term = ("--since", "2026-01-31", "--until", "2026-02-02")
    code, out, _ = shoestring(tmp_path, "bills", "amortize", "cr-1", *term, "--json")
    assert code == 0 and json.loads(out) == {"id": "cr-1", "fee_usd": 1000.01, "unused_usd": 625.00625}
    code, out, _ = shoestring(tmp_path, "bills", "amortize", "cr-1", "--undo", "--json")
    assert code == 0 and json.loads(out)["id"] == "cr-1"
    for words in (("cr-1",), (), ("cr-1", "--undo"), ("cr-9", *term)):
        code, _, error = shoestring(tmp_path, "bills", "amortize", *words)
        assert code == 2 and "next:" in error


def test_a_verdict_that_lacks_something_says_what(tmp_path):
    code, _, error = shoestring(tmp_path, "savings", "record", "--run", "r", "--lever", "data")
    assert code == 2 and "a verdict needs --what, --against, --quality-metric" in error
    assert shoestring(tmp_path, "savings", "undo")[0] == shoestring(tmp_path, "savings", "borrow")[0] == 2


def test_the_page_shows_a_verdict_as_text(tmp_path):
    made = [run(3)]
    store = ledger(tmp_path, made)
    claim = Claim(
        run_id="run-3", kind="data", what="<script>alert(1)</script>", against="20 USD", metric="accuracy",
        reference_quality=0.5, source="last release", why="trial",
    )  # fmt: skip
    record_lever(store, made, claim, now=NOW, user="ann")
    page = render(report(store, made, PERIOD, now=NOW))
    assert "by data and model levers, between 0.00 $ and 20.00 $" in page
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page
