"""Given a job that falls silent, then it counts as hung; given a clock that jumps, then it does not."""

import json
import os

import pytest

from shoestring.runner.limits import Limits
from shoestring.training import spool as names

BEATS = """
import json, os, time
from pathlib import Path
beat = Path(os.environ["SHOESTRING_SPOOL"]) / "job/heartbeat.json"
for step in range({beats}):
    beat.write_text(json.dumps({{"at": time.time(), "step": step}}))
    time.sleep(0.1)
print("silent", flush=True)
time.sleep({silence})
"""


def test_a_job_that_falls_silent_after_its_first_heartbeat_is_hung(spooled):
    job = spooled(argv=("python3", "-c", BEATS.format(beats=3, silence=600)), hang_s=2.0)

    reading = job.run()

    assert reading.exit["kind"] == "hung" and reading.stopping == "hung"
    assert reading.heartbeat["step"] == 2


def test_a_job_that_never_beats_can_not_hang(spooled):
    assert spooled(run="sleep 1", hang_s=0.2).run().exit["kind"] == "done"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "job").mkdir()
    return tmp_path


def beat(folder, step):
    (folder / names.HEARTBEAT).write_text(json.dumps({"step": step, "pad": "x" * step}))


def passed(limits, *moments):
    return [limits.passed(moment) for moment in moments]


def test_silence_counts_from_the_last_sign_of_life(folder):
    limits = Limits(folder, 10.0, None, 0.0)
    assert passed(limits, *range(40)) == [None] * 40, "no heartbeat yet"
    beat(folder, 1)
    assert passed(limits, 41, 45, 50) == [None] * 3
    (folder / names.EVENTS).write_bytes(b"a save takes long, and says when it is done\n")
    assert passed(limits, 51, 55, 60) == [None] * 3
    assert passed(limits, 61.5) == ["hung"]


def test_a_heartbeat_dated_by_a_clock_that_jumps_is_a_heartbeat_all_the_same(folder):
    limits = Limits(folder, 10.0, None, 0.0)
    for now, dated in ((1, 1e9), (5, 2e9), (10, 1.0), (15, 3e9), (19, 5.0)):
        beat(folder, now)
        os.utime(folder / names.HEARTBEAT, (dated, dated))
        assert limits.passed(now) is None


def test_a_node_that_stood_still_is_no_hang(folder):
    limits = Limits(folder, 10.0, None, 0.0)
    beat(folder, 1)
    assert passed(limits, 1, 2, 3) == [None] * 3
    assert limits.passed(3600.0) is None, "the runner stood still with its job"
    assert passed(limits, 3601, 3604) == [None] * 2
    assert passed(limits, 3607, 3610) == [None, "hung"]


def test_time_is_up_for_a_silent_job_as_well(folder):
    limits = Limits(folder, None, 100.0, 50.0)
    assert passed(limits, 50, 150, 150.1) == [None, None, "out_of_time"]
