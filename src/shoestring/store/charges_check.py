"""Whether the ledger's files are what was written: each is there, and to the bit.

Disks lose bits, copies break off, people tidy up. Parquet notices some of it and reads over the rest, so every file's
digest is in the manifest.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoestring.domain.errors import BadInput
from shoestring.store.charges_manifest import Manifest, Part

MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A file that is not what was written, and what brings it back.

    Attributes:
        what: ``missing`` | ``changed`` | ``broken off`` | why it can't be read.
        next_step: a command or a sentence.
    """

    path: Path
    what: str
    next_step: str

    def error(self) -> BadInput:
        return BadInput(f"{self.path}: {self.what}", next_step=self.next_step)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damages(folder: Path, manifest: Manifest) -> Iterator[Damage]:
    """Every file of a ledger that is not what was written. Reads them all: about a second for two gigabytes.

    Files from before digests were kept are only looked at for their two ends.
    """
    for part in manifest.parts:
        for name in (part.file, part.cube, part.resources):
            if name is not None and (what := _wrong(folder / name, part.sha256.get(name))) is not None:
                yield Damage(path=folder / name, what=what, next_step=_next_step(manifest, part, folder))
    for delivery in manifest.deliveries:
        if delivery.quarantine is not None and not (folder / delivery.quarantine).is_file():
            files = " ".join(delivery.files)
            step = f"no charges are in it; to have its rows listed again: shoestring bills import {files} --again"
            yield Damage(path=folder / delivery.quarantine, what="missing", next_step=step)
    for path in sorted(folder.glob("schema-*.parquet")):
        if (what := _wrong(path, None)) is not None:
            yield Damage(path=path, what=what, next_step="delete it; it is made anew")


def _wrong(path: Path, digest: str | None) -> str | None:
    try:
        if digest is not None:
            return None if digest_of(path) == digest else "changed since it was written"
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(-4, 2)
            return None if head == file.read() == MAGIC else "broken off"
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"can't be read ({error.strerror})"


def _next_step(manifest: Manifest, part: Part, folder: Path) -> str:
    """What brings a part's charges back: a copy of the file, or what they were made from."""
    if part.kind == "metered":
        return "restore it from a backup, or delete it: the run is booked anew at the next `shoestring costs`"
    if not part.of_a_bill:
        return "restore it from a backup, or share out anew: shoestring costs --undo-allocation, then --apply"
    files = next((d.files for d in manifest.deliveries if d.id == part.import_id), ())
    again = f"shoestring bills import {' '.join(files) or 'FILE'} --again --ledger {folder}"
    return f"restore it from a backup, or import {part.period} of {part.source} again: {again}"
