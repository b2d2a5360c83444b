"""All checkpoints of a run in one folder: their names, which are complete, which may go."""

import re
import uuid
from collections.abc import Collection

from shoestring.training import manifest
from shoestring.training.place import Folder

_ID = re.compile(r"step-(\d{6,18})-[A-Za-z0-9-]{1,80}")


def new_id(step: int, attempt: str) -> str:
    """A name that sorts by step, shows its attempt and is never used twice."""
    plain = re.sub(r"[^A-Za-z0-9]", "", attempt)[:16] or "0"
    return f"step-{step:06d}-a{plain}-{uuid.uuid4().hex[:6]}"


def complete(root: Folder) -> list[str]:
    """Ids of checkpoints whose manifest is there (not yet verified), newest first."""
    return [name for name in _ids(root) if root.child(name).exists(manifest.NAME)]


def prune(root: Folder, *, keep: int, current: str, protected: Collection[str]) -> list[str]:
    """Remove old checkpoints and what cut-off saves left behind; called once ``current`` is committed.

    The manifest goes first: from then on the checkpoint does not exist, so a crash in the middle leaves only
    litter, which the next call removes.

    Args:
        keep: how many complete ones stay, ``current`` among them.
        protected: ids that stay whatever their age: the journal may still send someone to them.

    Returns:
        Ids of the complete checkpoints that were removed.
    """
    names, whole = _ids(root), complete(root)
    others = [name for name in whole if name != current]
    stay = {current, *protected, *others[: max(keep - 1, 0)]}
    for name in names:
        if name not in stay:
            _remove(root.child(name))
    return [name for name in whole if name not in stay]


def _ids(root: Folder) -> list[str]:
    found = [(int(match[1]), name) for name in root.names() if (match := _ID.fullmatch(name))]
    return [name for _, name in sorted(found, reverse=True)]


def _remove(folder: Folder) -> None:
    folder.remove(manifest.NAME)
    folder.sync()
    for name in folder.names():
        folder.remove(name)
    folder.remove_empty()
