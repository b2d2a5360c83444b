"""How the ledger's files are named, made durable, and known to be of a writer that died."""

import hashlib
import os
import re
from pathlib import Path

from shoestring.training.spool import sync_folder


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
