"""What data cost: an invoice for labels and a run that prepared the data are charges of the dataset."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.workflows.bills import bring_in
from tests.ledger.test_receipt import paid

NOW = datetime(2026, 2, 3, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs/ledger.md"


def test_labels_and_preparation_are_charges_of_the_dataset(tmp_path: Path) -> None:
    mapping = DOCS.read_text().partition("name: label vendor")
    assert mapping[1], "the example of the docs is what is tested"
    (tmp_path / "labels.yaml").write_text(mapping[1] + mapping[2].partition("```")[0])
    (tmp_path / "invoice.csv").write_text("Date,Item,Total\n2026-01-12,12000 boxes,480.00\n")
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [tmp_path / "invoice.csv"], now=NOW, user="ann", mapping=tmp_path / "labels.yaml")
    prepared = replace(paid(), labels={"team": "vision", "dataset": "street-scenes"})
    book_run(store, prepared, state="a", now=NOW, user="ann")

    by_model = {row.keys: row.usd for row in ask(store, Question(by=("dataset", "model"))).rows}
    assert by_model == {("street-scenes", None): 480 + prepared.cost.total_usd}
    parts = {row.keys[0]: row.usd for row in ask(store, Question(by=("part",))).rows}
    assert parts["labels"] == 480
