"""What the ledger's verbs share: where the ledger lies."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from shoestring.app.place import home, runs_folder
from shoestring.store.charges import ChargeStore

LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="The ledger's folder; default: ~/.shoestring/ledger.")
]


def booked_ledger(folder: Path | None) -> ChargeStore:
    """The same, brought up to date with this machine's runs; a ledger elsewhere is left as it is."""
    store = open_ledger(folder)
    if folder is None and runs_folder().is_dir():
        from shoestring.app.book_runs import book_all_runs

        for failure in book_all_runs(store).failed:
            print(f"not booked: {failure}", file=sys.stderr)
    return store


def open_ledger(folder: Path | None) -> ChargeStore:
    """The charge store at ``folder``, or the user's own."""
    return ChargeStore(folder if folder is not None else home() / "ledger")
