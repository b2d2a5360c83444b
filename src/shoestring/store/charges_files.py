"""How the ledger's files are named, made durable, and known to be of a writer that died."""

import contextlib
import errno
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from shoestring.domain.errors import ShoestringError
from shoestring.training.spool import sync_folder

NEXT_STEPS = {
    errno.ENOSPC: "free some disk space",
    errno.EDQUOT: "free some of your disk quota",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: "the folder is on a read-only file system: name another one with --ledger",
    errno.EACCES: "you may not write there: ask the folder's owner, or name another one with --ledger",
    errno.EPERM: "you may not write there: ask the folder's owner, or name another one with --ledger",
}


@contextlib.contextmanager
def explaining(folder: Path) -> Iterator[None]:
    """What the file system refuses while the ledger in ``folder`` is changed, as an error with the next step.

    Raises:
        ShoestringError: a change counts once its manifest is there, so the ledger is whole, old or new.
    """
    try:
        yield
    except OSError as error:
        where = error.filename if error.filename is not None else folder
        step = NEXT_STEPS.get(error.errno or 0, "see what is there: shoestring bills list")
        raise ShoestringError(f"{where}: {error.strerror}; the ledger is whole", next_step=step) from error


def slug(source: str) -> str:
    """A folder name for a source: readable, and different for different sources."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:60] or "source"
    return f"{plain}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def alive(pid: str) -> bool:
    """Whether a process of this machine has that id."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def sync_file(path: Path) -> None:
    """Make a file and its name durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)
