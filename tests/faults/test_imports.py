"""An import that is killed, or runs out of disk, at any call to the kernel leaves the old ledger or the new one.

By default some calls are drawn from a seed; `make soak` takes them all.
"""

import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.faults.recording import MISSING
from tests.store.bills.giving import focus, write

pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

SEED = int(os.environ.get("SHOESTRING_SEED", "1"))
POINTS = 5  # of each kind by default
NOW = datetime(2026, 2, 3, tzinfo=UTC)
OLD, NEW = Decimal(10), Decimal(99)
CALLS = (
    "openat",
    "write",
    "pwrite64",
    "ftruncate",
    "fsync",
    "rename",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "flock",
)
WRITES = ("write", "pwrite64", "ftruncate", "mkdir", "rename", "fsync")
IMPORT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
bring_in(ChargeStore(Path(sys.argv[1])), map(Path, sys.argv[2:]), now=datetime(2026, 2, 3, tzinfo=UTC), user="ann")
"""


class Imports:
    """A ledger with an old bill, and a newer bill of the same month that is being imported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.old = write(folder / "old.csv", [focus()])
        self.new = write(folder / "new.csv", [focus(BilledCost="99"), focus(BilledCost="unreadable")])
        bring_in(ChargeStore(folder / "first"), [self.old], now=NOW, user="ann")
        self.ledger = folder / "ledger"

    def run(self, *strace: str) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(self.ledger, ignore_errors=True)
        shutil.copytree(self.folder / "first", self.ledger)
        command = [sys.executable, "-c", IMPORT, str(self.ledger), str(self.new)]
        return subprocess.run(
            ["strace", "-f", "-qq", "-y", *strace, *command],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def calls(self) -> list[tuple[str, int]]:
        """Every call that touches the ledger: its name, and the how manieth of its thread it is."""
        trace = self.folder / "trace"
        assert self.run().returncode == 0  # the first one also compiles modules
        assert self.run("-e", f"trace={','.join(CALLS)}", "-o", str(trace)).returncode == 0
        counted: Counter[tuple[str, str]] = Counter()
        found = []
        for line in trace.read_text(errors="replace").splitlines():
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match is None:
                continue
            counted[match[1], match[2]] += 1
            if str(self.ledger) in line:
                found.append((match[2], counted[match[1], match[2]]))
        return found

    def holds(self) -> Decimal:
        """What the ledger says; then the import is done again, and nothing of the first is left over."""
        store = ChargeStore(self.ledger)
        total = ask(store, Question(by=(), metric="billed")).total_usd
        assert total in (OLD, NEW)
        bring_in(store, [self.new], now=NOW, user="ann")
        assert ask(store, Question(by=(), metric="billed")).total_usd == NEW
        if total == NEW:
            bring_in(store, [self.new], now=NOW, user="ann", again=True)
        there = {
            str(p.relative_to(self.ledger))
            for root in ("charges", "quarantine", "staging")
            for p in (self.ledger / root).rglob("*")
            if p.is_file()
        }
        assert there == store.manifest().files()
        return total


@pytest.fixture
def imports(tmp_path):
    return Imports(tmp_path)


def killed_at(imports: Imports, points: list[tuple[str, int]]) -> Counter[Decimal]:
    found: Counter[Decimal] = Counter()
    for call, place in points:
        done = imports.run("-e", f"inject={call}:signal=SIGKILL:when={place}", "-e", f"trace={call}")
        total = imports.holds()
        if done.returncode == 0:  # threads share work anew each time: this one ended before the call
            assert total == NEW, (call, place)
        else:
            found[total] += 1
    assert found.total() > len(points) / 2, "too few were killed to tell anything"
    return found


def without_disk_from(imports: Imports, points: list[tuple[str, int]]) -> None:
    for call, place in points:
        done = imports.run("-e", f"inject={call}:error=ENOSPC:when={place}+", "-e", f"trace={call}")
        total = imports.holds()
        assert done.returncode == 0 or total in (OLD, NEW), (call, place)
        assert done.returncode != 0 or total == NEW, (call, place)  # success is never claimed falsely


def some(points: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """A draw; the last rename, which is the moment of change, is always in it."""
    renames = [p for p in points if p[0] == "rename"]
    return [*random.Random(SEED).sample(points, min(POINTS, len(points))), *renames[-1:]]


def test_an_import_that_is_killed_leaves_the_old_ledger_or_the_new(imports):
    points = imports.calls()
    assert len(points) > 40
    killed_at(imports, some(points))


def test_an_import_without_disk_space_leaves_the_old_ledger_or_the_new(imports):
    without_disk_from(imports, some([p for p in imports.calls() if p[0] in WRITES]))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_an_import_that_is_killed_at_any_call(imports):
    points = imports.calls()
    found = killed_at(imports, points)
    print(f"killed at {len(points)} calls: {found[OLD]} old, {found[NEW]} new")
    assert found[OLD] and found[NEW]


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_an_import_without_disk_space_from_any_call(imports):
    points = [p for p in imports.calls() if p[0] in WRITES]
    without_disk_from(imports, points)
    print(f"no space from {len(points)} calls on")


def test_importers_in_processes_of_their_own_both_get_their_way(imports, tmp_path):
    ledger = tmp_path / "shared"
    bills = [
        write(tmp_path / f"{n}.csv", [focus(BillingAccountId=str(n % 2), BilledCost=str(n))])
        for n in range(4)
    ]
    running = [subprocess.Popen([sys.executable, "-c", IMPORT, str(ledger), str(bill)]) for bill in bills]
    assert [process.wait(60) for process in running] == [0] * 4
    total = ask(ChargeStore(ledger), Question(by=(), metric="billed")).total_usd
    assert total in {Decimal(a + b) for a in (0, 2) for b in (1, 3)}  # the last one of each account
    assert len(ChargeStore(ledger).manifest().deliveries) == 4
