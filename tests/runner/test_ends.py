"""Given a command that ends in some way, then the exit file tells which."""

import json
import signal

import pytest

from shoestring.runner.verdict import verdict
from shoestring.training import spool as names

ENDS = [
    ("exit 0", "done", 0),
    ("exit 85", "saved", 85),
    ("exit 3", "failed", 3),
    ("python3 -c 'raise SystemExit(7)'; exit $?", "failed", 7),
    ("kill -9 $$", "killed", -9),
    ("bash -c 'kill -TERM $$'", "killed", 143),
    ("kill -SEGV $$", "failed", -11),
    ("no-such-command-here", "failed", 127),
]


@pytest.mark.parametrize(("script", "kind", "code"), ENDS)
def test_an_end_is_told_apart_from_the_others(spooled, script, kind, code):
    job = spooled(run=script)
    reading = job.run()

    assert (reading.exit["kind"], reading.exit["code"]) == (kind, code)
    assert reading.phase == "ended" and reading.runner_alive is False
    assert job.process.returncode == (code if code >= 0 else 128 - code)


def test_argument_words_reach_the_command_untouched_by_any_shell(spooled):
    words = [
        "python3",
        "-c",
        "import sys, json; print(json.dumps(sys.argv[1:]))",
        "$(id)",
        "; exit 9",
        "*",
        "a\nb",
    ]
    job = spooled(argv=tuple(words))

    assert job.run().exit["kind"] == "done"
    assert json.loads(job.log()) == words[3:]


def test_setup_runs_first_and_its_failure_is_the_attempts(spooled):
    job = spooled(setup="echo setting up", run="echo training")
    assert job.run().exit["kind"] == "done"
    assert job.log() == b"setting up\ntraining\n"

    broken = spooled(setup="exit 85", run="echo training")
    end = broken.run().exit
    assert (end["kind"], end["code"]) == ("failed", 85), "what setup says is no checkpoint"
    assert end["detail"].startswith("in setup") and b"training" not in broken.log()


def test_a_script_longer_than_an_argument_may_be_runs_and_is_in_no_process_list(spooled):
    job = spooled(run=f"# {'x' * 300_000}\ntr '\\0' ' ' </proc/$$/cmdline\n")

    assert job.run().exit["kind"] == "done"
    assert job.log().decode().split() == ["/bin/bash", str(job.folder / "runner/run.sh")]
    assert (job.folder / "runner/run.sh").stat().st_mode & 0o077 == 0


def test_what_can_not_be_started_says_why(spooled):
    assert "no-such-program" in spooled(argv=("no-such-program",)).run().exit["detail"]
    assert (
        "workdir /no/such/place is not there"
        in spooled(run="true", workdir="/no/such/place").run().exit["detail"]
    )
    assert spooled().run().exit["detail"] == "the order has no command"


def test_a_job_that_runs_longer_than_it_may_is_out_of_time(spooled):
    reading = spooled(run="sleep 600", max_duration_s=0.3).run()

    assert reading.exit["kind"] == "out_of_time"


def test_a_spool_is_run_once_and_by_one_runner(spooled):
    job = spooled(run="echo once; read -t 600 < <(sleep 600)").start().says(b"once")
    second = type(job).__new__(type(job))
    second.folder = job.folder

    second.run()
    assert second.process.returncode == 75 and "another runner" in second.stderr
    job.process.send_signal(signal.SIGTERM)
    job.finish()
    second.run()
    assert second.process.returncode == 75 and "runs once" in second.stderr
    assert job.log() == b"once\n"


def test_a_folder_without_a_whole_order_is_refused(spooled):
    torn = spooled(run="true")
    text = (torn.folder / names.SPOOL_FILE).read_text()
    for content in (
        text[: len(text) // 2],
        '{"version": 1}',
        text.replace('"version":1', '"version":2'),
    ):
        (torn.folder / names.SPOOL_FILE).write_text(content)
        torn.run()
        assert torn.process.returncode == 2 and torn.stderr.startswith("error: "), torn.stderr
        assert "Traceback" not in torn.stderr


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"code": 1, "stopping": "asked"}, "killed"),
        ({"code": 0, "stopping": "asked"}, "done"),
        ({"code": -15, "stopping": "asked", "orphan_codes": (0, 85)}, "saved"),
        ({"code": -15, "stopping": "asked", "orphan_codes": (1,)}, "killed"),
        ({"code": -15, "orphan_codes": (85,)}, "killed"),
        ({"code": 85, "stopping": "hung"}, "hung"),
        ({"code": -9, "stopping": "out_of_time", "killed": True}, "out_of_time"),
        ({"code": -9, "out_of_memory": True}, "failed"),
        ({"code": 137, "out_of_memory": True}, "failed"),
        ({"code": 137}, "killed"),
        ({"code": 139}, "failed"),
        ({"code": 1, "out_of_memory": True}, "failed"),
    ],
)
def test_what_an_end_means_depends_on_what_we_had_asked(told, kind):
    assert verdict(told.pop("code"), **told).kind == kind
