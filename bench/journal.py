"""What durability costs: the journal with synchronous=FULL beside weaker settings, and in memory.

    python bench/journal.py [--commits 2000] [--entries 10000] [--folder .] [--json out.json]

Prints, for each, commits per second (two facts each, by one leader), then the time to create a journal, to
open one of ``--entries`` entries, and to read them all. NORMAL loses acknowledged commits at a power
loss (tests/faults/test_power_loss.py counts them), so it is here as the price of FULL, not as a choice.
"""

import argparse
import json
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from _machine import describe
from shoestring.domain.facts import Completed
from shoestring.ports import Journal
from shoestring.store import database
from shoestring.store.journal import SqlJournal
from shoestring.store.memory import MemoryJournal

FACT = Completed(run_id="run", at=datetime(2026, 1, 1, tzinfo=UTC), action_id="run-1", result="done")
SETTINGS = {
    "SQLite, WAL, FULL (what we use)": ("WAL", "FULL"),
    "SQLite, WAL, NORMAL (loses commits)": ("WAL", "NORMAL"),
    "SQLite, DELETE, EXTRA (network disks)": ("DELETE", "EXTRA"),
}


def commits_per_s(journal: Journal, commits: int) -> float:
    lease = journal.acquire("bench", 3600)
    assert lease is not None
    started = time.perf_counter()
    for _ in range(commits):
        journal.append(lease, [FACT, FACT])
    return commits / (time.perf_counter() - started)


def facts_per_s_in_memory(facts: int) -> float:
    journal = MemoryJournal()
    lease = journal.acquire("bench", 3600)
    assert lease is not None
    started = time.perf_counter()
    for _ in range(facts):
        journal.append(lease, [FACT])
    return facts / (time.perf_counter() - started)


def median_ms(what: object, repeats: int = 7) -> float:
    """Median of several calls; the first, which imports, is not counted."""
    assert callable(what)
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        what()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=2000)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result: dict[str, object] = {"commits_per_s": {}, "machine": describe("sqlalchemy", "alembic")}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        rates: dict[str, float] = {}
        usual = dict(database.LOCAL)
        for number, (title, (mode, synchronous)) in enumerate(SETTINGS.items()):
            database.LOCAL.update(journal_mode=mode, synchronous=synchronous)
            rates[title] = commits_per_s(SqlJournal(folder / f"{number}.db"), arguments.commits)
        database.LOCAL.update(usual)
        for title, rate in rates.items():
            print(f"{title:<44}{rate:>12,.0f} commits/s")
        in_memory = facts_per_s_in_memory(100_000)
        print(f"{'in memory, one fact each':<44}{in_memory:>12,.0f} commits/s   goal >= 300,000")

        full = SqlJournal(folder / "full.db")
        lease = full.acquire("bench", 3600)
        assert lease is not None
        full.append(lease, [FACT] * arguments.entries)
        new = iter(range(10**6))
        create_ms = median_ms(lambda: SqlJournal(folder / f"new-{next(new)}.db").close())
        open_ms = median_ms(lambda: SqlJournal(folder / "full.db").close())
        read_ms = median_ms(lambda: sum(1 for _ in full.read()))
        print(f"{'create a journal (Alembic imported)':<44}{create_ms:>12.1f} ms")
        print(f"{'open a journal':<44}{open_ms:>12.1f} ms          goal < 50 ms")
        print(f"{f'read {arguments.entries:,} entries':<44}{read_ms:>12.1f} ms")
    result |= {
        "commits_per_s": rates,
        "memory_commits_per_s": in_memory,
        "create_ms": create_ms,
        "open_ms": open_ms,
        "read_ms": read_ms,
        "entries": arguments.entries,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
