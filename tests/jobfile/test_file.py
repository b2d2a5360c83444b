"""Whole files: several tasks, side files, overrides, and no file at all."""

import os
from pathlib import Path

import pytest

from shoestring import jobfile
from shoestring.domain.errors import BadInput, JobFileInvalid, NotFound
from shoestring.domain.workload import Backend
from tests.jobfile.given import NOW, errors, read, workload, write

PIPELINE = "name: nightly\n---\nname: a\nrun: x\n---\nrun: y\nshoestring: {deadline: 2h}\n"


def test_several_documents_are_several_tasks(tmp_path: Path) -> None:
    file = read(tmp_path, PIPELINE)
    assert (file.name, file.parallel) == ("nightly", False)
    assert [(w.name, w.deadline_s) for w in file.workloads] == [("a", None), ("job-2", 7200)]
    group = read(tmp_path, PIPELINE.replace("nightly", "nightly\nexecution: parallel"))
    assert group.parallel


def test_problems_in_later_documents_have_their_lines(tmp_path: Path) -> None:
    found = errors(tmp_path, "name: n\n---\nrun: x\n---\nrun: y\nnum_nodes: 0\n---\nname: z\n")
    assert {(p.where, p.line) for p in found.values()} == {("num_nodes", 6), ("file", 8)}


def test_the_name_comes_from_the_file_if_it_has_none(tmp_path: Path) -> None:
    path = write(tmp_path, "run: x", name="my job; v2.yaml")
    assert jobfile.load(path, outside={}, now=NOW).name == "my-job-v2"


def test_a_side_file_holds_the_keys_of_the_block(tmp_path: Path) -> None:
    write(tmp_path, "deadline: 3h\nlabels: {team: a}\n", name="job.shoestring.yaml")
    assert workload(tmp_path, "").deadline_s == 3 * 3600
    both = workload(tmp_path, "shoestring: {budget: 5}")
    assert (both.deadline_s, both.budget_usd, both.labels) == (3 * 3600, 5, {"team": "a"})
    write(tmp_path, "shoestring:\n  deadline: 4h\n", name="job.shoestring.yaml")
    assert workload(tmp_path, "").deadline_s == 4 * 3600


def test_a_key_in_both_is_refused_with_both_lines(tmp_path: Path) -> None:
    write(tmp_path, "budget: 5\ndeadline: 3h\n", name="job.shoestring.yaml")
    found = errors(tmp_path, "run: x\nshoestring:\n  deadline: 4h\n")
    problem = found["job.shoestring.yaml: deadline"]
    assert problem.line == 2
    assert "line 3" in problem.message


def test_mistakes_in_a_side_file_are_named_with_it(tmp_path: Path) -> None:
    write(tmp_path, "dedline: 3h\n", name="job.shoestring.yaml")
    assert list(errors(tmp_path, "run: x")) == ["job.shoestring.yaml: dedline"]
    write(tmp_path, "a: [", name="job.shoestring.yaml")
    assert "job.shoestring.yaml: not valid YAML" in errors(tmp_path, "run: x")["file"].message


def test_a_side_file_of_several_tasks_has_a_document_for_each(tmp_path: Path) -> None:
    write(tmp_path, "deadline: 3h\n---\nbudget: 5\n", name="job.shoestring.yaml")
    first, second = read(tmp_path, "run: x\n---\nrun: y\n").workloads
    assert (first.deadline_s, second.budget_usd) == (3 * 3600, 5)
    assert "2 documents for 1 tasks" in errors(tmp_path, "run: x")["job.shoestring.yaml"].message


def test_a_side_file_is_no_job_file(tmp_path: Path) -> None:
    path = write(tmp_path, "deadline: 3h", name="train.shoestring.yaml")
    with pytest.raises(JobFileInvalid, match=r"train\.yaml"):
        jobfile.load(path)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    text = (
        "resources: {accelerators: T4, region: us-east-1, any_of: [{cloud: aws}, {cloud: gcp}]}\n"
        "shoestring: {deadline: 2h, goal: fastest}"
    )
    found = workload(
        tmp_path,
        text,
        overrides={"infra": "azure/eastus", "gpus": "MI300X:8", "deadline": "9h", "budget": "7"},
    )
    (only,) = found.resources
    assert (only.provider, only.region, only.accelerators[0].name) == ("azure", "eastus", "MI300X")
    assert (found.deadline_s, found.budget_usd, found.goal.value) == (9 * 3600, 7, "fastest")
    assert found.backend is Backend.ROCM


def test_a_bad_override_is_named_by_its_option(tmp_path: Path) -> None:
    with pytest.raises(JobFileInvalid) as refused:
        workload(tmp_path, "", overrides={"deadline": "soon", "gpus": "H1000"})
    assert {(p.where, p.line) for p in refused.value.problems} == {("--deadline", None), ("--gpus", None)}


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["python", "train.py", "--lr", "1"], "train"),
        (["python", "-m", "pkg.train"], "pkg-train"),
        (["torchrun", "--nproc-per-node=8", "src/pretrain.py"], "pretrain"),
        (["./run_all.sh"], "run-all"),
        (["/usr/bin/true"], "true"),
        (["-"], "job"),
    ],
)
def test_a_command_is_a_job_in_the_current_directory(argv: list[str], name: str, tmp_path: Path) -> None:
    job = jobfile.from_command(argv, cwd=tmp_path, env={"A": "1"}, overrides={"budget": "5"})
    (found,) = job.workloads
    assert (found.name, found.argv, found.workdir) == (name, tuple(argv), str(tmp_path))
    assert (found.env_names, found.budget_usd) == (("A",), 5)
    assert job.tasks[0].environment.complete()["A"].reveal() == "1"


def test_a_command_that_no_process_can_take(tmp_path: Path) -> None:
    for argv in ([], [""], ["a", "b\0c"]):
        with pytest.raises(BadInput):
            jobfile.from_command(argv)
    with pytest.raises(JobFileInvalid, match="--name"):
        jobfile.from_command(["x"], name="a;b")
    with pytest.raises(BadInput, match="no variable's name"):
        jobfile.from_command(["x"], env={"a b": "1"})


def test_what_is_no_file_is_not_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "pipe", Path("/dev/zero"), Path("a\0b")):
        with pytest.raises(NotFound):
            jobfile.load(path)


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert jobfile.load(write(tmp_path, b"\xef\xbb\xbfrun: x\r\nname: a\r\n"), outside={}).name == "a"
