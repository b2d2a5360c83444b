"""Given a SIGKILL to one of the processes, then the others notice, and nothing trains on unseen."""

import os
import signal

import psutil
import pytest

from shoestring.training import spool as names
from tests.runner.given import alive, until

TRAINING = """
(setsid bash -c 'echo left the group; exec sleep 602' &)
sleep 601 &
sleep 600
true
"""


def test_a_killed_runner_takes_its_whole_job_with_it_and_says_nothing_of_an_end(spooled):
    job = spooled(run=TRAINING).start().says(b"left the group")
    until(lambda: len(alive(job)) >= 4, "the whole job")
    assert job.read().runner_alive is True

    job.process.kill()
    job.process.wait()

    until(lambda: not alive(job), "the end of the job")
    reading = job.read()
    assert reading.runner_alive is False and reading.exit is None and reading.phase == "running"


def test_the_meter_of_a_killed_runner_is_still_there(spooled):
    job = spooled(run="python3 -c 'while True: pass'").start()
    until(lambda: (meter := job.read().meter) and meter["cpu_s"] is not None, "a line of the meter")
    job.process.kill()
    job.process.wait()

    assert job.read().meter["sampled_s"] >= 0
    until(lambda: not alive(job), "the end of the job")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_training_process_killed_from_outside_is_no_failure_of_its_code(spooled, number):
    job = (
        spooled(argv=("python3", "-c", "print('up', flush=True); import time; time.sleep(600)"))
        .start()
        .says(b"up")
    )
    (trainer,) = alive(job)
    os.kill(trainer, number)

    end = job.finish().exit
    assert (end["kind"], end["code"]) == ("killed", -number)


def test_a_killed_sentinel_costs_nothing(spooled):
    def runners():
        return [
            p
            for p in psutil.process_iter()
            if str(job.folder) in " ".join(_words(p)) and p.pid != job.process.pid
        ]

    job = spooled(run="echo up; while ! test -e end; do sleep 0.05; done").start().says(b"up")
    (sentinel,) = [p for p in runners() if "shoestring.runner" in _words(p)]
    sentinel.kill()
    until(
        lambda: not sentinel.is_running() or sentinel.status() == psutil.STATUS_ZOMBIE, "the sentinel's end"
    )
    job.process.terminate()

    assert job.finish().exit["kind"] == "killed"


def test_the_sentinel_is_gone_when_the_runner_ends_well(spooled):
    job = spooled(run="true")
    job.run()

    def named():
        return [p.pid for p in psutil.process_iter() if str(job.folder) in _words(p)]

    until(lambda: named() == [], "the end of everything")
    assert (job.folder / names.EXIT).exists()


def _words(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []
