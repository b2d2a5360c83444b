"""``python -m shoestring.runner SPOOL``: run the order that lies in the spool."""

import fcntl
import os
import sys
from pathlib import Path

from shoestring.domain.errors import ShoestringError
from shoestring.runner.loop import Runner
from shoestring.runner.spool import load_order
from shoestring.training import spool as names


def main(folder: Path) -> int:
    """Exit code of the command; 75 when another runner holds this spool or has held it to the end."""
    lock = os.open(folder / "runner" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another runner works in {folder}", file=sys.stderr)
        return 75
    if (folder / names.STATE).exists():
        print(f"{folder} has been run; an attempt runs once", file=sys.stderr)
        return 75
    return Runner(folder=folder, order=load_order(folder), outside=dict(os.environ)).run()


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except ShoestringError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
