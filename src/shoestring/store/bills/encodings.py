"""How a text file is encoded, and a copy in UTF-8 where the engine can't read it as it is."""

import codecs
import gzip
import io
import re
from pathlib import Path

from shoestring.domain.errors import BadInput, ShoestringError

CHUNK = 1 << 20
MARKS = (  # the longer marks first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
READ_BY_ENGINE = ("utf-8", "latin-1")
SEVERAL_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
CP1252_ONLY = re.compile(rb"[\x80-\x9f]")  # control characters in Latin-1, quotes and the euro in Windows
ZEROS = 0.4  # share of zero bytes at every other place that only UTF-16 without a mark has


def encoding_of(head: bytes, given: str | None) -> str:
    """The encoding of a text that begins with ``head``: as given, by its mark, by its zero bytes, or UTF-8.

    Western bytes that can't be UTF-8 are Latin-1 or Windows-1252.

    Raises:
        BadInput: an encoding that nobody knows was given.

    >>> encoding_of("a;b".encode("utf-16-le"), None), encoding_of(b"a;b", "ISO-8859-1")
    ('utf-16-le', 'latin-1')
    """
    if given is not None:
        try:
            name = codecs.lookup(given).name
        except LookupError:
            raise BadInput(
                f"no encoding {given!r}", next_step="e.g. --encoding cp1252, latin-1 or utf-16"
            ) from None
        return {"iso8859-1": "latin-1", "utf-8-sig": "utf-8"}.get(name, name)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    some = head[:4096]
    if len(some) > 1 and some[1::2].count(0) > ZEROS * len(some[1::2]):
        return "utf-16-le"
    if some and some[0::2].count(0) > ZEROS * len(some[0::2]):
        return "utf-16-be"
    return "utf-8" if _could_be_utf8(head) else ("cp1252" if CP1252_ONLY.search(head) else "latin-1")


def _could_be_utf8(head: bytes) -> bool:
    """Whether it is UTF-8, perhaps with damage: it has letters of several bytes, or none that only others have."""
    try:
        head[: max(0, len(head) - 3)].decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 6 or SEVERAL_BYTES.search(head) is not None
    return True


def as_utf8(path: Path, encoding: str, *, packed: bool, target: Path) -> Path:
    """A copy of a file in UTF-8, written piece by piece.

    Raises:
        BadInput: it is not in that encoding, or its compression is broken.
    """
    try:
        with (
            gzip.open(path, "rb") if packed else path.open("rb") as raw,
            io.TextIOWrapper(raw, encoding=encoding, newline="") as text,
            target.open("w", encoding="utf-8", newline="") as out,
        ):
            while piece := text.read(CHUNK):
                out.write(piece)
    except UnicodeError as error:
        raise BadInput(f"{path}: not in {encoding} ({error})", next_step="name another --encoding") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise BadInput(f"{path}: can't be read ({error})", next_step="fetch the file again") from None
    except OSError as error:
        raise ShoestringError(
            f"{path}: {error.strerror or error}", next_step="free some disk space; the ledger is as it was"
        ) from None
    return target
