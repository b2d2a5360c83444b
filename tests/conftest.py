"""What holds for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A crowded machine is slow at times; that is no finding. (Where CI is set, Hypothesis has such a profile of its own.)
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):
    settings.load_profile("unhurried")

# Begun first, so that no worker is left alone with a long one at the end.
LONG = (
    "scenarios/", "faults/test_kills", "faults/test_imports", "swarm/test_swarm", "policies/test_capacity",
    "store/test_ledger_machine", "store/test_allocation_machine", "store/test_refusals", "bills/test_crowd",
)  # fmt: skip
MEMORY, ROOM = Path("/dev/shm"), 4 << 30


def _has_room(folder: Path) -> bool:
    """Whether temporary folders may lie there: programs can be run from it, and it does not fill up."""
    if not os.access(folder, os.W_OK):
        return False
    there = os.statvfs(folder)
    return not there.f_flag & os.ST_NOEXEC and there.f_bavail * there.f_frsize > ROOM


# Every import, booking and journal entry is made durable. What that must mean is shown by recorded system calls
# (the tests of power loss); to wait for a disk ten thousand times shows nothing more.
if _has_room(MEMORY):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))
