import hashlib
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.errors import BadInput, CheckpointCorrupt
from shoestring.training.checkpoints import new_id
from shoestring.training.digest import read_weights
from shoestring.training.manifest import Manifest
from shoestring.training.place import FileEntry
from tests.training.given import Training

GOLDEN = Path(__file__).parent / "golden" / "v1"

MANIFEST = Manifest(
    id="step-000007-a1-abcdef",
    step=7,
    created_at="2026-11-24T00:00:00.000+00:00",
    files=(FileEntry(name="__0_0.distcp", size=3, sha256="0" * 64),),
    world_size=2,
    versions={"torch": "2.13.0"},
)


def resealed(**changes) -> bytes:
    """The manifest with other content and a matching hash: as another version of shoestring might write it."""
    body = {**json.loads(MANIFEST.encode()), **changes}
    del body["self_sha256"]
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    body["self_sha256"] = hashlib.sha256(canonical).hexdigest()
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def test_what_is_written_is_read():
    assert Manifest.decode(MANIFEST.encode(), where="here") == MANIFEST


@given(st.data())
def test_no_altered_byte_passes(data):
    raw = bytearray(MANIFEST.encode())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CheckpointCorrupt):
        Manifest.decode(bytes(raw), where="here")


@pytest.mark.parametrize("end", [0, 1, -1])
def test_a_part_is_no_manifest(end):
    with pytest.raises(CheckpointCorrupt, match="not a whole manifest"):
        Manifest.decode(MANIFEST.encode()[:end], where="here")


def test_a_newer_format_asks_for_an_upgrade():
    with pytest.raises(BadInput, match="format version 2; this shoestring reads up to 1") as refused:
        Manifest.decode(resealed(version=2, surprise=True), where="here")
    assert refused.value.next_step == "pip install --upgrade shoestring"


def test_an_encrypted_one_asks_for_an_upgrade():
    with pytest.raises(BadInput, match="encrypted"):
        Manifest.decode(resealed(encryption={"method": "later"}), where="here")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"version": "1"},
        {"files": [{"name": "x"}]},
        {"files": None},
        {"files": [{"name": "../x", "size": 1, "sha256": ""}]},
        {"files": [{"name": "/etc/passwd", "size": 1, "sha256": ""}]},
        {"files": [{"name": "a/b", "size": 1, "sha256": ""}]},
        {"files": [{"name": "", "size": 1, "sha256": ""}]},
        {"files": [{"name": 3, "size": 1, "sha256": ""}]},
    ],
    ids=str,
)
def test_a_manifest_with_other_parts_is_refused(changes):
    with pytest.raises(CheckpointCorrupt):
        Manifest.decode(resealed(**changes), where="here")


def test_a_checkpoint_of_format_1_stays_readable():
    """Written once by the first release of the format and never again: see docs/checkpoint-format.md."""
    expected = torch.load(GOLDEN.parent / "v1-weights.pt", weights_only=True)
    (folder,) = GOLDEN.iterdir()
    torch.testing.assert_close(read_weights(str(folder)), dict(expected), rtol=0, atol=0)
    training = Training(seed=1)
    assert training.checkpointer(GOLDEN).restore() == 5
    assert training.sampler.consumed == 40


def test_ids_sort_by_step_and_are_never_used_twice():
    ids = [new_id(step, "1") for step in (9, 10, 123456, 123457)]
    assert ids == sorted(ids)
    assert len({new_id(1, "1") for _ in range(100)}) == 100
    assert new_id(1, "../../x y").startswith("step-000001-axy-")
