"""`shoestring validate` and `shoestring export`, as a user meets them."""

import json
import re
import sys
from pathlib import Path

import pytest

from shoestring.app import cli
from shoestring.domain.text import printable
from shoestring.workflows.validate import validate
from tests.jobfile.given import write

EXAMPLES = Path(__file__).parents[2] / "examples" / "jobs"
JOBS = sorted(p for p in EXAMPLES.glob("*.yaml") if ".shoestring." not in p.name)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """The command line in this process: exit code, output, errors."""

    def run(*words: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["shoestring", *map(str, words)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as exit:
            code = exit.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_there_are_at_least_24_examples() -> None:
    assert len(JOBS) >= 24


@pytest.mark.parametrize("path", JOBS, ids=lambda p: p.stem)
def test_every_example_is_valid(path: Path) -> None:
    found = validate(path)
    assert found.job is not None, found.problems
    assert not any("unknown" in p.message for p in found.problems)


def test_a_valid_file_is_summed_up(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("validate", EXAMPLES / "torchrun-multinode.yaml")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  "))
    assert rows["resources"] == "H100:8 on aws/us-east-1"
    assert rows["nodes"] == "4"
    assert rows["budget"] == "$45,000.00"
    assert rows["deadline"] == "5.0 d from submission"
    assert rows["checkpoint"].startswith("s3://example-checkpoints/gpt-pretrain, 98.0 GB")
    assert rows["data"] == "s3://example-corpus/tokens (2,400.0 GB, aws/us-east-1, streamed)"


def test_warnings_leave_the_exit_code_at_0_and_errors_make_it_2(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("validate", write(tmp_path, "run: x\nnum_node: 2\n"))
    assert code == 0
    assert "1 warning" in out and "Did you mean 'num_nodes'?" in out
    code, out, _ = call("validate", write(tmp_path, "run: x\nnum_nodes: 0\nshoestring:\n  budget: -5\n"))
    assert code == 2
    assert "2 errors" in out
    assert "line 2" in out and "allowed: a whole number from 1" in out
    assert "line 4" in out and "'-5'" in out


def test_json_lists_problems_and_jobs(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = call("validate", "--json", write(tmp_path, "run: x\nnum_nodes: 0\n"))
    found = json.loads(out)
    assert (code, found["valid"], found["jobs"]) == (2, False, [])
    assert found["problems"] == [
        {"where": "num_nodes", "line": 2, "severity": "error", "message": "0 is out of range",
         "allowed": "a whole number from 1 to 10000"}
    ]  # fmt: skip
    code, out, _ = call(
        "validate", "--json", "--env", "A=canary", write(tmp_path, "run: x\nenvs: {A: null}\n")
    )
    assert (code, json.loads(out)["jobs"][0]["env_names"]) == (0, ["A"])
    assert "canary" not in out


def test_a_missing_file_says_so_and_a_hostile_name_is_spelled_out(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, _, err = call("validate", tmp_path / "no\x1b[2J.yaml")
    assert code == 2
    assert "No such file" in err and "\x1b" not in err
    code, out, _ = call("validate", write(tmp_path, "run: [", name="a\x1b[2J.yaml"))
    assert code == 2
    assert "\x1b" not in out and printable("a\x1b[2J.yaml") in out


def test_export_writes_a_private_file_and_spares_the_job(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    job = write(tmp_path, "run: x\nsecrets: {T: canary}\nshoestring: {budget: 5}\n")
    target = tmp_path / "sky.yaml"
    code, out, err = call("export", job, "-o", target)
    assert (code, out) == (0, "")
    assert "--secret T" in err
    assert target.read_text() == "run: x\nsecrets: {T: null}\n"
    assert target.stat().st_mode & 0o777 == 0o600
    code, _, err = call("export", job, "-o", job)
    assert code == 2 and "is the job file" in err
    assert "budget" in job.read_text()
    code, out, _ = call("export", job, "--with-secrets")
    assert (code, out) == (0, "run: x\nsecrets: {T: canary}\n")
    code, out, _ = call("export", job, "--json")
    assert json.loads(out) == {"text": "run: x\nsecrets: {T: null}\n", "withheld": ["T"]}
    code, _, err = call("export", job, "-o", tmp_path / "no" / "where.yaml")
    assert code == 2 and "can't write" in err


def test_export_refuses_what_validate_refuses(call, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = call("export", write(tmp_path, "run: x\nnum_nodes: 0\n"))
    assert (code, out) == (2, "")
    assert "next:  shoestring validate" in err


def test_the_file_in_the_docs_is_valid(tmp_path: Path) -> None:
    page = (EXAMPLES.parents[1] / "docs" / "jobfile.md").read_text()
    (written,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert validate(write(tmp_path, written)).errors == ()
