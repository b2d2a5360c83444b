"""Opening a bill file: what it is, how it is written, and the SQL that reads it as text or typed columns."""

import csv
import gzip
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.encodings import READ_BY_ENGINE, as_utf8, encoding_of
from shoestring.store.bills.format import distinct
from shoestring.store.bills.nested import (
    DOCUMENT_MOST,
    check_parquet,
    json_source,
    names_of,
    parquet_source,
    write_lines,
)
from shoestring.store.charges_engine import literal

HEAD = 256 * 1024
HEADER_WITHIN = 30  # lines before the header that invoices like to write
DELIMITERS = ",;\t|^\x01"
STRICT = "strict_mode = true"
NULLS = ("NULL", "null", "")
# Other words for nothing: looked for in every cell only where a file's beginning has them, which is faster.
RARE_NULLS = (
    "\\N",
    "None",
    "none",
    "nan",
    "NaN",
    "NaT",
    "<NA>",
    "<null>",
    "(null)",
    "#N/A",
    "N/A",
    "n/a",
    "Null",
)
LINE_MAX = 4_000_000  # bytes; a longer line is quarantined

IsHeader = Callable[[Sequence[str]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A bill file that has been looked at.

    Attributes:
        header: its column names, made distinct; nested ones flat, ``service.description``.
        sql: a table expression that gives its rows; text columns for CSV and JSON.
        rejects: name of the engine's table with lines that are no rows; None for Parquet.
    """

    path: Path
    sha256: str
    header: tuple[str, ...]
    sql: str
    rejects: str | None


def open_source(
    path: Path,
    engine: Any,
    *,
    is_header: IsHeader,
    scratch: Path,
    encoding: str | None = None,
    hint: Callable[[Sequence[str]], str] = lambda cells: "",
) -> Source:
    """Look at a file: compression, encoding, delimiter, where its header is.

    Args:
        is_header: whether a line of cells is a header that somebody understands.
        scratch: a folder for a copy of what the engine can't read as it is.
        encoding: None to find out (UTF-8; UTF-16 and UTF-32).
        hint: what to tell of a header that nobody understands.

    Raises:
        BadInput: no such file, no header that is understood, or a kind of file that can't be read.
    """
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            magic = file.read(4)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    if magic == b"PAR1":
        check_parquet(engine, path)
        header, sql = parquet_source(engine, f"read_parquet({literal(path)})")
        return Source(path=path, sha256=sha256, header=header, sql=sql, rejects=None)
    text = _Text.of(path, scratch / sha256, packed=magic[:2] == b"\x1f\x8b", encoding=encoding)
    rejects = f"rejects_{sha256[:16]}"
    if text.head.lstrip()[:1] in ("{", "["):
        if not _is_lines(text.head, is_header):
            text = _unrolled(path, text, is_header, scratch / f"{sha256}.lines")
        header, sql = json_source(engine, text.at, text.options(rejects), f"{rejects}_lines")
        return Source(path=path, sha256=sha256, header=header, sql=sql, rejects=rejects)
    skip, delimiter, header = _find_header(path, text.head, is_header, hint, whole=len(text.head) < HEAD // 4)
    columns = ", ".join(f"{literal(h)}: 'VARCHAR'" for h in header)
    dialect = [
        f"columns = {{{columns}}}",
        "header = true",
        f"skip = {skip}",
        f"delim = {literal(delimiter)}",
        "quote = '\"'",
        "escape = '\"'",
        f"nullstr = [{', '.join(map(literal, _nulls(text.head, delimiter)))}]",
        STRICT,
    ]
    sql = f"read_csv({literal(text.at)}, {', '.join((*dialect, *text.options(rejects)))})"
    return Source(path=path, sha256=sha256, header=header, sql=sql, rejects=rejects)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A text file that the engine can read: its beginning, and how to read the rest."""

    at: Path
    head: str
    packed: bool
    encoding: str

    @staticmethod
    def of(path: Path, copy: Path, *, packed: bool, encoding: str | None) -> "_Text":
        """Of a file itself, or of a copy in UTF-8 where the engine does not know the encoding."""
        head = _head(path, packed)
        name = encoding_of(head, encoding)
        if name not in READ_BY_ENGINE:
            as_utf8(path, name, packed=packed, target=copy)
            path, packed, name, head = copy, False, "utf-8", _head(copy, packed=False)
        text = head.decode(name, errors="replace").removeprefix("\ufeff")
        return _Text(at=path, head=text, packed=packed, encoding=name)

    def options(self, rejects: str) -> list[str]:
        """For the engine's text reader: lines that are no rows go into a table."""
        return [
            "auto_detect = false",
            f"encoding = {literal(self.encoding)}",
            f"compression = '{'gzip' if self.packed else 'none'}'",
            "store_rejects = true",
            f"rejects_table = '{rejects}'",
            f"rejects_scan = '{rejects}_scan'",
            "rejects_limit = 0",
            f"max_line_size = {LINE_MAX}",
        ]


def lenient(source: Source) -> Source:
    """The same file, read with mixed line ends and stray quotes allowed: for when strict reading fails."""
    sql = source.sql.replace(STRICT, "strict_mode = false")
    if source.rejects is None:
        return replace(source, sql=sql)
    name = f"lenient_{source.rejects}"
    return replace(source, sql=sql.replace(f"'{source.rejects}", f"'{name}"), rejects=name)


def _head(path: Path, packed: bool) -> bytes:
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            return file.read(HEAD)
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: can't be read ({error})", next_step="fetch the file again") from None


def _is_lines(text: str, is_header: IsHeader) -> bool:
    """Whether this is the beginning of JSON lines: the first line is an object in itself, a record if the only one."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip() and len(text) < HEAD // 4:
        try:
            only = json.loads(first)
        except (ValueError, RecursionError):
            return first.startswith("{") and first.rstrip().endswith("}")
        return isinstance(only, dict) and is_header(names_of(only))
    return first.startswith("{") and first.rstrip().endswith("}") and rest.lstrip()[:1] in ("{", "")


def _unrolled(path: Path, text: _Text, is_header: IsHeader, target: Path) -> _Text:
    """One JSON document as JSON lines."""
    try:
        with gzip.open(text.at, "rb") if text.packed else text.at.open("rb") as file:
            raw = file.read(DOCUMENT_MOST + 1)
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: can't be read ({error})", next_step="fetch the file again") from None
    if len(raw) > DOCUMENT_MOST:
        raise BadInput(
            f"{path}: one JSON document of more than {DOCUMENT_MOST // 1_000_000} MB",
            next_step="write a record per line (JSON lines) and import that",
        )
    document = raw.decode(text.encoding, errors="replace").removeprefix("\ufeff")
    write_lines(path, document, is_header, target)
    return _Text(at=target, head="", packed=False, encoding="utf-8")


def _find_header(
    path: Path, text: str, is_header: IsHeader, hint: Callable[[Sequence[str]], str], *, whole: bool
) -> tuple[int, str, tuple[str, ...]]:
    """Lines to skip, delimiter and distinct column names. ``whole``: the text is the whole file."""
    first: list[str] = []
    lines = text.splitlines()
    for skip, line in enumerate(lines[:HEADER_WITHIN]):
        for delimiter in sorted(DELIMITERS, key=line.count, reverse=True):
            cells = _cells([line], delimiter)
            first = first or cells
            if len(cells) > 1 and is_header(cells):
                below = _cells(lines[skip + 1 : None if whole else -1], delimiter)
                above = csv.reader(lines[:skip])  # the engine counts rows, and one may go over several lines
                return sum(1 for _ in above), delimiter, distinct(_as_wide(cells, below))
    seen = ", ".join(first[:8]) or "nothing"
    raise BadInput(
        f"{path}: no header of a bill that I know (found: {seen[:200]}{hint(first)})",
        next_step=f"shoestring bills map {path.name} > map.yaml drafts a description to import it with --map",
    )


def _nulls(text: str, delimiter: str) -> list[str]:
    """What stands for nothing in a file that begins with ``text``."""
    edge = f'[{re.escape(delimiter)}"\\r\\n]'
    words = "|".join(map(re.escape, RARE_NULLS))
    return [*NULLS, *sorted(set(re.findall(f"{edge}({words})(?={edge}|$)", text)))]


def _as_wide(cells: list[str], row: list[str]) -> list[str]:
    """A header as wide as the first row, where only empty cells at the end make the difference."""
    extra = len(row) - len(cells)
    if extra > 0 and not any(row[len(cells) :]):
        return cells + [""] * extra
    if row and extra < 0 and not any(cells[extra:]):
        return cells[:extra]
    return cells


def _cells(lines: Sequence[str], delimiter: str) -> list[str]:
    """The cells of the first row in ``lines`` that is not empty; a row may go over several lines."""
    rows = csv.reader(io.StringIO("\n".join(itertools.islice(lines, 1_000))), delimiter=delimiter)
    try:
        return [cell.strip() for cell in next(filter(None, rows), [])]
    except csv.Error:
        return []
