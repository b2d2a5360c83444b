"""A small life of a journal, to be recorded: it leads, appends, takes requests, and says what is done.

python -m tests.faults.journal_workload FOLDER SETTINGS COMMITS

SETTINGS: ``local`` or ``network`` as we ship them, or others as ``JOURNAL_MODE/SYNCHRONOUS``.
"""

import os
import sys
from pathlib import Path

from shoestring.store import database
from shoestring.store.journal import SqlJournal
from tests.contract.journals import a_request, done


def main(folder: Path, settings: str, commits: int) -> None:
    """Commit ``number`` holds done(2 n) and done(2 n + 1): both or none may survive."""
    database.LOCAL["wal_autocheckpoint"] = "15"  # so that a short life sees the log moved, too
    if settings == "network":
        database.filesystem.network_filesystem = lambda path: "nfs4"
    elif settings != "local":
        database.LOCAL["journal_mode"], database.LOCAL["synchronous"] = settings.split("/")
    journal = SqlJournal(folder / "journal.db")
    lease = journal.acquire("leader", 60)
    assert lease is not None
    os.write(1, b"MARK ready\n")
    for number in range(commits):
        facts = [done(2 * number), done(2 * number + 1)]
        if number % 5 == 4:
            journal.ask(a_request(number))
            os.write(1, b"MARK asked %d\n" % number)
            journal.take(lease, [request_id for request_id, _ in journal.asked()], facts)
        else:
            journal.append(lease, facts)
        os.write(1, b"MARK %d\n" % number)
    journal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
