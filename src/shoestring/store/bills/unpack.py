"""Bills inside archives, unpacked where the engine can read them; and what is no bill, by its first bytes."""

import bz2
import lzma
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from shoestring.domain.errors import BadInput
from shoestring.store.charges_engine import literal

BILL_FILES = (
    *(".csv", ".csv.gz", ".csv.zst", ".csv.bz2", ".csv.xz", ".csv.zip", ".zip", ".tsv", ".parquet"),
    *(".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
)
NO_BILL_NAMES = ("manifest", "metadata", "readme", "schema.", "_schema")  # what tells of bills beside them
CHUNK = 1 << 20
TIMES_MOST = 250  # bills shrink to a twentieth or less, hardly ever to a hundredth
ALWAYS_FINE = 1 << 28  # bytes; a small file may shrink as much as it likes
MEMBERS_MOST = 5_000
LINE = "delim = '\x1e', quote = '', escape = '', header = false"
NO_BILLS = {
    b"%PDF": ("a PDF", "ask the sender for CSV"),
    b"Obj\x01": ("an Avro file", "export CSV or Parquet"),
    b"ORC": ("an ORC file", "export CSV or Parquet"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the sheet as CSV"),
    b"<": ("HTML or XML, perhaps an error page instead of the bill", "fetch the file again"),
    b"\xef\xbb\xbf<": ("HTML or XML, perhaps an error page instead of the bill", "fetch the file again"),
    b"version https://git-lfs": ("a pointer to a file elsewhere", "fetch the file itself (git lfs pull)"),
}


def is_bill_name(name: str) -> bool:
    """Not one of the lists of contents that clouds put beside their files, and nothing hidden."""
    last = name.rpartition("/")[2]
    listed = last.lower().endswith(BILL_FILES)
    about = any(word in last.lower() for word in NO_BILL_NAMES)
    return listed and not last.startswith((".", "_")) and not about


def unpacked(path: Path, engine: Any, scratch: Path) -> list[Path]:
    """A file itself, or copies of what an archive holds: zip (several bills), bzip2, xz, zstd.

    Args:
        scratch: an empty folder's place, made where it is needed.

    Raises:
        BadInput: no such file, nothing in it, a kind of file that holds no bill, a broken archive, or one that
            grows beyond what bills do.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(32)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    if not magic:
        raise BadInput(f"{path}: an empty file", next_step="fetch it again, or leave it out")
    for mark, (kind, next_step) in NO_BILLS.items():
        if magic.lstrip().startswith(mark):
            raise BadInput(f"{path}: {kind}, no bill", next_step=next_step)
    try:
        if magic[:4] == b"PK\x03\x04":
            return _zip(path, scratch)
        if magic[:3] == b"BZh":
            return [_copied(path, lambda: bz2.open(path, "rb"), _place(scratch, path.stem))]
        if magic[:6] == b"\xfd7zXZ\x00":
            return [_copied(path, lambda: lzma.open(path, "rb"), _place(scratch, path.stem))]
    except (zipfile.BadZipFile, EOFError, lzma.LZMAError, NotImplementedError, ValueError) as error:
        raise BadInput(f"{path}: can't be unpacked ({error})", next_step="fetch the file again") from None
    except OSError as error:
        if error.errno is not None:  # the disk; a broken archive has no number
            raise
        raise BadInput(f"{path}: can't be unpacked ({error})", next_step="fetch the file again") from None
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        target = _place(scratch, path.stem)
        lines = f"read_csv({literal(path)}, compression = 'zstd', columns = {{'line': 'VARCHAR'}}, {LINE})"
        engine.execute(
            f"copy (select line from {lines}) to {literal(target)} (format csv, {LINE.replace(' = ', ' ')})"
        )
        return [target]
    return [path]


def _place(scratch: Path, name: str) -> Path:
    scratch.mkdir(parents=True, exist_ok=True)
    return scratch / Path(name).name


def _zip(path: Path, scratch: Path) -> list[Path]:
    with zipfile.ZipFile(path) as archive:
        inside = [m for m in archive.infolist() if not m.is_dir()]
        if any(m.filename.startswith("xl/") for m in inside):
            raise BadInput(f"{path}: an Excel workbook", next_step="save the sheet as CSV")
        bills = [m for m in inside if is_bill_name(m.filename) and not m.filename.lower().endswith(".zip")]
        if not bills or len(bills) > MEMBERS_MOST:
            raise BadInput(
                f"{path}: {len(bills):,} bill files in it", next_step="unpack it and name the files"
            )
        if any(m.flag_bits & 1 for m in bills):
            raise BadInput(
                f"{path}: locked with a password", next_step="unpack it and import the files inside"
            )
        allowed, copies = _most(path), []
        for number, member in enumerate(
            bills
        ):  # names come from outside: only their last part, numbered folders
            target = _place(scratch / str(number), member.filename)
            copies.append(_copied(path, lambda m=member: archive.open(m), target, allowed))  # type: ignore[misc]
            allowed -= target.stat().st_size
        return copies


def _most(path: Path) -> int:
    return max(ALWAYS_FINE, TIMES_MOST * path.stat().st_size)


def _copied(path: Path, opened: Callable[[], IO[bytes]], target: Path, allowed: int | None = None) -> Path:
    """A file unpacked piece by piece, given up once it is larger than bills are or than the disk has room for."""
    allowed = _most(path) if allowed is None else allowed
    room = min(allowed, shutil.disk_usage(target.parent).free * 9 // 10)
    with opened() as packed, target.open("wb") as out:
        while piece := packed.read(CHUNK):
            room -= len(piece)
            if room < 0:
                raise BadInput(
                    f"{path}: unpacks to far more than a bill does, or than the disk has room for",
                    next_step="unpack it yourself and import the files inside if it is to be trusted",
                )
            out.write(piece)
    return target
