"""Hostile job files: refused with exit 2, quickly, in little memory, and without an echo of the harm."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shoestring import jobfile
from shoestring.domain.errors import BAD_INPUT, JobFileInvalid
from shoestring.domain.text import unsafe_characters
from tests.jobfile import hostile
from tests.jobfile.given import NOW, write

CASES = hostile.cases()
BOMBS = dict(hostile.bombs())
# Each of a kind in the default run, every one in the long run.
HEAVIEST = [
    "laughs-list-9", "laughs-mapping-9", "merge-laughs", "alias-chain", "self-list", "many-documents",
    "many-block-keys", "same-key-within-limits", "many-anchors", "many-errors", "wide-list", "too-large",
    "long-base-60", "long-key", "any-of-bomb", "repeated--", "repeated-[", "deep-flow-5000",
]  # fmt: skip


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 250
    assert set(HEAVIEST) <= set(BOMBS)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, CASES[name])
    began = time.process_time()
    with pytest.raises(JobFileInvalid) as refused:
        jobfile.load(path, outside={}, now=NOW)
    assert time.process_time() - began < 1
    assert refused.value.exit_code == BAD_INPUT
    assert len(refused.value.problems) <= 201
    for problem in refused.value.problems:
        said = f"{problem.where} {problem.message} {problem.allowed}"
        assert not unsafe_characters(said)
        assert "canary" not in said
        assert len(said) < 1500


# ru_maxrss would count the pages of the forking test process too; VmHWM begins anew at exec.
MEASURED = """
import atexit, pathlib
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print("peak KiB", status.read_text().split("VmHWM:")[1].split()[0]))
from shoestring.app.cli import main
main()
"""


@pytest.mark.parametrize(
    "name", [name if name in HEAVIEST else pytest.param(name, marks=pytest.mark.soak) for name in BOMBS]
)
def test_the_command_refuses_a_bomb_within_a_second_and_200_mb(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, BOMBS[name])
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURED, "validate", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == BAD_INPUT, said
    assert used.ru_utime + used.ru_stime < 1
    assert int(said.rsplit("peak KiB", 1)[1]) < 200 * 1024
    assert "Traceback" not in said
