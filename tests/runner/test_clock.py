"""Given a wall clock that jumps while a job runs, then its honest claims are still believed."""

import json

import pytest

from shoestring.domain.run import MeterTotals
from shoestring.runner.reading import SpoolReader
from shoestring.runner.record import Record
from shoestring.runner.spool import JobOrder, prepare
from shoestring.training import spool as names
from shoestring.training.spool import append_sealed

START = 1_800_000_000.0
DAY = 86400.0


class Clocks:
    """Both clocks of a node; only the wall clock can be set."""

    def __init__(self):
        self.elapsed, self.offset = 0.0, 0.0

    def wall(self):
        return START + self.elapsed + self.offset

    def monotonic(self):
        return 50.0 + self.elapsed


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def record(tmp_path, clocks):
    prepare(tmp_path / "s", JobOrder(run_id="r", attempt_id="a"))
    made = Record(tmp_path / "s", on_trouble=print, wall=clocks.wall, monotonic=clocks.monotonic)
    made.begin()
    return made


def save(record, clocks, name):
    at, (first, last) = clocks.wall(), (int(clocks.elapsed) - 10, int(clocks.elapsed))
    event = {
        "kind": "checkpoint", "id": name, "uri": f"/c/{name}", "manifest_sha256": "", "at": at, "step": 1,
        "size_bytes": 1, "save_s": 0.5,
    }  # fmt: skip
    append_sealed(record.folder / names.EVENTS, event)
    append_sealed(
        record.folder / names.EVENTS,
        {"kind": "span", "start": at - 10, "end": at, "step_from": first, "step_to": last},
    )
    (record.folder / names.HEARTBEAT).write_text(json.dumps({"at": at, "step": 1}))


@pytest.mark.parametrize("jump", [DAY, -DAY, 3600.0, -3600.0, 30.0, -30.0])
def test_checkpoints_on_both_sides_of_a_jump_count(record, clocks, jump):
    for name in ("before", "after"):
        clocks.elapsed += 20
        save(record, clocks, name)
        record.meter(MeterTotals())
        if name == "before":
            clocks.offset = jump
            clocks.elapsed += 5
            record.meter(MeterTotals())
    seen = SpoolReader(record.folder, now=clocks.wall).read()

    assert [c["id"] for c in seen.checkpoints] == ["before", "after"]
    assert seen.suspicious == 0 and seen.heartbeat is not None
    assert sum(s["end"] - s["start"] for s in seen.spans) <= clocks.elapsed


def test_small_corrections_of_the_clock_change_nothing(record, clocks):
    for _ in range(100):
        clocks.elapsed += 5
        clocks.offset += 0.3
        record.meter(MeterTotals())
    assert "seen" not in record._state
