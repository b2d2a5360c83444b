"""DuckDB, imported late: the ledger's engine is an extra, and everything else works without it."""

import functools
import os
import re
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput, ShoestringError

MEMORY_LIMIT = "1GB"
PARQUET = "(format parquet, compression zstd)"  # how the ledger writes its files


def connect(folder: Path | None = None, *, alone: bool = False) -> Any:
    """A DuckDB connection in UTC that spills to ``folder`` and touches no network.

    An engine takes 20 ms to start, so connections with the same folder share one in this process. What one of
    them makes (temporary tables, lines that were no rows) the others do not see; functions and settings of the
    engine they would, so who needs such asks to be ``alone``, as all without a folder are.

    Raises:
        BadInput: duckdb is not installed.
    """
    if folder is None or alone:
        return _engine(folder)
    return _shared_engine(os.getpid(), folder).cursor()


@functools.lru_cache(maxsize=4)
def _shared_engine(_pid: int, folder: Path) -> Any:
    return _engine(folder)


def _engine(folder: Path | None) -> Any:
    """A fresh engine, in memory."""
    try:
        import duckdb
    except ImportError:
        raise BadInput(
            "the cost ledger needs duckdb, which is not installed",
            next_step="pip install 'shoestring[ledger]'",
        ) from None
    settings: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": MEMORY_LIMIT,
        "preserve_insertion_order": False,
    }
    if folder is not None:
        settings["temp_directory"] = str(folder)
    engine = duckdb.connect(":memory:", config=settings)
    engine.execute("load icu; set global TimeZone = 'UTC'")
    return engine


def engine_errors() -> tuple[type[Exception], ...]:
    """What the engine raises for bad input, a full disk or bad SQL; to be caught where it can be answered."""
    import duckdb

    return (duckdb.Error,)


def explain_engine_error(error: Exception, doing: str) -> ShoestringError:
    """The engine's complaint as one of ours, first line only, with the next step that fits."""
    text = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
    if re.search(r"no space left|disk (is )?full|could not write|Cannot write", text, re.IGNORECASE):
        return ShoestringError(f"{doing}: {text}", next_step="free some disk space; the ledger is as it was")
    if text.startswith("Out of Memory"):
        return BadInput(
            f"{doing}: more memory is needed than the {MEMORY_LIMIT} that it may use, as by cells of megabytes",
            next_step="look at the file's longest cells, or split it; the ledger is as it was",
        )
    return BadInput(f"{doing}: {text}")


def ident(name: str) -> str:
    """A quoted SQL identifier.

    >>> ident('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """A quoted SQL text, for the places where no parameter may stand (file names).

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + str(text).replace("'", "''") + "'"


def literals(texts: list[str]) -> str:
    """A SQL list of texts."""
    return "[" + ", ".join(literal(t) for t in texts) + "]"
