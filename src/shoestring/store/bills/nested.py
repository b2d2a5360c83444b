"""Parquet with nested columns, and JSON: both as flat columns named ``service.description``.

Objects of free keys (tags, labels) stay whole, as JSON text: what is in them differs from row to row.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.bills.format import distinct, plain
from shoestring.store.charges_engine import ident, literal
from shoestring.store.focus.model import columns

DEPTH = 6  # of objects within objects
COLUMNS_MOST = 2_000
ROWS_ALWAYS_FINE, ROWS_PER_BYTE = 1_000_000, 4  # of Parquet; a bill's row takes 10 bytes and more
DOCUMENT_MOST = 256_000_000  # bytes of one JSON document; JSON lines may be longer
SEPARATOR = "\x1e"  # a control character, which JSON never holds as it is
# Objects whose keys are the user's, not the sender's.
FREE_KEYS = frozenset(plain(c.name) for c in columns().values() if c.type == "JSON") | {
    *("labels", "propertieslabels", "propertiesannotations", "projectlabels", "annotations"),
    *("resourcetags", "costcategory", "product", "discount", "xdiscounts", "xcostcategories"),
}


def check_parquet(engine: Any, path: Path) -> None:
    """Refuse a file whose rows could not all say something. Raises BadInput.

    A row of a bill takes bytes, however well it is compressed; rows that are all the same take next to none.
    """
    (rows,) = engine.execute(f"select sum(num_rows) from parquet_file_metadata({literal(path)})").fetchone()
    size = path.stat().st_size
    if rows is not None and rows > ROWS_ALWAYS_FINE and rows > ROWS_PER_BYTE * size:
        raise BadInput(
            f"{path}: {rows:,} rows in {size:,} bytes: they can't say what was paid for what",
            next_step="fetch the file again, or ask its sender",
        )


def parquet_source(engine: Any, table: str) -> tuple[tuple[str, ...], str]:
    """Column names and a table expression of a Parquet file, flat."""
    relation = engine.sql(f"select * from {table} limit 0")
    flat = [
        leaf
        for name, kind in zip(relation.columns, relation.types, strict=True)
        for leaf in _leaves(name, ident(name), kind)
    ]
    if all(sql == ident(name) for name, sql in flat):
        return tuple(name for name, _ in flat), table
    names = distinct([name for name, _ in flat])
    chosen = ", ".join(f"{sql} as {ident(name)}" for name, (_, sql) in zip(names, flat, strict=True))
    return names, f"(select {chosen} from {table})"


def _leaves(name: str, sql: str, kind: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    if kind.id == "struct":
        children = kind.children
        if [key for key, _ in children] == ["list"]:  # BigQuery's way to write a list
            rows = children[0][1]
            inner = f"{sql}.list"
            if rows.id == "list" and [k for k, _ in _fields(rows.children[0][1])] == ["element"]:
                inner = f"list_transform({inner}, lambda x: x.element)"
            yield name, f"cast(to_json({inner}) as varchar)"
            return
        if plain(name) not in FREE_KEYS and depth < DEPTH:
            for key, child in children:
                yield from _leaves(f"{name}.{key}", f"{sql}.{ident(key)}", child, depth + 1)
            return
    if kind.id in ("struct", "map", "list", "array", "union"):
        yield name, f"cast(to_json({sql}) as varchar)"
    elif kind.id == "float":
        yield name, f"cast({sql} as varchar)"  # 0.1 as it is written, not as the nearest double of a float
    elif str(kind) == "JSON":
        yield name, f"cast({sql} as varchar)"
    else:
        yield name, f"nullif({sql}, '')" if kind.id == "varchar" else sql


def _fields(kind: Any) -> list[tuple[str, Any]]:
    return list(kind.children) if kind.id == "struct" else []


def json_source(engine: Any, path: Path, options: Sequence[str], table: str) -> tuple[tuple[str, ...], str]:
    """Column names and a table expression of JSON lines. A line that is no JSON gives a row of nulls.

    Args:
        options: for the engine's text reader (compression, quarantine of what is no text).
        table: a name for the file's lines.
    """
    reader = [
        "columns = {'line': 'VARCHAR'}",
        f"delim = {literal(SEPARATOR)}",
        "header = false",
        "quote = ''",
        "escape = ''",
        "strict_mode = true",
        *options,
    ]
    lines = f"(select line from read_csv({literal(path)}, {', '.join(reader)}) where line is not null)"
    (text,) = engine.execute(
        f"select cast(json_group_structure(cast(line as json)) as varchar) from {lines} where json_valid(line)"
    ).fetchone()
    structure = json.loads(text or "{}")
    if not isinstance(structure, dict):
        raise BadInput(f"{path}: lines of JSON that are no objects")
    paths = list(_json_leaves(structure, (), 0))
    if len(paths) > COLUMNS_MOST:
        raise BadInput(f"{path}: {len(paths):,} different keys; at most {COLUMNS_MOST:,}")
    names = distinct([".".join(keys) for keys in paths])
    chosen = [
        f"nullif(json_extract_string(line, {literal(_pointer(keys))}), '') as {ident(name)}"
        for keys, name in zip(paths, names, strict=True)
    ]
    valid = f"(select case when json_valid(line) then line end as line from {lines})"
    return names, f"(select {', '.join(chosen) or 'line'} from {valid} {ident(table)})"


def _json_leaves(structure: Any, keys: tuple[str, ...], depth: int) -> Iterator[tuple[str, ...]]:
    for key, inner in structure.items():
        here = (*keys, key)
        flat = (
            not isinstance(inner, dict) or plain(".".join(here)) in FREE_KEYS or depth >= DEPTH or not inner
        )
        if flat:
            yield here
        else:
            yield from _json_leaves(inner, here, depth + 1)


def _pointer(keys: Sequence[str]) -> str:
    """A JSON pointer: its two special characters have escapes, whatever else a key holds."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def write_lines(path: Path, text: str, is_header: Callable[[Sequence[str]], bool], target: Path) -> None:
    """The records of one JSON document as JSON lines: wherever they are in it, a list or objects by name.

    A list or object is taken whole once one of its members is a record. Numbers stay as they are written.

    Raises:
        BadInput: no JSON, or nothing in it that is a record.
    """
    try:
        document = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: broken JSON ({error})", next_step="fetch the file again") from None
    count = 0
    with target.open("w", encoding="utf-8") as out:
        for record in _records(document, is_header, 0):
            out.write(json.dumps(record) + "\n")
            count += 1
    if not count:
        raise BadInput(
            f"{path}: JSON without a charge that I know",
            next_step="describe its keys in a YAML and give it with --map (docs/ledger.md)",
        )


def _records(node: Any, is_header: Callable[[Sequence[str]], bool], depth: int) -> Iterator[dict[str, Any]]:
    if depth > DEPTH or not isinstance(node, dict | list):
        return
    if isinstance(node, dict) and is_header(names_of(node)):
        yield node
        return
    members = [m for m in (node.values() if isinstance(node, dict) else node) if isinstance(m, dict)]
    if any(is_header(names_of(m)) for m in members):
        yield from members
        return
    for member in node.values() if isinstance(node, dict) else node:
        yield from _records(member, is_header, depth + 1)


def names_of(record: dict[str, Any]) -> list[str]:
    """The names of the flat columns that a record has."""
    return [".".join(keys) for keys in _json_leaves(record, (), 0)]
