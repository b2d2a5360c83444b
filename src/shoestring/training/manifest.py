"""The manifest: the last file of a checkpoint to be written, and the proof that all the others are whole.

It is canonical JSON (sorted keys, no spaces) that ends the save; a checkpoint without a valid manifest does
not exist. ``self_sha256`` is over the same JSON without that key, so that no altered byte passes unseen; the
hash of the whole file is pinned in the journal, which says which checkpoint is ours.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from shoestring.domain.errors import BadInput, CheckpointCorrupt
from shoestring.training.place import FileEntry, Folder

NAME = "manifest.json"
FORMAT = "shoestring-checkpoint"
VERSION = 1
MAX_BYTES = 64 << 20
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}|\.metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a checkpoint is made of.

    Attributes:
        id: name of its folder. created_at: UTC, ISO 8601. step: optimizer steps done.
        files: every file but the manifest itself.
        world_size: processes that wrote it; any number may read it.
        encryption: None in this version; reserved for how the files are encrypted.
        versions: of shoestring, torch and python that wrote it.
    """

    id: str
    step: int
    created_at: str
    files: tuple[FileEntry, ...]
    world_size: int
    versions: Mapping[str, str]
    encryption: Mapping[str, Any] | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, the manifest too."""
        return sum(file.size for file in self.files) + len(self.encode())

    def encode(self) -> bytes:
        """The file's bytes; the same manifest always gives the same bytes."""
        body = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return _canonical({**body, "self_sha256": hashlib.sha256(_canonical(body)).hexdigest()})

    @classmethod
    def decode(cls, data: bytes, *, where: str) -> "Manifest":
        """Read a manifest.

        Raises:
            CheckpointCorrupt: a byte is not as it was written.
            BadInput: it is whole, but written by a newer shoestring or encrypted.
        """
        body = _checked(data, where)
        if body.get("format") != FORMAT or not isinstance(body.get("version"), int):
            raise CheckpointCorrupt(f"{where}: not a manifest of a shoestring checkpoint")
        if body["version"] > VERSION:
            raise BadInput(
                f"{where}: format version {body['version']}; this shoestring reads up to {VERSION}",
                next_step="pip install --upgrade shoestring",
            )
        if body.get("encryption") is not None:
            raise BadInput(
                f"{where}: the checkpoint is encrypted, which this version of shoestring can't read",
                next_step="pip install --upgrade shoestring",
            )
        try:
            files = tuple(FileEntry(**file) for file in body["files"])
            manifest = cls(
                id=body["id"],
                step=body["step"],
                created_at=body["created_at"],
                files=files,
                world_size=body["world_size"],
                versions=body["versions"],
            )
        except (KeyError, TypeError) as error:
            raise CheckpointCorrupt(f"{where}: a manifest without all its parts: {error!r}") from error
        for file in files:
            if not isinstance(file.name, str) or not _FILE_NAME.fullmatch(file.name):
                raise CheckpointCorrupt(f"{where}: file name {file.name!r} is not allowed")
        return manifest


def read(folder: Folder, *, pinned_sha256: str | None = None) -> tuple[Manifest, str]:
    """The manifest of the checkpoint in ``folder`` and its hash.

    Args:
        pinned_sha256: what the journal says the hash is; None outside a run, where the folder is trusted.

    Raises:
        CheckpointCorrupt: none there, altered, of another checkpoint, or not the one the journal means.
        BadInput: as :meth:`Manifest.decode`.
    """
    where = f"{folder.uri}/{NAME}"
    try:
        data = folder.read(NAME, MAX_BYTES + 1)
    except FileNotFoundError:
        raise CheckpointCorrupt(f"{folder.uri}: no {NAME}: the save was cut off or it was pruned") from None
    if len(data) > MAX_BYTES:
        raise CheckpointCorrupt(f"{where}: more than {MAX_BYTES} bytes")
    sha256 = hashlib.sha256(data).hexdigest()
    if pinned_sha256 is not None and sha256 != pinned_sha256:
        raise CheckpointCorrupt(f"{where}: sha256 {sha256}, the journal pinned {pinned_sha256}")
    manifest = Manifest.decode(data, where=where)
    if manifest.id != folder.name:
        raise CheckpointCorrupt(f"{where}: belongs to {manifest.id!r}")
    return manifest, sha256


def verify(folder: Folder, manifest: Manifest, *, part: int = 0, parts: int = 1) -> None:
    """Compare every file (or each ``parts``-th, from ``part``) with the manifest, sizes first.

    Raises:
        CheckpointCorrupt: a file is missing, or longer, shorter or other than it was written.
    """
    mine = manifest.files[part::parts]
    for file in mine:
        try:
            size = folder.size(file.name)
        except FileNotFoundError:
            raise CheckpointCorrupt(f"{folder.uri}/{file.name}: missing") from None
        if size != file.size:
            raise CheckpointCorrupt(f"{folder.uri}/{file.name}: {size} bytes, written were {file.size}")
    for file in mine:
        if (sha256 := folder.sha256(file.name)) != file.sha256:
            raise CheckpointCorrupt(f"{folder.uri}/{file.name}: sha256 {sha256}, written was {file.sha256}")


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _checked(data: bytes, where: str) -> dict[str, Any]:
    try:
        whole = json.loads(data)
        body = dict(whole)
        expected = body.pop("self_sha256")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointCorrupt(f"{where}: not a whole manifest") from error
    if _canonical(whole) != data or hashlib.sha256(_canonical(body)).hexdigest() != expected:
        raise CheckpointCorrupt(f"{where}: altered since it was written")
    return body
