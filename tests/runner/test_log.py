"""Given a job that prints, then its log has all of it, or the beginning and the end, and says what is missing."""

import os
import re

import pytest

from shoestring.runner.log import BoundedLog

LEFT_OUT = re.compile(rb"\n\[shoestring: (\d+) bytes of output are left out here\]\n")


def test_a_log_holds_any_bytes_as_they_came(spooled):
    job = spooled(
        argv=("python3", "-c", "import os; os.write(1, bytes(range(256))); os.write(2, b'err\\x00')")
    )
    job.run()
    assert job.log() == bytes(range(256)) + b"err\x00"


def test_a_flood_keeps_the_head_and_the_tail_and_counts_what_lies_between(spooled):
    script = "import os, sys\nfor i in range(200_000): sys.stdout.write(f'line {i}\\n')"
    job = spooled(argv=("python3", "-c", script), log_bytes=64_000)
    assert job.run().exit["kind"] == "done"

    log = job.log()
    whole = b"".join(b"line %d\n" % i for i in range(200_000))
    assert log.startswith(whole[:64_000])
    said = LEFT_OUT.search(log)
    tail = log[said.end() :]
    assert whole.endswith(tail) and len(tail) >= 2_000
    assert int(said[1]) == len(whole) - 64_000 - len(tail)
    assert list(job.folder.glob("log.*")) == []


def test_a_flood_never_takes_more_disk_than_its_bound(tmp_path):
    log = BoundedLog(tmp_path / "log", head_bytes=10_000, tail_bytes=1_000)
    most = 0
    for number in range(5_000):
        log.write(b"%06d " % number * 10)
        most = max(most, sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert most < 10_000 + 2 * 1_000 + 1_000
    newest = (tmp_path / "log.tail").read_bytes()
    assert newest.endswith(b"004999 "), "after a SIGKILL the newest output lies on the disk"
    log.close()
    assert (tmp_path / "log").read_bytes().endswith(b"004999 ")


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 150, 199, 200, 201, 350])
def test_head_tail_and_what_is_left_out_add_up(tmp_path, size):
    data = os.urandom(size).replace(b"[", b"x").replace(b"\n", b"y")
    log = BoundedLog(tmp_path / "log", head_bytes=100, tail_bytes=50)
    for start in range(0, size, 7):
        log.write(data[start : start + 7])
    log.close()

    written = (tmp_path / "log").read_bytes()
    own = re.sub(rb"\n\[shoestring: [^\n]*\]\n", b"", written)
    left_out = LEFT_OUT.search(written)
    assert len(own) + (int(left_out[1]) if left_out else 0) == size
    assert own[:100] == data[:100] and data.endswith(own[100:])


def test_output_that_found_no_room_is_counted_where_it_is_missing(tmp_path, monkeypatch):
    log = BoundedLog(tmp_path / "log", head_bytes=10_000, tail_bytes=1_000)
    write, full = os.write, True

    def failing(descriptor, data):
        if full:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    log.write(b"before ")
    monkeypatch.setattr("shoestring.runner.log.os.write", failing)
    log.write(b"lost once ")
    log.write(b"lost twice ")
    full = False
    log.write(b"after")
    log.close()

    assert (
        tmp_path / "log"
    ).read_bytes() == b"\n[shoestring: 28 bytes could not be written here]\nafter".replace(b"28", b"21").join(
        [b"before ", b""]
    )
    assert log.error == "No space left on device"
