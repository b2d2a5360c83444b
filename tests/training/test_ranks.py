"""Several processes save together, stop together, and go on in another number."""

from pathlib import Path

import pytest
import torch

from shoestring.training import spool
from shoestring.training.digest import read_weights
from tests.training import world
from tests.training.given import Spool, saved_steps


def seen(folder: Path) -> dict[int, list[int]]:
    """Samples per step over all ranks, in the order of the ranks."""
    by_step: dict[int, list[int]] = {}
    for path in sorted(folder.glob("seen-*")):
        for line in path.read_text().splitlines():
            step, *batch = map(int, line.split())
            by_step.setdefault(step, []).extend(batch)
    return by_step


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_stop_together_and_one_goes_on_where_they_were(tmp_path, kind):
    first, then, alone = (Spool(tmp_path / name) for name in ("first", "then", "alone"))
    codes = world.run(2, kind, folder=first.folder, steps=6, stop_at=2)
    assert codes == [spool.EXIT_SAVED] * 2
    (saved,) = first.events("checkpoint")
    assert saved_steps(tmp_path / "checkpoints") == [saved["step"]] == [3]

    world.train(0, 1, "plain", folder=then.folder, steps=6)
    (restored,) = then.events("restore")
    assert restored["step"] == 3
    assert sorted(seen(then.folder)) == [3, 4, 5]

    (tmp_path / "checkpoints").rename(tmp_path / "elastic")
    world.train(0, 1, "plain", folder=alone.folder, steps=6)
    assert seen(first.folder) | seen(then.folder) == seen(alone.folder), "the same samples in the same order"
    # Sums over two processes round otherwise than over one, so not bit by bit.
    elastic, reference = (
        read_weights(str(max((tmp_path / name).iterdir()))) for name in ("elastic", "checkpoints")
    )
    torch.testing.assert_close(elastic, reference, rtol=1e-4, atol=1e-6)
