"""Nothing in a checkpoint can make our process run code, even when its manifest was forged to match."""

import hashlib
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorStorageMetadata,
)

from shoestring.domain.errors import CheckpointCorrupt
from shoestring.training.metadata import read_metadata
from tests.training.given import Training, checkpoint_with
from tests.training.poison import Reduce, pickles


@pytest.fixture
def canary(tmp_path):
    """A file that exists only if a payload ran."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "CODE WAS EXECUTED"


def forge(folder: Path) -> None:
    """Make the manifest match the files as they are now, as one who owns the bucket could."""
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    for file in body["files"]:
        data = (folder / file["name"]).read_bytes()
        file |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    del body["self_sha256"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    body["self_sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(body, sort_keys=True, separators=(",", ":")))


@pytest.fixture
def two(tmp_path):
    return checkpoint_with(tmp_path / "c", 2, 4)


def restored_step(two) -> int:
    return Training().checkpointer(two[4].parent).restore()


def test_the_payloads_are_sharp(tmp_path):
    """A test of the test: a careless reader does run them."""
    canary = tmp_path / "sharp"
    ran = 0
    for _, data in pickles(f"touch {canary}"):
        canary.unlink(missing_ok=True)
        if b"antigravity" in data or b"hub" in data:
            continue
        if data.startswith((b"cos\n", b"cposix\n", b"csubprocess\ngetoutput")):
            pickle.loads(data)
            ran += canary.exists()
    assert ran >= 3


def test_no_poisoned_index_runs_code(canary):
    count = 0
    for name, data in pickles(f"touch {canary}"):
        with pytest.raises(CheckpointCorrupt):
            read_metadata(data, files=["__0_0.distcp"])
        assert not canary.exists(), name
        count += 1
    assert count >= 250
    assert torch.Size([1]).numel() == 1


def test_reading_one_index_changes_nothing_for_the_next(two):
    good = (two[4] / ".metadata").read_bytes()
    files = ["__0_0.distcp"]
    before = pickle.dumps(read_metadata(good, files=files))
    for _, data in pickles("true"):
        with pytest.raises(CheckpointCorrupt):
            read_metadata(data, files=files)
    assert pickle.dumps(read_metadata(good, files=files)) == before


@pytest.mark.parametrize("nth", range(0, 250, 25))
def test_a_checkpoint_with_a_poisoned_index_and_a_forged_manifest_is_passed_over(two, canary, nth):
    _, data = list(pickles(f"touch {canary}"))[nth]
    (two[4] / ".metadata").write_bytes(data)
    forge(two[4])
    assert restored_step(two) == 2


def test_a_poisoned_tensor_is_passed_over(two, canary):
    shard = two[4] / "__0_0.distcp"
    payload = canary.parent / "payload.pt"
    torch.save(Reduce(os.system, f"touch {canary}"), payload)
    index = pickle.loads((two[4] / ".metadata").read_bytes())
    data = bytearray(shard.read_bytes())
    place = max(index.storage_data.values(), key=lambda info: info.length)
    poison = payload.read_bytes()
    data[place.offset : place.offset + place.length] = poison.ljust(place.length, b"\0")
    place.length = len(poison)
    shard.write_bytes(data)
    (two[4] / ".metadata").write_bytes(pickle.dumps(index))
    forge(two[4])
    assert zipfile.is_zipfile(payload)
    assert restored_step(two) == 2


def index_with(**changes) -> Metadata:
    entry = TensorStorageMetadata(
        properties=torch.distributed.checkpoint.metadata.TensorProperties(), size=torch.Size([2]), chunks=[]
    )
    from torch.distributed.checkpoint.filesystem import _StorageInfo

    info = _StorageInfo(changes.pop("path", "__0_0.distcp"), changes.pop("offset", 0), 10)
    info.transform_descriptors = changes.pop("transforms", None)
    return Metadata(
        state_dict_metadata={"a": changes.pop("entry", entry)},
        storage_data={MetadataIndex(changes.pop("name", "a"), torch.Size([0])): info},
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"entry": BytesStorageMetadata()},
        {"entry": 7},
        {"path": "../../etc/passwd"},
        {"path": "/etc/passwd"},
        {"path": "other.distcp"},
        {"path": ["__0_0.distcp"]},
        {"offset": -1},
        {"offset": "0"},
        {"name": "b"},
        {"transforms": ["gzip"]},
    ],
    ids=str,
)
def test_an_index_that_we_would_not_have_written_is_refused(changes):
    with pytest.raises(CheckpointCorrupt):
        read_metadata(pickle.dumps(index_with(**changes)), files=["__0_0.distcp"])


def test_the_same_index_without_changes_is_read():
    index = read_metadata(pickle.dumps(index_with()), files=["__0_0.distcp"])
    assert index.state_dict_metadata["a"].size == torch.Size([2])


def test_an_index_that_claims_more_than_its_files_hold_is_passed_over(two):
    path = two[4] / ".metadata"
    index = pickle.loads(path.read_bytes())
    entry = index.state_dict_metadata["model/0.weight"]
    entry.size = torch.Size([1 << 40])
    path.write_bytes(pickle.dumps(index))
    forge(two[4])
    assert restored_step(two) == 2


@pytest.mark.parametrize(
    "state",
    [
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"\xff",
        b'{"objects": {}, "rng"',
        b'{"objects": {"model": {"$tensor": "../../x"}}, "rng": {}}',
    ],
    ids=lambda state: repr(state[:20]),
)
def test_a_forged_state_is_passed_over(two, state):
    (two[4] / "state-0.json").write_bytes(state)
    forge(two[4])
    assert restored_step(two) == 2
