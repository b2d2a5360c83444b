import json
import os
from pathlib import Path

import fsspec
import pytest

from shoestring.training.foreign import complete, scan
from tests.training.poison import pickles


def put(root: Path, **files: bytes | str) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def trainer(root: Path, step: int, **files: bytes | str) -> Path:
    """A folder as Hugging Face's Trainer writes it."""
    folder = root / f"checkpoint-{step}"
    sound = {
        "model.safetensors": b"weights",
        "optimizer.pt": b"state",
        "trainer_state.json": json.dumps({"global_step": step}),
    }
    for name, content in {**sound, **files}.items():
        put(folder, **{name: content})
    return folder


class TestHuggingFace:
    glob, marker = "checkpoint-*", "trainer_state.json"

    def newest(self, root):
        return scan(str(root), self.glob, self.marker)

    def test_the_highest_step_and_not_the_last_name_is_the_newest(self, tmp_path):
        for step in (90, 1000, 200):
            trainer(tmp_path, step)
        found = self.newest(tmp_path)
        assert (found.step, found.id) == (1000, "checkpoint-1000")
        assert found.uri == f"{tmp_path}/checkpoint-1000"
        assert found.size_bytes == sum(p.stat().st_size for p in Path(found.uri).iterdir())
        assert len(complete(str(tmp_path), self.glob, self.marker)) == 3

    def test_without_its_marker_it_is_not_complete(self, tmp_path):
        trainer(tmp_path, 100)
        (trainer(tmp_path, 200) / "trainer_state.json").unlink()
        assert self.newest(tmp_path).step == 100

    def test_an_empty_shard_is_not_complete(self, tmp_path):
        trainer(tmp_path, 100)
        trainer(tmp_path, 200, **{"optimizer.pt": b""})
        assert self.newest(tmp_path).step == 100

    def test_a_listed_shard_must_be_there(self, tmp_path):
        index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})
        shards = {"model.safetensors.index.json": index, "model-1.safetensors": b"1"}
        trainer(tmp_path, 100)
        folder = trainer(tmp_path, 200, **shards)
        assert self.newest(tmp_path).step == 100
        put(folder, **{"model-2.safetensors": b"2"})
        assert self.newest(tmp_path).step == 200

    @pytest.mark.parametrize("index", ["{", "[]", '{"weight_map": 3}', "[" * 100_000])
    def test_an_index_that_cannot_be_read_is_not_complete(self, tmp_path, index):
        trainer(tmp_path, 200, **{"model.safetensors.index.json": index})
        assert self.newest(tmp_path) is None

    @pytest.mark.parametrize("state", ["{", "{}", '{"global_step": "x"}', '{"global_step": true}'])
    def test_the_name_tells_the_step_if_the_state_does_not(self, tmp_path, state):
        trainer(tmp_path, 300, **{"trainer_state.json": state})
        assert self.newest(tmp_path).step == 300

    def test_it_is_another_one_once_a_file_has_changed(self, tmp_path):
        folder = trainer(tmp_path, 100)
        before = self.newest(tmp_path).sha256
        assert self.newest(tmp_path).sha256 == before
        os.utime(folder / "optimizer.pt", (1, 1))
        assert self.newest(tmp_path).sha256 != before


def test_lightning_writes_single_files(tmp_path):
    put(tmp_path, **{"epoch=0-step=50.ckpt": b"zip", "epoch=1-step=100.ckpt": b"zip", "last.txt": b"no"})
    assert [one.step for one in complete(str(tmp_path), "*.ckpt")] == [50, 100]
    put(tmp_path, **{"epoch=2-step=150.ckpt": b""})
    assert scan(str(tmp_path), "*.ckpt").step == 100


def test_a_name_that_tells_no_step_leaves_it_unknown(tmp_path):
    put(tmp_path, **{"last.ckpt": b"zip"})
    assert scan(str(tmp_path), "*.ckpt").step is None


def test_deepspeed_names_the_complete_one_in_a_file_beside(tmp_path):
    for step in (100, 200):
        put(tmp_path / f"global_step{step}", **{"mp_rank_00_model_states.pt": b"x"})
    put(tmp_path, latest="global_step100\n")
    assert scan(str(tmp_path), "global_step*", "latest").step == 100
    put(tmp_path, latest="global_step200")
    assert scan(str(tmp_path), "global_step*", "latest").step == 200


def test_nothing_there_is_nothing_found(tmp_path):
    assert scan(str(tmp_path / "not-yet"), "checkpoint-*", "trainer_state.json") is None


def test_object_stores_work_too(tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe(f"/{tmp_path.name}/checkpoint-7/trainer_state.json", b'{"global_step": 7}')
    found = scan(f"memory://{tmp_path.name}", "checkpoint-*", "trainer_state.json")
    assert (found.step, found.uri) == (7, f"memory://{tmp_path.name}/checkpoint-7")
    assert found.at is not None
    memory.store.clear()


def test_nothing_is_ever_unpickled(tmp_path):
    canary = tmp_path / "canary"
    for number, (_, data) in enumerate(pickles(f"touch {canary}")):
        if number % 10 == 0:
            trainer(tmp_path / "c", 100 + number, **{"optimizer.pt": data, "model.safetensors": data})
    assert len(complete(str(tmp_path / "c"), "checkpoint-*", "trainer_state.json")) >= 25
    assert not canary.exists()
