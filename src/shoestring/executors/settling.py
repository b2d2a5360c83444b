"""What becomes of an instance whose host is not there: whoever looks writes the end that it could not write."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from shoestring.executors.book import (
    InstanceBook,
    last_sign_of_life,
    read_book,
    spools,
    try_lock,
    write_book,
)
from shoestring.training.spool import ENV_SPOOL

START_S = 15.0  # real seconds within which a host that was asked for must have shown itself


def settled(folder: Path, order: Mapping[str, Any]) -> InstanceBook:
    """The book of an instance, with an end if its host has none to write any more.

    A host takes the lock before its first line and writes its last line before it lets go. So under the lock
    a life that was begun and has no end is lost: its processes end, and it ended at its last sign of life. A
    host that has not come within START_S never will: it finds the end that is written here, and lives not.
    """
    lock = try_lock(folder)
    if lock is None:
        return read_book(folder)
    try:
        book = read_book(folder)
        if book.terminated is None and book.launched is not None:
            kill_spool_processes(spools(folder, order["nodes"]))
            write_book(folder, "terminated", max(book.launched, last_sign_of_life(folder)), why="lost")
        elif book.terminated is None and time.time() - order["launched_at"] > START_S:
            write_book(folder, "terminated", order["launched_at"], why="lost")
        return read_book(folder)
    finally:
        os.close(lock)


def kill_spool_processes(folders: Sequence[Path]) -> None:
    """End what a dead host has left: processes whose environment names one of its spools."""
    wanted = {str(folder) for folder in folders}
    for process in psutil.process_iter():
        try:
            if process.environ().get(ENV_SPOOL) in wanted:
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
