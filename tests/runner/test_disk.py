"""Given a disk that takes no more, then the job goes on, and the runner says what it could not write."""

import errno
import resource
import shutil
import subprocess
import sys

import pytest

from shoestring.domain.run import MeterTotals
from shoestring.runner import record as record_module
from shoestring.runner.record import METER_BYTES, Record, thin
from shoestring.runner.spool import JobOrder, prepare, read
from shoestring.runner.verdict import End
from shoestring.training import spool as names
from shoestring.training.spool import append_sealed, read_json, read_sealed, seal
from tests.runner.given import Spooled


def test_a_log_that_may_not_grow_stops_no_job(spooled):
    def no_file_above_128_kib():
        resource.setrlimit(resource.RLIMIT_FSIZE, (128 << 10, 128 << 10))

    script = "import sys\nfor i in range(60_000): print('line', i)\nprint('the end', file=sys.stderr)"
    job = spooled(argv=("python3", "-c", script))
    reading = job.run(before=no_file_above_128_kib)

    assert reading.exit["kind"] == "done" and reading.exit["detail"] == "log: File too large"
    assert len(job.log()) == 128 << 10


FLOOD = "yes | head -c 2000000; dd if=/dev/zero of=$SHOESTRING_SPOOL/fill bs=1k count=1000; echo more; exit 3"
PREPARE = """
import sys
from pathlib import Path
from shoestring.runner.spool import JobOrder, prepare
prepare(Path(sys.argv[1]), JobOrder(run_id="r", attempt_id="a", log_bytes=1 << 20, run=sys.argv[2]))
"""
ON_A_SMALL_DISK = """
disk=$1 python=$2 out=$3 prepare=$4 flood=$5
mount -t tmpfs -o size=300k tmpfs "$disk" || exit 77
"$python" -c "$prepare" "$disk/spool" "$flood"
"$python" -m shoestring.runner "$disk/spool"
code=$?
rm -f "$disk/spool/fill"
cp -r "$disk/spool" "$out"
exit $code
"""


def test_a_full_disk_stops_no_job_and_its_end_is_written_all_the_same(tmp_path):
    disk, out = tmp_path / "disk", tmp_path / "out"
    disk.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    words = [
        "unshare",
        "--mount",
        "bash",
        "-c",
        ON_A_SMALL_DISK,
        "-",
        disk,
        sys.executable,
        out,
        PREPARE,
        FLOOD,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if not out.exists() and done.returncode in (1, 77):
        pytest.skip(f"can't mount a small disk here: {done.stderr.strip()[-200:]}")
    reading = read(out)

    assert done.returncode == 3, done.stderr
    assert (reading.exit["kind"], reading.exit["code"]) == ("failed", 3)
    assert "No space left on device" in reading.exit["detail"]


@pytest.fixture
def record(tmp_path):
    prepare(tmp_path / "s", JobOrder(run_id="r", attempt_id="a"))
    made = Record(tmp_path / "s", on_trouble=lambda text: None)
    made.begin()
    return made


def test_the_end_gets_the_room_that_was_kept_for_it(record, monkeypatch):
    real = record_module.replace_json

    def full(path, data, *, durable=False):
        if (record.folder / record_module.RESERVE).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data, durable=durable)

    monkeypatch.setattr(record_module, "replace_json", full)
    record.state(phase="running")
    assert record.troubles == ["runner/state.json can't be written: No space left on device"]

    assert record.end(End(kind="saved", code=85))
    assert read_json(record.folder / names.EXIT)["kind"] == "saved"


def test_an_end_that_no_disk_takes_is_no_success(record, monkeypatch, capsys):
    def broken(path, data, *, durable=False):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(record_module, "replace_json", broken)
    monkeypatch.setattr(record_module.time, "sleep", lambda seconds: None)

    assert not record.end(End(kind="done", code=0))
    assert "Input/output error" in capsys.readouterr().err


def test_the_order_of_what_is_durable(record, monkeypatch):
    """The meter's last line must be on the disk before the exit file says that there will be no more."""
    events = []
    for name in ("append_sealed", "replace_json"):
        real = getattr(record_module, name)

        def spy(path, data, *, durable=False, real=real):
            events.append((path.name, durable))
            real(path, data, durable=durable)

        monkeypatch.setattr(record_module, name, spy)
    record.meter(MeterTotals(sampled_s=1.0), durable=True)
    record.end(End(kind="done", code=0))

    assert events == [("meter.jsonl", True), ("exit.json", True), ("state.json", True)]


def test_a_meter_file_stays_small_and_still_covers_the_whole_attempt(record):
    path, totals = record.folder / names.METER, MeterTotals(sampled_s=1.0, cpu_s=2.0)
    line = len(seal({"at": 1.0, "pad": "x" * 300}))
    for second in range(2 * METER_BYTES // line):
        append_sealed(path, {"at": float(second), "pad": "x" * 300})
        if path.stat().st_size > METER_BYTES:
            thin(path)
    record.meter(totals)

    moments = [row["at"] for _, row in read_sealed(path)]
    assert path.stat().st_size <= METER_BYTES + 1000
    assert len(moments) > 500 and moments == sorted(moments) and moments[0] < 10
    assert read(record.folder).meter["cpu_s"] == 2.0


def test_thinning_keeps_the_newest_line_and_drops_torn_ones(tmp_path):
    path = tmp_path / "meter.jsonl"
    for count in range(1, 8):
        path.write_bytes(b"".join(seal({"n": n}) for n in range(count)) + b"torn")
        thin(path)
        assert [row["n"] for _, row in read_sealed(path)] == list(range(count))[::-2][::-1]


def test_a_spool_that_can_not_be_written_starts_nothing(tmp_path):
    def no_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    job = Spooled(tmp_path / "s", run="touch started", workdir=str(tmp_path))
    job.run(before=no_files)

    assert job.process.returncode == 74 and "Traceback" not in job.stderr
    assert not (tmp_path / "started").exists()
