"""``python -m shoestring.runner SPOOL``: run the order that lies in the spool."""

import fcntl
import os
import sys
from pathlib import Path

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.runner.loop import Runner
from shoestring.runner.sentinel import Sentinel
from shoestring.runner.spool import load_order
from shoestring.training import spool as names

BUSY = 75  # EX_TEMPFAIL
USAGE = "usage: python -m shoestring.runner SPOOL_FOLDER"


def main(words: list[str]) -> int:
    """Exit code of the command, 128 + number if a signal ended it, 2 if the order can't be run.

    BUSY when another runner holds this spool, or has run it before.
    """
    if len(words) != 1:
        raise BadInput(USAGE)
    folder = Path(words[0]).absolute()
    order = load_order(folder)
    lock = os.open(folder / "runner/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"error: another runner works in {folder}", file=sys.stderr)
        return BUSY
    if (folder / names.STATE).exists():
        print(f"error: {folder} has been run; an attempt runs once", file=sys.stderr)
        return BUSY
    # Process 1 of a container takes all others with it when it dies, and would adopt the sentinel.
    sentinel = None if os.getpid() == 1 else Sentinel(folder)
    return Runner(folder=folder, order=order, outside=dict(os.environ), sentinel=sentinel).run()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ShoestringError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, ShoestringError) else os.EX_IOERR)
