"""An acknowledged commit survives a power loss; with weaker settings it does not, and this test tells."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import recording
from tests.faults.images import History
from tests.faults.powerloss import broken_promises, history_of

IMAGES = int(os.environ.get("SHOESTRING_POWER_LOSS_IMAGES", "2500"))
SEED = int(os.environ.get("SHOESTRING_SEED", "1"))

needs_strace = pytest.mark.skipif(recording.MISSING is not None, reason=str(recording.MISSING))


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where possible: the losses are ours, not the disk's."""
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    path = Path(tempfile.mkdtemp(prefix="shoestring-", dir=parent)).resolve()
    yield path
    shutil.rmtree(path)


def _history(folder: Path, settings: str) -> History:
    (folder / "recorded").mkdir()
    return history_of(folder / "recorded", settings)


@needs_strace
def test_an_acknowledged_commit_survives_any_power_loss(folder: Path) -> None:
    history = _history(folder, "local")

    assert broken_promises(history, folder / "image", IMAGES, SEED) == {}


@needs_strace
def test_on_a_network_disk_too(folder: Path) -> None:
    history = _history(folder, "network")

    assert broken_promises(history, folder / "image", IMAGES // 5, SEED) == {}


@needs_strace
@pytest.mark.parametrize("settings", ["WAL/NORMAL", "DELETE/FULL", "WAL/OFF"])
def test_weaker_settings_lose_acknowledged_commits_and_are_found_out(folder: Path, settings: str) -> None:
    history = _history(folder, settings)

    wrong = broken_promises(history, folder / "image", IMAGES // 8, SEED)

    assert wrong["lost"] + wrong["unreadable"] >= IMAGES // 500, wrong


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_an_acknowledged_commit_survives_in_a_long_campaign(folder: Path) -> None:
    print(f"seed {SEED}")
    history = _history(folder, "local")

    assert broken_promises(history, folder / "image", 10 * IMAGES, SEED + 1) == {}
