"""1,200 checkpoints that were altered on the way: every one is noticed, and the one before is restored.

``SHOESTRING_CORRUPTIONS`` sets how many (a soak runs more), ``SHOESTRING_SEED`` which.
"""

import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.distributed import checkpoint as dcp

from shoestring.domain.errors import CheckpointCorrupt
from shoestring.training import manifest
from shoestring.training.place import Folder
from tests.training.given import Training, same, snapshot

COUNT = int(os.environ.get("SHOESTRING_CORRUPTIONS", "1200"))
SEED = int(os.environ.get("SHOESTRING_SEED", "20261124"))
FULL_RESTORE_EVERY = 20  # the others stop once the damage is found, which is what a restore does first
PAGE = 4096

Files = dict[str, bytes]
Damage = Callable[[Files, Files, random.Random], None]  # (newest, the one before, dice)


def flip_a_bit(files: Files, _: Files, dice: random.Random) -> None:
    name = dice.choice(sorted(files))
    data = bytearray(files[name])
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    files[name] = bytes(data)


def flip_a_bit_in_a_tensor(files: Files, _: Files, dice: random.Random) -> None:
    data = bytearray(files["__0_0.distcp"])
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    files["__0_0.distcp"] = bytes(data)


def zero_a_page(files: Files, _: Files, dice: random.Random) -> None:
    name = dice.choice(["__0_0.distcp", "state-0.json", ".metadata"])
    data = files[name]
    pages = [at for at in range(0, len(data), PAGE) if any(data[at : at + PAGE])]
    at = dice.choice(pages)
    files[name] = data[:at] + bytes(len(data[at : at + PAGE])) + data[at + PAGE :]


def swap_pages(files: Files, _: Files, dice: random.Random) -> None:
    data = files["__0_0.distcp"]
    while True:
        one, other = sorted(dice.randrange(len(data) // PAGE) * PAGE for _ in range(2))
        first, second = data[one : one + PAGE], data[other : other + PAGE]
        if first != second:
            break
    middle, rest = data[one + PAGE : other], data[other + PAGE :]
    files["__0_0.distcp"] = data[:one] + second + middle + first + rest


def truncate(files: Files, _: Files, dice: random.Random) -> None:
    name = dice.choice(sorted(files))
    files[name] = files[name][: dice.randrange(len(files[name]))]


def append(files: Files, _: Files, dice: random.Random) -> None:
    name = dice.choice(sorted(files))
    files[name] += dice.randbytes(dice.choice([1, 7, PAGE]))


def lose_a_file(files: Files, _: Files, dice: random.Random) -> None:
    del files[dice.choice(sorted(files))]


def mix_steps(files: Files, before: Files, dice: random.Random) -> None:
    changed = [name for name in sorted(files) if files[name] != before[name]]
    for name in dice.sample(changed, dice.randint(1, len(changed))):
        files[name] = before[name]


def stale_manifest(files: Files, before: Files, _: random.Random) -> None:
    files["manifest.json"] = before["manifest.json"]


def another_step_in_the_manifest(files: Files, _: Files, dice: random.Random) -> None:
    text = files["manifest.json"].decode()
    files["manifest.json"] = text.replace('"step":8', f'"step":{dice.randint(9, 10**6)}').encode()


def garbage(files: Files, _: Files, dice: random.Random) -> None:
    name = dice.choice(sorted(files))
    files[name] = dice.randbytes(len(files[name]))


DAMAGES: dict[Damage, int] = {  # with their share of the campaign
    flip_a_bit: 25,
    flip_a_bit_in_a_tensor: 25,
    zero_a_page: 12,
    swap_pages: 6,
    truncate: 8,
    append: 6,
    lose_a_file: 4,
    mix_steps: 6,
    stale_manifest: 1,
    another_step_in_the_manifest: 2,
    garbage: 5,
}


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> dict[int, Path]:
    """Checkpoints of steps 4 and 8, big enough to have pages."""
    root = tmp_path_factory.mktemp("c")
    for step in (4, 8):
        training = Training(width=1000)
        training.train(training.checkpointer(root), step)
    return {int(path.name.split("-")[1]): path for path in root.iterdir()}


def put(folder: Path, files: Files, like: Files) -> None:
    """Make the folder hold ``files``, touching only what differs from ``like``."""
    for name in files.keys() | like.keys():
        if name not in files:
            (folder / name).unlink()
        elif files[name] != like.get(name):
            (folder / name).write_bytes(files[name])


def test_every_corruption_is_noticed_and_the_checkpoint_before_restored(steps):
    newest, sound, before = steps[8], snapshot(steps[8]), snapshot(steps[4])
    folder, dice = Folder.at(newest), random.Random(SEED)
    expected = Training(width=1000)
    expected.train(expected.checkpointer(), 4)
    done: Counter[str] = Counter()
    restored = 0
    for number in range(COUNT):
        (damage,) = dice.choices(list(DAMAGES), weights=list(DAMAGES.values()))
        files = dict(sound)
        damage(files, before, dice)
        assert files != sound, damage
        put(newest, files, sound)
        with pytest.raises(CheckpointCorrupt):
            manifest.verify(folder, manifest.read(folder)[0])
        if number % FULL_RESTORE_EVERY == 0:
            training = Training(seed=5, width=1000)
            assert training.checkpointer(newest.parent).restore() == 4
            assert same(training.weights(), expected.weights())
            restored += 1
        put(newest, sound, files)
        done[damage.__name__] += 1
    manifest.verify(folder, manifest.read(folder)[0])
    assert set(done) == {damage.__name__ for damage in DAMAGES}
    print(f"seed {SEED}: {sum(done.values())} corruptions noticed, {restored} restored in full: {dict(done)}")


def test_a_hash_pinned_by_the_journal_must_match_to_the_last_digit(steps):
    folder = Folder.at(steps[8])
    pinned = hashlib.sha256((steps[8] / "manifest.json").read_bytes()).hexdigest()
    assert manifest.read(folder, pinned_sha256=pinned)[1] == pinned
    for at in range(64):
        wrong = pinned[:at] + ("0" if pinned[at] != "0" else "1") + pinned[at + 1 :]
        with pytest.raises(CheckpointCorrupt, match="the journal pinned"):
            manifest.read(folder, pinned_sha256=wrong)


def test_a_whole_other_checkpoint_under_this_name_is_noticed(steps, tmp_path):
    copy = tmp_path / steps[8].name
    copy.mkdir()
    put(copy, snapshot(steps[4]), {})
    with pytest.raises(CheckpointCorrupt, match="belongs to"):
        manifest.read(Folder.at(copy))


def test_torch_alone_would_not_notice(steps, tmp_path):
    """Why we hash: DCP loads flipped bits without a word."""
    training = Training(width=1000)
    training.train(training.checkpointer(tmp_path), 2)
    (folder,) = tmp_path.iterdir()
    target = {"model/0.weight": torch.empty(1000, 4)}
    dcp.load(target, checkpoint_id=str(folder))
    sound = target["model/0.weight"].clone()
    shard = folder / "__0_0.distcp"
    data = bytearray(shard.read_bytes())
    at = data.index(sound.numpy().tobytes())
    data[at + 100] ^= 4
    shard.write_bytes(data)
    dcp.load(target, checkpoint_id=str(folder))
    assert not torch.equal(target["model/0.weight"], sound)
    with pytest.raises(CheckpointCorrupt):
        Training(width=1000).checkpointer(tmp_path).restore()
