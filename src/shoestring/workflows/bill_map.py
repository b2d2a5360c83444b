"""`shoestring bills map FILE`: a first map of an invoice that nobody has described yet."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from shoestring.domain.errors import BadInput
from shoestring.store.bills.draft import draft_map
from shoestring.store.bills.format import recognize
from shoestring.store.bills.known import FORMATS
from shoestring.store.bills.source import lenient, open_source
from shoestring.store.bills.unpack import unpacked
from shoestring.store.charges_engine import connect, engine_errors, explain_engine_error

FIRST_ROWS = 20
LEAST_CELLS = 3  # of a line that could be a header; titles and addresses above it have fewer


def draft_of(path: Path) -> str:
    """YAML for ``--map``, guessed from the header and first rows of ``path``.

    Raises:
        BadInput: no file, no line that could be a header, or a bill that needs no map.
    """
    with tempfile.TemporaryDirectory() as folder, connect() as engine:
        scratch = Path(folder)
        try:
            file = next(iter(unpacked(path, engine, scratch / "unpacked")))
            source = open_source(file, engine, is_header=_could_be_header, scratch=scratch)
            rows = engine.execute(f"select * from {lenient(source).sql} limit {FIRST_ROWS}").fetchall()  # noqa: S608
        except engine_errors() as error:
            raise explain_engine_error(error, f"reading {path.name}") from error
    form = recognize(source.header, FORMATS)
    if form is not None:
        raise BadInput(f"{path}: {form.title} needs no map", next_step=f"shoestring bills import {path}")
    first = (
        {
            name: next((str(cell) for cell in cells if cell is not None), None)
            for name, cells in zip(source.header, zip(*rows, strict=True), strict=True)
        }
        if rows
        else {}
    )
    return draft_map(path.name.split(".")[0], source.header, first)


def _could_be_header(cells: Sequence[str]) -> bool:
    names = [cell.strip() for cell in cells]
    return len(names) >= LEAST_CELLS and all(names) and not any(name[0].isdigit() for name in names)
