"""`shoestring report` as a user types it."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("plotly")
pytest.importorskip("jinja2")

from tests.app.report_making import ledger, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    there = tmp_path_factory.mktemp("cli")
    ledger(there, [run(1)])
    return there


def shoestring(folder, *words):
    code = "from shoestring.app.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "report", "--ledger", str(folder / "ledger"), *words],
        env={**os.environ, "SHOESTRING_HOME": str(folder / "home")},
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_it_writes_the_page_and_prints_its_data(folder):
    done = shoestring(folder, "--html", "out.html", "--since", "2026-01", "--until", "2026-02", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["tie_out"]["holds"]
    page = (folder / "out.html").read_text(encoding="utf-8")
    assert document["tie_out"]["line"] in page
    assert [p.name for p in folder.glob(".*")] == []


def test_in_words_it_keeps_the_savings_apart(folder):
    done = shoestring(folder, "--since", "2026-01", "--until", "2026-02")
    assert done.stdout.startswith("bills 1,305.00 USD = charges")
    assert "never added up" in done.stdout


@pytest.mark.parametrize(
    "words",
    [("--since", "2026-02", "--until", "2026-01"), ("--since", "soon"), ("--html", "no/such/folder.html")],
)
def test_bad_input_says_what_to_do(folder, words):
    done = shoestring(folder, *words)
    assert done.returncode == 2
    assert "next:" in done.stderr
