"""The code digest changes with the code and with nothing a run writes."""

import os
from pathlib import Path

import pytest

from shoestring.domain.errors import BadInput
from shoestring.domain.workload import CheckpointSpec, Workload
from shoestring.jobfile import code, code_sha256


def job(folder: Path, *, run: str = "python train.py --config base.json", **fields: object) -> Workload:
    return Workload(name="a", run=run, workdir=str(folder), **fields)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print(1)")
    (tmp_path / "base.json").write_text("{}")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "model.yaml").write_text("a: 1")
    return tmp_path


def touch(path: Path, text: str = "new") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    "name", ["train.py", "base.json", "conf/model.yaml", "lib/kernel.cu", "requirements.txt"]
)
def test_a_change_of_code_changes_it(name: str, folder: Path) -> None:
    before = code_sha256(job(folder))
    touch(folder / name)
    assert code_sha256(job(folder)) != before


@pytest.mark.parametrize(
    "name",
    [".git/HEAD.py", "__pycache__/a.py", "checkpoints/x.py", "wandb/x.py", "checkpoint-100/a.json",
     "model.pt", "metrics.json", "job.yaml", "log.txt", "my_ckpts/x.py", ".venv/lib/a.py"],
)  # fmt: skip
def test_what_a_run_writes_does_not(name: str, folder: Path) -> None:
    workload = job(folder, checkpoint=CheckpointSpec(where="my_ckpts"))
    before = code_sha256(workload)
    touch(folder / name)
    assert code_sha256(workload) == before


def test_the_command_counts_and_the_folders_place_does_not(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for path in sorted(folder.rglob("*.*"), reverse=True):
        touch(other / path.relative_to(folder), path.read_text())
    assert code_sha256(job(other)) == code_sha256(job(folder))
    assert code_sha256(job(folder, run="python train.py --lr 2")) != code_sha256(
        job(folder, run="python train.py")
    )
    one, two = (Workload(name="a", argv=argv) for argv in (("a b",), ("a", "b")))
    assert code_sha256(one) != code_sha256(two)


def test_a_pipe_or_a_link_in_the_folder_does_no_harm(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")
    (folder / "loop.py").symlink_to(folder)
    (folder / "gone.py").symlink_to("/nowhere")
    assert len(code_sha256(job(folder))) == 64


def test_large_files_count_by_size_and_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "MAX_BYTES", 4)
    before = code_sha256(job(folder))
    os.utime(folder / "train.py", (1, 1))
    assert code_sha256(job(folder)) != before


def test_a_folder_that_is_no_code_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "MAX_FILES", 3)
    touch(folder / "a.txt")
    touch(folder / "b.txt")
    with pytest.raises(BadInput, match="over 3 files"):
        code_sha256(job(folder))
