"""Given a power loss at any moment, then what the spool had promised is still there, and nothing is half there."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

import pytest

from shoestring.domain.errors import BadInput
from shoestring.runner.reading import SpoolReader
from shoestring.runner.spool import load_order
from shoestring.training.spool import STATE, read_json
from tests.faults import recording
from tests.faults.images import History, Loss, Sync
from tests.runner.spool_workload import SAVES

IMAGES = int(os.environ.get("SHOESTRING_POWER_LOSS_IMAGES", "800"))
SEED = int(os.environ.get("SHOESTRING_SEED", "1"))

pytestmark = pytest.mark.skipif(recording.MISSING is not None, reason=str(recording.MISSING))


@pytest.fixture(scope="module")
def place():
    """In memory where possible: the losses are ours, not the disk's."""
    parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
    path = Path(tempfile.mkdtemp(prefix="shoestring-", dir=parent)).resolve()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def operations(place):
    (place / "recorded").mkdir()
    command = [sys.executable, "-m", "tests.runner.spool_workload", str(place / "recorded")]
    return recording.record(command, place / "recorded")


def broken(spool, marks):
    """Promises that this image of a spool does not keep."""
    seen = SpoolReader(spool).read()
    saved = sum(1 for mark in marks if mark.startswith("saved"))
    if "prepared" in marks:
        try:
            load_order(spool)
        except BadInput:
            yield "the order is not whole"
    if saved and (read_json(spool / STATE) or {}).get("pid") is None:
        yield "a job had begun, and a second runner would begin it again"
    if [c["id"] for c in seen.checkpoints[:saved]] != [f"c{n}" for n in range(1, saved + 1)]:
        yield "a checkpoint that was reported is forgotten"
    if seen.suspicious:
        yield "an honest claim looks forged"
    if seen.exit is not None and (seen.exit["kind"] != "done" or len(seen.checkpoints) != SAVES):
        yield "an end that was not"
    if seen.exit is not None and (seen.meter is None or seen.meter["cpu_s"] is None):
        yield "the end is there and the meter's last line is not"
    if "ended" in marks and seen.exit is None:
        yield "the end is forgotten"


def broken_promises(operations, place, images):
    history, found = History(operations), {}
    for number in range(images):
        draw = Random(f"{SEED}/{number}")
        crash = draw.randrange(len(history.operations) + 1)
        history.image(crash, Loss.of(number), draw).write(place / "image")
        for promise in broken(place / "image/spool", history.marks(crash)):
            found.setdefault(promise, []).append((number, crash))
    return found


def test_no_promise_is_broken_by_any_power_loss(operations, place):
    assert broken_promises(operations, place, IMAGES) == {}


def test_without_fsync_the_same_images_break_promises(operations, place):
    """A test of the test."""
    careless = [operation for operation in operations if not isinstance(operation, Sync)]

    found = broken_promises(careless, place, IMAGES // 4)
    assert {
        "the order is not whole",
        "a checkpoint that was reported is forgotten",
        "the end is forgotten",
    } <= set(found)
