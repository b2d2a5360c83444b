"""Source: a job file's bytes become text, or a reason why not."""

import os
import stat
from pathlib import Path

from shoestring.domain.errors import NotFound
from shoestring.domain.text import printable
from shoestring.jobfile.report import Fatal

MAX_BYTES = 1 << 20
# Direction overrides make a file read differently from what runs (CVE-2021-42574).
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def read_source(path: Path) -> str:
    """The text of ``path``.

    Raises:
        NotFound: no such file, or no file at all.
        Fatal: too large, not UTF-8, or holding control characters.
    """
    data = _read_bounded(path)
    if len(data) > MAX_BYTES:
        raise Fatal(f"larger than {MAX_BYTES >> 20} MiB; a job file is small")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Fatal(f"not UTF-8 (byte 0x{data[error.start]:02x})", line=line) from None
    _refuse_control_characters(text)
    return text


def _read_bounded(path: Path) -> bytes:
    shown = printable(str(path), limit=200)
    try:
        # Non-blocking, so that a pipe with no writer gives an answer and not a wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise NotFound(f"{shown}: {reason}", next_step="shoestring validate JOB.yaml") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotFound(f"{shown}: not a regular file", next_step="shoestring validate JOB.yaml")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)


def _refuse_control_characters(text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        for character in line:
            code = ord(character)
            control = (code < 32 and character not in "\t\r") or 127 <= code < 160
            if control or character in _DIRECTION:
                raise Fatal(f"holds the control character U+{code:04X}", line=number)
