"""Given a process tree, then all it used counts once: the dead, the short-lived and the orphans too."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from shoestring.meters import process
from tests.runner.given import Spooled

# Each prints what it knows it has used; the meter in the runner must agree.
BURN = "import time\nend = time.process_time() + {0}\nwhile time.process_time() < end: pass"


def metered(tmp_path, script, **order):
    job = Spooled(tmp_path / "spool", run=script, **order)
    reading = job.run()
    assert reading.exit["kind"] == "done", (reading.exit, job.log())
    return reading.meter


@pytest.mark.parametrize(
    "script",
    [
        "python3 -c '{burn}'",
        "bash -c \"python3 -c '{burn}'; true\"; true",
        "(python3 -c '{burn}' & wait)",
        '(setsid python3 -c \'{burn}\nopen("done", "w")\' &); while ! test -e done; do sleep 0.1; done',
    ],
    ids=["child", "grandchild", "background", "orphan that left the session"],
)
def test_cpu_time_counts_once_wherever_it_was_spent(tmp_path, script):
    meter = metered(tmp_path, script.format(burn=BURN.format(0.6)), workdir=str(tmp_path))
    assert 0.6 <= meter["cpu_s"] < 0.6 + 0.5, (
        "twice would be 1.2; interpreters and shells take some time of their own"
    )


def test_children_that_come_and_go_between_two_looks_count(tmp_path):
    one = subprocess.run(
        [sys.executable, "-c", "import resource, subprocess\n"
         "for _ in range(40): subprocess.run(['true'])\n"
         "r = resource.getrusage(resource.RUSAGE_CHILDREN)\nprint(r.ru_utime + r.ru_stime)"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    script = f"{sys.executable} -c \"import subprocess; [subprocess.run(['true']) for _ in range(40)]\""
    meter = metered(tmp_path, script)

    assert meter["sampled_s"] < 10 and meter["cpu_s"] > float(one.stdout) / 3


def test_children_of_any_thread_are_seen_however_they_are_found(monkeypatch):
    started, end, pids = threading.Event(), threading.Event(), []

    def start_one():
        with subprocess.Popen(["bash", "-c", "sleep 600 & echo; wait"], stdout=subprocess.PIPE) as shell:
            shell.stdout.readline()
            pids.append(shell.pid)
            started.set()
            end.wait(60)
            for child in psutil.Process(shell.pid).children():
                child.kill()

    thread = threading.Thread(target=start_one)
    thread.start()
    try:
        assert started.wait(60)
        by_threads = [p.pid for p in process.descendants(os.getpid())]
        monkeypatch.setattr(process, "_CHILDREN_FILE", Path("/no/such/file"))
        by_all = [p.pid for p in process.descendants(os.getpid())]
    finally:
        end.set()
        thread.join()
    assert pids[0] in by_threads and sorted(by_threads) == sorted(by_all)
    assert len(by_threads) >= 2 and by_threads.index(pids[0]) < len(by_threads) - 1, "parents come first"


@pytest.fixture
def disk_path():
    """A folder on a disk, where there is one: tests' own folders may lie in memory."""
    with tempfile.TemporaryDirectory(prefix="shoestring-") as folder:
        yield Path(folder)


def test_disk_traffic_counts_once_whoever_wrote_and_whoever_waited(disk_path):
    write = "dd if=/dev/zero of={0} bs=1M count={1} conv=fsync 2>/dev/null"
    script = f"""
{write.format("a", 4)}
bash -c "bash -c '{write.format("b", 2)}'; true"; true
(setsid bash -c '{write.format("c", 1)}; touch done' &)
while ! test -e done; do sleep 0.02; done
"""
    meter = metered(disk_path, script, workdir=str(disk_path))
    if not meter["disk_written_bytes"]:
        pytest.skip("this file system counts no writes (tmpfs)")

    assert 7 << 20 <= meter["disk_written_bytes"] < (7 << 20) + (1 << 20)


def test_memory_peaks_are_seen_also_of_what_has_ended_however_large_the_one_who_started_us():
    """A script: a child counts beyond the peak of the process that meters, not of that one's own parent."""
    script = """
import subprocess, sys
from shoestring.meters.node import NodeMeter
meter = NodeMeter()
subprocess.run([sys.executable, "-c", "b = bytearray(150 << 20)"], check=True)
print(meter.totals().memory_peak_bytes)
"""
    large = "import subprocess, sys; b = bytearray(400 << 20); subprocess.run(sys.argv[1:], check=True)"
    command = [sys.executable, "-c", large, sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert 150 << 20 <= int(done.stdout) < 220 << 20


def test_the_runners_own_use_is_not_the_jobs(tmp_path):
    meter = metered(tmp_path, "sleep 1.2")
    assert meter["cpu_s"] < 0.1 and meter["idle_s"] > 0.5 * meter["sampled_s"]
    assert meter["energy_kind"] in ("measured", "estimate")


def test_what_a_look_costs(tmp_path):
    """A script, so that neither pytest's own children nor its memory are in it."""
    script = """
import json, time
from shoestring.meters.node import NodeMeter
meter = NodeMeter()
meter.totals()
begun = time.process_time()
for _ in range(20): meter.totals()
print(json.dumps((time.process_time() - begun) / 20))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) < 0.02


def test_tracking_a_script_counts_the_script_itself_and_its_children():
    script = """
import json, subprocess, sys, time
from shoestring.meters import track
burn = "import time; end = time.process_time() + 0.2\\nwhile time.process_time() < end: pass"
with track() as meter:
    exec(burn)
    subprocess.run([sys.executable, "-c", burn], check=True)
totals = meter.totals()
print(json.dumps([totals.cpu_s, totals.memory_peak_bytes, totals.sampled_s]))
"""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    cpu_s, memory, sampled_s = json.loads(done.stdout)

    assert 0.4 <= cpu_s < 0.7 and memory > 5 << 20
    assert 0.4 <= sampled_s <= time.monotonic() - begun


def test_a_tracked_script_inside_a_run_leaves_the_metering_to_the_runner(tmp_path):
    script = "from shoestring.meters import track\nwith track() as m: pass\nprint(m.totals().cpu_s)"
    job = Spooled(tmp_path / "spool", argv=(sys.executable, "-c", script))
    job.run()
    assert job.log() == b"None\n"
