import hashlib
import subprocess
import sys

import pytest
import torch

from shoestring.domain.errors import BadInput, CheckpointCorrupt
from shoestring.training import weights_sha256
from tests.training.given import Training


@pytest.fixture
def trained(tmp_path):
    """A training, its checkpoint and its final weights."""
    training = Training()
    training.train(training.checkpointer(tmp_path / "c"), 3)
    torch.save(training.model.state_dict(), tmp_path / "weights.pt")
    return training, next((tmp_path / "c").iterdir()), tmp_path / "weights.pt"


def test_it_is_the_hash_of_the_raw_bytes_in_the_order_of_the_names():
    weights = {"b": torch.tensor([1.0, 2.0]), "a": torch.tensor([[3]], dtype=torch.int16)}
    expected = hashlib.sha256(b"\x03\x00" + weights["b"].numpy().tobytes()).hexdigest()
    assert weights_sha256(weights) == expected


def test_weights_file_checkpoint_and_memory_agree(trained):
    training, checkpoint, file = trained
    assert weights_sha256(training.model.state_dict()) == weights_sha256(file) == weights_sha256(checkpoint)


def test_one_bit_makes_another_digest(trained):
    training, _, file = trained
    training.model[0].bias.data.view(torch.int32)[0] ^= 1
    assert weights_sha256(training.model.state_dict()) != weights_sha256(file)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.bool, torch.complex64, torch.int64])
def test_any_dtype_scalars_and_views(dtype):
    tensor = torch.ones(3, 4, dtype=dtype)
    assert weights_sha256({"x": tensor.t()}) == weights_sha256({"x": tensor.t().contiguous()})
    assert weights_sha256({"x": tensor[0, 0]}) == weights_sha256({"x": tensor[0, :1]})


def test_a_third_process_prints_it(trained):
    training, checkpoint, file = trained
    answer = subprocess.run(
        [sys.executable, "-m", "shoestring.training.digest", str(file), str(checkpoint)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    digest = weights_sha256(training.model.state_dict())
    assert answer.stdout.splitlines() == [f"{digest}  {file}", f"{digest}  {checkpoint}"]


def test_a_corrupt_checkpoint_has_no_digest(trained):
    _, checkpoint, _ = trained
    (checkpoint / "state-0.json").write_bytes(b"{}")
    with pytest.raises(CheckpointCorrupt):
        weights_sha256(checkpoint)


def test_no_tensors_no_digest(trained):
    with pytest.raises(BadInput, match="no tensors"):
        weights_sha256({})
    with pytest.raises(BadInput, match="no tensors"):
        weights_sha256(trained[1], within="encoder")
