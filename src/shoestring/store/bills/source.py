"""Opening a bill file: what it is, how it is written, and the SQL that reads it as text or typed columns."""

import codecs
import csv
import gzip
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.charges_engine import literal

HEAD = 256 * 1024
HEADER_WITHIN = 30  # lines before the header that invoices like to write
DELIMITERS = ",;\t|"
STRICT = "strict_mode = true"
LINE_MAX = 4_000_000  # bytes; a longer line is quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A bill file that has been looked at.

    Attributes:
        header: its column names, made distinct.
        sql: a table expression that gives its rows; text columns for CSV.
        rejects: name of the engine's table with lines that are no rows; None for Parquet.
    """

    path: Path
    sha256: str
    header: tuple[str, ...]
    sql: str
    rejects: str | None


def open_source(
    path: Path, engine: Any, *, is_header: Callable[[Sequence[str]], bool], encoding: str | None = None
) -> Source:
    """Look at a file: compression, encoding, delimiter, where its header is.

    Args:
        is_header: whether a line of cells is a header that somebody understands.
        encoding: None to find out (UTF-8, UTF-16 by its mark).

    Raises:
        BadInput: no such file, no header that is understood, or a kind of file that can't be read.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            sha256 = hashlib.file_digest(_rewound(file), "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    if magic == b"PAR1":
        sql = f"read_parquet({literal(path)})"
        header = tuple(r[0] for r in engine.execute(f"describe select * from {sql}").fetchall())
        return Source(path=path, sha256=sha256, header=header, sql=sql, rejects=None)
    if magic[:2] == b"PK":
        raise BadInput(f"{path}: a zip archive", next_step="unpack it and import the files inside")
    packed = magic[:2] == b"\x1f\x8b"
    head = _head(path, packed)
    encoding = encoding or ("utf-16" if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8")
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    skip, delimiter, header = _find_header(path, text, is_header)
    rejects = f"rejects_{sha256[:16]}"
    columns = ", ".join(f"{literal(h)}: 'VARCHAR'" for h in header)
    options = [
        f"columns = {{{columns}}}",
        "auto_detect = false",
        "header = true",
        f"skip = {skip}",
        f"delim = {literal(delimiter)}",
        "quote = '\"'",
        "escape = '\"'",
        "nullstr = ['NULL', 'null', '']",
        f"encoding = {literal(encoding)}",
        f"compression = '{'gzip' if packed else 'none'}'",
        STRICT,
        "store_rejects = true",
        f"rejects_table = '{rejects}'",
        f"rejects_scan = '{rejects}_scan'",
        "rejects_limit = 0",
        f"max_line_size = {LINE_MAX}",
    ]
    sql = f"read_csv({literal(path)}, {', '.join(options)})"
    return Source(path=path, sha256=sha256, header=header, sql=sql, rejects=rejects)


def lenient(source: Source) -> Source:
    """The same file, read with mixed line ends and stray quotes allowed: for when strict reading fails."""
    return replace(source, sql=source.sql.replace(STRICT, "strict_mode = false"))


def _head(path: Path, packed: bool) -> bytes:
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            return file.read(HEAD)
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: can't be read ({error})", next_step="fetch the file again") from None


def _find_header(
    path: Path, text: str, is_header: Callable[[Sequence[str]], bool]
) -> tuple[int, str, tuple[str, ...]]:
    """Lines to skip, delimiter and distinct column names."""
    first: list[str] = []
    for skip, line in enumerate(text.splitlines()[:HEADER_WITHIN]):
        for delimiter in sorted(DELIMITERS, key=line.count, reverse=True):
            cells = _cells(line, delimiter)
            first = first or cells
            if len(cells) > 1 and is_header(cells):
                return skip, delimiter, _distinct(cells)
    seen = ", ".join(first[:8]) or "nothing"
    raise BadInput(
        f"{path}: no header of a bill that I know (found: {seen[:200]})",
        next_step="describe its columns in a YAML and give it with --map (docs/ledger.md)",
    )


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=delimiter), [])]
    except csv.Error:
        return []


def _distinct(cells: list[str]) -> tuple[str, ...]:
    """Column names without doubles (the engine does not care for case) and without empty ones."""
    names: list[str] = []
    taken: set[str] = set()
    for place, cell in enumerate(cells, 1):
        name = base = cell or f"column_{place}"
        count = 1
        while name.lower() in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name.lower())
        names.append(name)
    return tuple(names)


def _rewound(file: Any) -> Any:
    file.seek(0)
    return file
