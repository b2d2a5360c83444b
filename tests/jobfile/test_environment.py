"""Environment, mounts and workdir: values stay apart and unseen, places are understood."""

from pathlib import Path

import pytest

from shoestring import jobfile
from shoestring.domain.codec import dumps
from shoestring.domain.errors import BadInput, JobFileInvalid
from shoestring.jobfile.mounts import Mount
from tests.jobfile.given import NOW, error, errors, read, workload, write

CANARY = "canary-7f3a"


def test_the_workload_holds_names_and_the_environment_values(tmp_path: Path) -> None:
    (task,) = read(tmp_path, f"run: x\nenvs: {{SIZE: 13, EMPTY: ''}}\nsecrets: {{HF_TOKEN: {CANARY}}}").tasks
    assert task.workload.env_names == ("SIZE", "EMPTY", "HF_TOKEN")
    assert {n: v.reveal() for n, v in task.environment.complete().items()} == {
        "SIZE": "13", "EMPTY": "", "HF_TOKEN": CANARY,
    }  # fmt: skip
    assert task.environment.secret_names == ("HF_TOKEN",)


def test_a_value_shows_in_no_text_of_the_job(tmp_path: Path) -> None:
    file = read(tmp_path, f"run: x\nenvs: {{A: {CANARY}}}\nsecrets: {{B: {CANARY}}}")
    assert CANARY not in repr(file) + str(file) + dumps(file.workloads[0]) + repr(file.tasks[0].environment)


@pytest.mark.parametrize(
    "text",
    [
        f"secrets: {CANARY}",
        f"envs: [{{{CANARY}: [1]}}]",
        f"secrets: {{A: [{CANARY}]}}",
        f"secrets: {{A: {CANARY}, A: {CANARY}}}",
        f'secrets: {{A: "{CANARY}\\0"}}',
        f"name: https://user:{CANARY}@host/",
        f"shoestring: {{deadline: 'https://user:{CANARY}@host'}}",
        f"shoestring: {{budget: 'https://{CANARY}@host'}}",
        f"workdir: {{url: 'https://{CANARY}@host/x.git'}}",
    ],
)
def test_a_value_shows_in_no_message(text: str, tmp_path: Path) -> None:
    with pytest.raises(JobFileInvalid) as refused:
        read(tmp_path, f"run: x\n{text}")
    assert CANARY not in f"{refused.value} {refused.value.problems!r}".replace(f"[0].{CANARY}", "")


def test_a_null_is_required_from_outside(tmp_path: Path) -> None:
    text = "run: x\nenvs: {A: null, B: null}\nsecrets: [C]"
    file = read(tmp_path, text, outside={"A": "shell", "Z": "not asked for"})
    environment = file.tasks[0].environment
    assert environment.names == ("A", "B", "C")
    assert environment.missing == ("B", "C")
    assert [(w.where, w.severity) for w in file.warnings] == [("envs.B", "warning"), ("secrets", "warning")]
    with pytest.raises(BadInput, match="no value for B, C"):
        environment.complete()
    given = read(tmp_path, text, env={"A": "asked", "B": "b", "C": "c", "D": "d"}, outside={"A": "shell"})
    values = {n: v.reveal() for n, v in given.tasks[0].environment.complete().items()}
    assert values == {"A": "asked", "B": "b", "C": "c", "D": "d"}


def test_an_env_that_looks_like_a_secret_is_pointed_at(tmp_path: Path) -> None:
    file = read(tmp_path, "run: x\nenvs: {WANDB_API_KEY: k, KEYBOARD: de}")
    assert [w.where for w in file.warnings] == ["envs.WANDB_API_KEY"]


def test_env_options_from_the_command_line() -> None:
    assert jobfile.parse_env(["A=1=2", "B"], {"B": "b"}) == {"A": "1=2", "B": "b"}
    for bad in ("1A=x", "A-B=x", "=x", "MISSING", "A=\0"):
        with pytest.raises(BadInput):
            jobfile.parse_env([bad], {})


def test_variables_alone_are_read_whatever_became_of_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "run: x\nenvs: {A: 1}\nshoestring: {deadline: 2020-01-01T00:00:00Z}")
    (environment,) = jobfile.environments(path, env={"B": "2"})
    assert {n: v.reveal() for n, v in environment.complete().items()} == {"A": "1", "B": "2"}
    with pytest.raises(JobFileInvalid):
        jobfile.environments(write(tmp_path, "run: x\nenvs: {1A: 1}"))


def test_typed_mounts_say_where_checkpoints_and_data_are(tmp_path: Path) -> None:
    found = workload(
        tmp_path,
        "file_mounts:\n"
        "  /ckpt: {name: bucket, store: gcs, mode: MOUNT_CACHED, type: MODEL_CHECKPOINT_RW}\n"
        "  /data: {source: s3://corpus/x, type: DATASET_RO}\n"
        "  /copy: {source: s3://corpus/y, mode: COPY, type: DATASET_RO}\n"
        "  /plain: s3://other\n",
    )
    assert found.checkpoint.where == "gs://bucket"
    assert [(d.uri, d.provider, d.streamed) for d in found.data] == [
        ("s3://corpus/x", "aws", True),
        ("s3://corpus/y", "aws", False),
    ]


def test_the_block_wins_over_the_mounts(tmp_path: Path) -> None:
    found = workload(
        tmp_path,
        "file_mounts:\n  /c: {source: s3://a, type: MODEL_CHECKPOINT_RW}\n"
        "  /d: {source: s3://b, type: DATASET_RO}\n"
        "inputs: {s3://c: 5}\nshoestring: {checkpoint: {where: /own, size: 1 GB}, data: /elsewhere}",
    )
    assert (found.checkpoint.where, [d.uri for d in found.data]) == ("/own", ["/elsewhere"])


def test_the_mount_fills_in_what_the_block_leaves_open(tmp_path: Path) -> None:
    found = workload(
        tmp_path,
        "file_mounts: {/c: {source: s3://a, type: MODEL_CHECKPOINT_RW}}\n"
        "inputs: {gs://c: 5}\nshoestring: {checkpoint: {size: 1 GB}}",
    )
    assert (found.checkpoint.where, found.checkpoint.size_bytes) == ("s3://a", 10**9)
    assert [(d.uri, d.size_bytes, d.provider) for d in found.data] == [("gs://c", 5 * 10**9, "gcp")]


def test_variables_of_envs_are_filled_into_mounts_and_workdir(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (task,) = read(
        tmp_path,
        "run: x\nenvs: {WHO: me}\nworkdir: ${DIR}\n"
        "file_mounts: {'/ckpt/${WHO}': 's3://b/$WHO/$OTHER'}\n".replace("{WHO: me}", "{WHO: me, DIR: code}"),
        env={"WHO": "you"},
    ).tasks
    assert task.mounts == (Mount(target="/ckpt/you", source="s3://b/you/$OTHER"),)
    assert task.workload.workdir == str(tmp_path / "code")


def test_a_secret_is_never_filled_into_a_path(tmp_path: Path) -> None:
    (task,) = read(tmp_path, f"run: x\nsecrets: {{S: {CANARY}}}\nfile_mounts: {{/x: 's3://b/$S'}}").tasks
    assert task.mounts[0].source == "s3://b/$S"


def test_a_password_put_together_from_variables_is_refused(tmp_path: Path) -> None:
    text = f"envs: {{P: 'u:{CANARY}'}}\nfile_mounts: {{/x: 'https://${{P}}@host/x'}}"
    problem = error(tmp_path, text)
    assert "user or password" in problem.message
    assert CANARY not in repr(problem)


@pytest.mark.parametrize("mode", ["mode: RSYNC", "type: WEIGHTS", "name: 'a b'", "source: -x"])
def test_a_wrong_mount_is_refused(mode: str, tmp_path: Path) -> None:
    (where,) = errors(tmp_path, f"run: x\nfile_mounts: {{/x: {{{mode}}}}}")
    assert where == f"file_mounts./x.{mode.partition(':')[0]}"


def test_a_repository_as_workdir(tmp_path: Path) -> None:
    (task,) = read(tmp_path, "run: x\nworkdir: {url: git@github.com:org/repo.git, ref: feature/x}").tasks
    assert task.git == jobfile.GitSource(url="git@github.com:org/repo.git", ref="feature/x")
    assert task.workload.workdir is None


def test_a_workdir_counts_from_the_current_directory_and_may_be_absent_yet(tmp_path: Path) -> None:
    file = jobfile.load(write(tmp_path, "run: x\nworkdir: later"), outside={}, now=NOW, cwd=tmp_path)
    assert file.workloads[0].workdir == str(tmp_path / "later")
    assert "current directory" in file.warnings[0].message
    assert "no such user" in error(tmp_path, "workdir: ~nobody-has-this-name/x").message
