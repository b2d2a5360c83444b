"""From an order to the words of a command. Only what the user wrote as a script meets a shell."""

import os
from pathlib import Path

from shoestring.runner.spool import JobOrder

SHELL = "/bin/bash"


def commands(order: JobOrder, folder: Path) -> list[tuple[str, list[str]]]:
    """Phase and argument words of what has to run, in order.

    A script goes into a file of its own: it may be longer than an argument can be, and what it holds is not
    shown to everybody in the process list.
    """
    steps = []
    if order.setup:
        steps.append(("setup", [SHELL, str(_script(folder / "runner/setup.sh", order.setup))]))
    if order.argv:
        steps.append(("running", list(order.argv)))
    elif order.run:
        steps.append(("running", [SHELL, str(_script(folder / "runner/run.sh", order.run))]))
    return steps


def _script(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path
