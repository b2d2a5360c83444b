"""Files of the ledger that disks and people have spoilt: noticed, named, with the step that brings them back."""

import json
from datetime import UTC, datetime

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_check import damages
from shoestring.store.charges_runs import book_run, booked_states
from shoestring.store.focus.export import export_focus
from shoestring.workflows.bills import bring_in
from tests.ledger.test_receipt import paid
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
COST = Question(by=("resource",), metric="billed")


@pytest.fixture
def bill(tmp_path):
    return write(tmp_path / "january.csv", [focus(ResourceId=f"i-{n}", x_Note="n" * n) for n in range(200)])


@pytest.fixture
def store(tmp_path, bill):
    made = ChargeStore(tmp_path / "ledger")
    bring_in(made, [bill], now=NOW, user="ann")
    return made


def the_file(store):
    (part,) = store.manifest().parts
    return store.folder / part.file


def flip(path, place):
    spoilt = bytearray(path.read_bytes())
    spoilt[place] ^= 0x10
    path.write_bytes(spoilt)


def found(store):
    return [(d.path, d.what) for d in damages(store.folder, store.manifest())]


def test_a_ledger_as_written_has_no_damage(store):
    assert found(store) == []


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_one_flipped_bit_anywhere_is_found(store, share):
    file = the_file(store)
    flip(file, int(share * file.stat().st_size))
    assert found(store) == [(file, "changed since it was written")]


@pytest.mark.parametrize("size", [0, 3, 100, 2_000])
def test_a_file_broken_off_is_named_by_every_question_with_the_next_step(store, bill, size, tmp_path):
    file = the_file(store)
    file.write_bytes(file.read_bytes()[:size])
    for question in (
        lambda: ask(store, COST),
        lambda: export_focus(store, tmp_path / "out.csv", version="1.4"),
    ):
        with pytest.raises(BadInput, match=file.name) as told:
            question()
        assert "bills import january.csv --again" in told.value.next_step
    assert not list(tmp_path.glob("*out.csv*"))
    bring_in(store, [bill], now=NOW, user="ann", again=True)
    assert found(store) == []
    assert ask(store, COST).total_usd == 2_000


def test_a_file_that_is_gone_is_named(store):
    file = the_file(store)
    file.unlink()
    assert found(store) == [(file, "missing")]
    with pytest.raises(BadInput, match="missing"):
        ask(store, COST)


def test_files_from_before_digests_are_looked_at_for_their_ends(store):
    path = store.folder / "manifest.json"
    data = json.loads(path.read_text())
    for part in data["parts"]:
        del part["sha256"]
    path.write_text(json.dumps(data))
    assert found(store) == []
    file = the_file(store)
    file.write_bytes(file.read_bytes()[:-1])
    assert found(store) == [(file, "broken off")]


def test_an_empty_table_of_columns_that_is_spoilt_can_be_deleted(store):
    (columns,) = store.folder.glob("schema-rows-*.parquet")
    columns.write_bytes(b"")
    with pytest.raises(BadInput, match="schema-rows") as told:
        ask(store, COST)
    assert "delete it" in told.value.next_step
    columns.unlink()
    assert ask(store, COST).total_usd == 2_000


def test_a_run_whose_charges_are_gone_is_booked_anew(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    book_run(store, paid(), state="a", now=NOW, user="ann")
    assert booked_states(store) == {paid().run_id: "a"}
    the_file(store).unlink()
    assert booked_states(store) == {}
    book_run(store, paid(), state="a", now=NOW, user="ann")
    assert found(store) == []


def test_a_lost_manifest_is_no_empty_ledger_and_costs_no_file(store, bill, tmp_path):
    file = the_file(store)
    (store.folder / "manifest.json").unlink()
    for act in (
        store.manifest,
        lambda: ask(store, COST),
        lambda: bring_in(store, [bill], now=NOW, user="ann"),
        lambda: book_run(store, paid(), state="a", now=NOW, user="ann"),
    ):
        with pytest.raises(BadInput, match="missing, though there are charges") as told:
            act()
        assert "backup" in told.value.next_step
    assert file.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "parts": 3}', "\x00" * 50, "null"]
)
def test_a_spoilt_manifest_is_said_to_be_spoilt(store, bill, text):
    (store.folder / "manifest.json").write_text(text)
    file = list((store.folder / "charges").rglob("*.parquet"))
    for act in (store.manifest, lambda: bring_in(store, [bill], now=NOW, user="ann")):
        with pytest.raises(BadInput, match=r"manifest\.json"):
            act()
    assert list((store.folder / "charges").rglob("*.parquet")) == file


def test_a_question_asked_while_a_file_is_swept_says_so(store, bill):
    def and_meanwhile():
        with store.reading() as engine:
            sql = store.rows_sql(store.manifest().parts)
            bring_in(store, [bill], now=NOW, user="ann", again=True)
            engine.execute(f"select count(*) from {sql}").fetchall()

    with pytest.raises(BadInput, match="changed while it was read") as told:
        and_meanwhile()
    assert told.value.next_step == "ask again"
