"""Files for people, replaced as a whole: a full disk leaves the old one."""

import os
from pathlib import Path

from shoestring.domain.errors import BadInput


def write_whole(path: Path, content: str | bytes, option: str) -> None:
    """Write it, or leave what was there.

    Args:
        option: where the path came from, for the error.

    Raises:
        BadInput: it can't be written there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BadInput(f"{option} {path}: {error.strerror or error}", next_step="give another file") from None
