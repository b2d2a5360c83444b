"""Given SIGKILLs at random moments to any of the processes, then nothing is left alive and nothing is made up.

SHOESTRING_KILLS sets how many (4 by default, 1,000 in a soak); SHOESTRING_SEED the first seed.
"""

import os
import random
import signal
import sys

import psutil
import pytest

from shoestring.training.spool import EVENTS, HEARTBEAT, METER, read_json, read_sealed
from tests.runner.given import LONGEST_S, alive, until

KILLS = int(os.environ.get("SHOESTRING_KILLS", "4"))
SEED = int(os.environ.get("SHOESTRING_SEED", "0"))

# Writes checkpoints that are whole before they are reported, as a Checkpointer does, and ends after 40 steps.
TRAINING = """
cat > train.py <<'PYTHON'
import os, time
from pathlib import Path
from shoestring.training import attach
session = attach()
session.resumed(0)
for step in range(1, 41):
    time.sleep(0.01)
    session.step(step)
    if step % 5 == 0:
        Path(f"c{step}").write_text("weights")
        session.event("checkpoint", durable=True, id=f"c{step}", uri=f"{os.getcwd()}/c{step}", at=time.time(),
                      manifest_sha256="", step=step, size_bytes=7, save_s=0.0, blocked_s=0.0, trigger="due")
session.flush()
PYTHON
(setsid sleep 300 &)
PYTHON train.py
code=$?
exit $code
"""


@pytest.mark.parametrize("seed", range(SEED, SEED + KILLS))
def test_a_kill_at_any_moment_leaves_no_process_and_no_false_word(spooled, tmp_path, seed):
    draw = random.Random(seed)
    victim = draw.choice(["runner", "trainer", "bystander"])
    script = TRAINING.replace("PYTHON train", f"{sys.executable} train")
    job = spooled(run=script, workdir=str(tmp_path)).start()
    moment = draw.choice(["at once", "up", "training", "saved"])
    if moment == "up":
        until(lambda: alive(job) or job.process.poll() is not None)
    elif moment == "training":
        until(lambda: (job.folder / HEARTBEAT).exists() or job.process.poll() is not None)
    elif moment == "saved":
        until(lambda: job.read().checkpoints or job.process.poll() is not None)

    hit = kill(job, victim)
    job.process.wait(LONGEST_S)
    until(lambda: not alive(job), "the end of the whole job")

    reading = job.read()
    if victim == "runner" and hit:
        assert reading.exit is None and reading.runner_alive in (False, None)
    elif victim == "trainer" and hit:
        assert reading.exit["kind"] in ("killed", "done"), reading.exit
        if reading.exit["kind"] == "done":
            assert len(reading.checkpoints) == 8, "it had just ended by itself"
    else:
        assert reading.exit["kind"] == "done" and len(reading.checkpoints) == 8
    assert reading.suspicious == 0
    for checkpoint in reading.checkpoints:
        assert (tmp_path / checkpoint["id"]).read_text() == "weights"
    if (job.folder / METER).exists() and reading.exit is not None:
        cpu = [row["cpu_s"] for _, row in read_sealed(job.folder / METER) if row["cpu_s"] is not None]
        assert cpu == sorted(cpu)
    assert read_json(job.folder / HEARTBEAT) is not None or not (job.folder / HEARTBEAT).exists()
    assert sum(1 for _ in read_sealed(job.folder / EVENTS)) >= len(reading.checkpoints)


def kill(job, victim):
    """Whether there was anybody to kill."""
    if victim == "runner":
        if job.process.poll() is not None:
            return False
        job.process.kill()
        return True
    wanted = "train.py" if victim == "trainer" else "sleep"
    for pid in alive(job):
        try:
            words = psutil.Process(pid).cmdline()
            if wanted in words:
                os.kill(pid, signal.SIGKILL)
                return True
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return False
