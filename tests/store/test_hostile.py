"""Two thousand hostile texts in labels, names and tags: they stay text on every way in and out."""

import csv
import json
import os
import random
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.dimensions import Condition
from shoestring.store.focus.export import export_focus
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write
from tests.store.hostile import payloads

NOW = datetime(2026, 2, 3, tzinfo=UTC)
WHERE = int(os.environ.get("SHOESTRING_SOAK", "1")) * 60
TEXTS = payloads()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        focus(
            BilledCost=str(n), ServiceName=text, ResourceId=text, Tags=json.dumps({"team": text}), x_Odd=text
        )
        for n, text in enumerate(TEXTS, 1)
    ]
    store = ChargeStore(folder / "ledger")
    done = bring_in(store, [write(folder / "bill.csv", rows)], now=NOW, user="ann")
    assert done.delivery.rows_stored == len(TEXTS)
    return store


def kept(text):
    """What bills take off a text: nothing but, in cells, the words for none."""
    return None if text in ("NULL", "null", "", "NaN", "None") else text


def test_there_are_enough_of_them():
    assert len(TEXTS) >= 1_500


def test_labels_and_names_are_the_texts_themselves(store):
    for dimension in ("team", "service", "resource"):
        answer = ask(store, Question(by=(dimension,), metric="billed"))
        found: Counter[str | None] = Counter()
        for row in answer.rows:
            found[row.keys[0]] += row.usd
        wanted: Counter[str | None] = Counter()
        for n, text in enumerate(TEXTS, 1):
            wanted[text if dimension == "team" else kept(text)] += n
        assert found == {text: Decimal(n) for text, n in wanted.items()}


def test_a_condition_finds_its_own_text_and_no_other(store):
    for n, text in random.Random(1).sample(list(enumerate(TEXTS, 1)), min(WHERE, len(TEXTS))):
        where = (Condition(dimension="team", operator="=", value=text),)
        assert ask(store, Question(by=(), metric="billed", where=where)).total_usd == n, text


def test_what_is_exported_begins_no_formula_and_breaks_no_line(store, tmp_path):
    out = tmp_path / "out.csv"
    export_focus(store, out, version="1.4")
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(TEXTS)
    numbers = {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"}
    for row in rows:
        assert None not in row and None not in row.values()  # no cell more or less than the header has
        for name, value in row.items():
            assert name in numbers or not value.startswith(("=", "+", "-", "@", "\t", "\r")), (name, value)
        assert Decimal(row["BilledCost"]) >= 1
    again = ChargeStore(tmp_path / "again")
    done = bring_in(again, [out], now=NOW, user="ann")
    assert done.billed == {"USD": Decimal(len(TEXTS) * (len(TEXTS) + 1) // 2)}


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_no_condition_from_the_command_line_is_more_than_a_condition(text):
    try:
        condition = Condition.parse(text)
    except BadInput:
        return
    assert condition.operator in ("=", "!=", "~")
    assert condition.dimension.isidentifier()


def test_names_of_dimensions_are_ours_only(store):
    for text in TEXTS:
        with pytest.raises(BadInput):
            ask(store, Question(by=(text,)))
