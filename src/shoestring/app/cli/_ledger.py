"""What the ledger's verbs share: where the ledger lies."""

from pathlib import Path
from typing import Annotated

import typer

from shoestring.app.config import home
from shoestring.store.charges import ChargeStore

LedgerOption = Annotated[
    Path | None, typer.Option("--ledger", help="The ledger's folder; default: ~/.shoestring/ledger.")
]


def open_ledger(folder: Path | None) -> ChargeStore:
    """The charge store at ``folder``, or the user's own."""
    return ChargeStore(folder if folder is not None else home() / "ledger")
