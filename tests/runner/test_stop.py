"""Given a job that is to stop, then it may save itself, and nothing of it lives on."""

import os
import signal
import time

import psutil
import pytest

from shoestring.runner.spool import ask
from tests.runner.given import alive, until

SAVES = """
python3 -c '
import signal, sys, time
def save(*_):
    time.sleep(0.5)
    print("saved", flush=True)
    sys.exit(85)
signal.signal(signal.SIGTERM, save)
print("training", flush=True)
while True: time.sleep(0.05)
'
echo never said
"""
STUBBORN = """
trap '' TERM
(setsid bash -c 'trap "" TERM; echo grandchild; while true; do sleep 0.2; done' &)
while true; do sleep 0.2; done
"""


@pytest.mark.parametrize("how", ["asked", "sigterm", "sigint"])
def test_a_job_saves_before_it_ends_though_its_shell_dies_of_the_signal(spooled, how):
    job = spooled(run=SAVES).start().says(b"training\n")

    if how == "asked":
        ask(job.folder, stop=True)
    else:
        job.process.send_signal(signal.Signals[how.upper()])
    end = job.finish().exit

    assert (end["kind"], end["code"], end["detail"]) == ("saved", 85, how)
    assert job.log() == b"training\nsaved\n"


def test_sigterm_to_the_runner_is_a_notice_and_being_asked_is_none(spooled):
    told, asked = (spooled(run=SAVES).start().says(b"training\n") for _ in range(2))
    told.process.terminate()
    ask(asked.folder, stop=True)

    notice = told.finish().notice
    assert notice["source"] == "sigterm" and notice["until"] == pytest.approx(notice["at"] + 30, abs=1)
    assert asked.finish().notice is None


def test_who_ignores_the_signal_is_killed_after_the_grace_with_all_that_left_the_group(spooled):
    job = spooled(run=STUBBORN, stop_grace_s=0.5).start().says(b"grandchild")
    assert len(alive(job)) >= 2

    began = time.monotonic()
    job.process.terminate()
    end = job.finish().exit

    assert end["kind"] == "killed" and end["code"] == -9 and "after the grace" in end["detail"]
    assert time.monotonic() - began < 25  # by default it has 30
    assert alive(job) == []


def test_what_a_command_leaves_behind_ends_with_it(spooled):
    job = spooled(run="(setsid sleep 600 &); (sleep 601 & disown); echo $$; sleep 0.2")

    assert job.run().exit["kind"] == "done"
    assert alive(job) == []


def test_a_stop_before_the_command_begins_starts_nothing(spooled):
    job = spooled(
        setup="echo setup; while ! test -e gone; do sleep 0.05; done", run="echo command", stop_grace_s=0.1
    )
    ask(job.folder, stop=True)

    end = job.run().exit
    assert end["kind"] == "killed" and b"command" not in job.log()


def test_orphans_are_reaped_while_the_job_runs(spooled):
    script = (
        "for i in $(seq 20); do (setsid true &); done; echo spawned; while ! test -e end; do sleep 0.1; done"
    )
    job = spooled(run=script, workdir=None).start().says(b"spawned")
    runner = psutil.Process(job.process.pid)

    def is_zombie(process):
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:  # reaped between being listed and being asked
            return False

    def zombies():
        return [c for c in runner.children(recursive=True) if is_zombie(c)]

    until(lambda: not zombies(), "the reaping of orphans")
    job.process.terminate()
    job.finish()


def test_asks_are_counted_by_whoever_asks_at_the_same_time(spooled):
    from shoestring.runner.spool import asked

    job = spooled(run="true")
    children = []
    for _ in range(4):
        if (child := os.fork()) == 0:
            for _ in range(25):
                ask(job.folder, save=True)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)

    assert asked(job.folder) == {"save": 100, "stop": 0}
