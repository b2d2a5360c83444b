"""A save and the pruning after it are cut off at every file operation; nothing durable is ever lost.

``SHOESTRING_SOAK=1`` (make soak) tries every operation and 50 power losses at each, with a printed seed.
"""

import os
import random
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

import fsspec
import pytest
import torch

from shoestring.domain.errors import CheckpointCorrupt
from shoestring.training import manifest
from shoestring.training.place import Folder
from shoestring.training.saving import Save
from tests.training.disk import Disk, MortalFileSystem, PowerCut, mortal
from tests.training.given import Training, checkpoint_with, same, saved_steps

SOAK = bool(os.environ.get("SHOESTRING_SOAK"))
SEED = int(os.environ.get("SHOESTRING_SEED", "20261124"))
LOSSES = 50 if SOAK else 2

fsspec.register_implementation("mortal", MortalFileSystem, clobber=True)


@dataclass
class Before:
    """Complete checkpoints of steps 2 and 4 in ``root``; a training that has done 6; all weights by step."""

    root: Path
    at_six: Training
    weights: dict[int, dict[str, torch.Tensor]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    root = tmp_path_factory.mktemp("before")
    checkpoint_with(root, 2, 4)
    made = Before(root, Training())
    for step in (2, 4, 6):
        made.at_six = Training()
        made.at_six.train(made.at_six.checkpointer(), step)
        made.weights[step] = made.at_six.weights()
    return made


@pytest.fixture(autouse=True)
def quiet_threads(monkeypatch):
    """A thread that dies of a power cut is what these tests are about."""
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


def save_step_six(before: Before, root: Path, disk: Disk, monkeypatch) -> Save:
    """Save step 6 beside steps 2 and 4 on a disk that may die, keeping two checkpoints."""
    checkpointer = before.at_six.checkpointer(f"mortal://{root}", keep_last=2)
    checkpointer.step_done = 6
    with mortal(disk, monkeypatch):
        checkpointer.save("due")
        save = checkpointer._save
        assert save is not None
        assert save.wait(60)
    return save


def check(before: Before, root: Path, monkeypatch) -> int:
    """What a new attempt finds must be step 4 or 6, whole, and its own save must tidy up."""
    training = Training(seed=8)
    checkpointer = training.checkpointer(f"mortal://{root}", keep_last=2)
    step = checkpointer.restore()
    assert step in (4, 6)
    assert step == saved_steps(root)[0]
    assert same(training.weights(), before.weights[step])
    checkpointer.step_done = 7
    with mortal(Disk(None), monkeypatch):
        checkpointer.save("end", wait=True)
    assert saved_steps(root) == [7, step]
    assert all((folder / manifest.NAME).exists() for folder in root.iterdir()), "litter was left"
    return step


def operations(before, tmp_path, monkeypatch) -> list[str]:
    root = tmp_path / "counted"
    shutil.copytree(before.root, root)
    disk = Disk(None)
    assert save_step_six(before, root, disk, monkeypatch).error is None
    return disk.log


def chosen(log: list[str]) -> list[int]:
    """All operations; of the many writes into the shard, each 24th and the first and last (all in a soak)."""
    shard = [k for k, what in enumerate(log) if what.startswith("write __0_0")]
    skipped = set() if SOAK else set(shard) - {shard[0], shard[-1], *shard[::24]}
    return [k for k in range(len(log) + 1) if k not in skipped]


def test_a_crash_at_any_file_operation_loses_no_durable_checkpoint(before, tmp_path, monkeypatch):
    log = operations(before, tmp_path, monkeypatch)
    found = {}
    for k in chosen(log):
        root = tmp_path / str(k)
        shutil.copytree(before.root, root)
        save_step_six(before, root, Disk(k), monkeypatch)
        found[k] = check(before, root, monkeypatch)
        shutil.rmtree(root)
    committed = log.index("rename manifest.json")
    assert found == {k: 6 if k > committed else 4 for k in found}
    assert {what.split()[0] for what in log} == {"mkdir", "create", "write", "rename", "unlink", "rmdir"}
    print(f"{len(found)} of {len(log) + 1} crash points")


def test_a_power_loss_at_any_file_operation_loses_no_durable_checkpoint(before, tmp_path, monkeypatch):
    log = operations(before, tmp_path, monkeypatch)
    print(f"seed {SEED}")
    images = 0
    for k in chosen(log)[:: 1 if SOAK else 2]:
        for loss in range(LOSSES):
            root = tmp_path / f"{k}-{loss}"
            shutil.copytree(before.root, root)
            disk = Disk(k)
            save_step_six(before, root, disk, monkeypatch)
            disk.lose(random.Random(f"{SEED}/{k}/{loss}"))
            check(before, root, monkeypatch)
            shutil.rmtree(root)
            images += 1
    print(f"{images} power-loss images")


def test_the_very_first_checkpoint_survives_a_power_loss(before, tmp_path, monkeypatch):
    for loss in range(10):
        root = tmp_path / str(loss) / "new" / "folders"
        disk = Disk(None)
        assert save_step_six(before, root, disk, monkeypatch).error is None
        disk.lose(random.Random(loss))
        assert saved_steps(root) == [6]
        assert check(before, root, monkeypatch) == 6


def test_without_fsync_the_same_test_fails(before, tmp_path, monkeypatch):
    """A test of the test: were data not made durable before the manifest, the images would show it."""
    log = operations(before, tmp_path, monkeypatch)
    corrupt = 0
    for loss in range(20):
        root = tmp_path / f"careless-{loss}"
        shutil.copytree(before.root, root)
        disk = Disk(log.index("rename manifest.json") + 1)
        monkeypatch.setattr(disk, "synced", lambda path: None)
        save_step_six(before, root, disk, monkeypatch)
        disk.lose(random.Random(loss))
        for folder in root.glob("step-000006-*"):
            if (folder / manifest.NAME).exists():
                place = Folder.at(folder)
                try:
                    manifest.verify(place, manifest.read(place)[0])
                except CheckpointCorrupt:
                    corrupt += 1
    assert corrupt > 0


def test_a_power_cut_is_no_ordinary_error(tmp_path):
    disk = Disk(0)
    with pytest.raises(PowerCut):
        disk.operation("anything")
    with pytest.raises(PowerCut):
        disk.operation("anything else")
