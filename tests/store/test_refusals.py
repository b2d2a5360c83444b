"""Disks that are full, folders without rights, a ledger that another process holds: said in words, and nothing lost."""

import errno
import fcntl
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import ShoestringError
from shoestring.store import charges_manifest
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_manifest import writing
from shoestring.store.charges_runs import book_run
from shoestring.workflows.bills import bring_in, close_month
from tests.faults.interruption import refusing
from tests.ledger.test_receipt import paid
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


@pytest.fixture
def store(quick_folder):
    made = ChargeStore(quick_folder / "ledger")
    bring_in(made, [write(quick_folder / "old.csv", [focus()])], now=NOW, user="ann")
    return made


def billed(store):
    return sum((Decimal(usd) for p in store.manifest().parts for usd in p.billed.values()), Decimal(0))


@pytest.mark.parametrize("number", NUMBERS)
def test_an_import_that_is_refused_anywhere_is_explained_and_leaves_the_old_or_the_new(
    store, quick_folder, number
):
    bill = write(quick_folder / "new.csv", [focus(BilledCost="99"), focus(BilledCost="unreadable")])
    met = 0
    for at in range(1, 80):
        done = False
        with refusing(at, number) as refusal:
            try:
                bring_in(store, [bill], now=NOW, user="ann", again=True)
                done = True  # also where the last thing refused was no more than tidying up
            except ShoestringError as error:
                met += 1
                assert error.next_step or "new.csv" in str(error)
        assert billed(store) in ((99,) if done else (10, 99))
        if not refusal.happened:
            break
    assert met > 20
    assert not refusal.happened, "the last one must have been let through"
    assert {
        str(p.relative_to(store.folder)) for p in (store.folder / "charges").rglob("*") if p.is_file()
    } == {p.file for p in store.manifest().parts}


@pytest.mark.parametrize("act", [
    lambda store: close_month(store, "2026-01", None, now=NOW, user="ann"),
    lambda store: book_run(store, paid(), state="a", now=NOW, user="ann"),
])  # fmt: skip
def test_closing_and_booking_are_explained_too(store, act):
    met = 0
    for at in range(1, 80):
        with refusing(at, errno.EROFS) as refusal:
            try:
                act(store)
            except ShoestringError as error:
                met += 1
                assert error.next_step
        if not refusal.happened:
            break
    assert met > 2
    assert not refusal.happened


def test_a_lock_that_a_dead_process_left_behind_locks_nothing(store, quick_folder):
    (store.folder / ".lock").write_text("4194305")
    close_month(store, "2026-01", None, now=NOW, user="ann")
    assert store.manifest().closed


def test_who_holds_the_ledger_too_long_is_named(store, monkeypatch):
    monkeypatch.setattr(charges_manifest, "WAIT_S", 0.0)
    with (store.folder / ".lock").open("a+") as other:
        other.truncate(0)
        other.write("77")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ShoestringError, match="id 77"), writing(store.folder):
            pass
    close_month(store, "2026-01", None, now=NOW, user="ann")
