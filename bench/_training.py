"""A small real training for bench/probe.py: a model, a batch, ranks and a checkpoint size by environment.

MODEL is mlp, conv or attention; WIDTH, BATCH, RANKS, STEPS are numbers. With several ranks gradients are
averaged over gloo, as data-parallel training does. It saves and resumes by ``shoestring.training``.
"""

import os
import socket
import subprocess
import sys

import torch
from torch import nn

from shoestring.training import Checkpointer

WIDTH, BATCH, STEPS = (int(os.environ[name]) for name in ("WIDTH", "BATCH", "STEPS"))
RANKS, RANK = int(os.environ.get("RANKS", "1")), int(os.environ.get("RANK", "0"))


def model_and_batch(kind: str) -> tuple[nn.Module, torch.Tensor]:
    """The net and one batch of noise; what is learned does not matter here."""
    if kind == "mlp":
        layers = [nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(WIDTH, 10)), torch.randn(BATCH, WIDTH)
    if kind == "conv":
        body = [
            nn.Conv2d(3, WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.ReLU(),
        ]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, 10)]
        return nn.Sequential(*body, *head), torch.randn(BATCH, 3, 32, 32)
    block = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True)
    return nn.Sequential(block, nn.Flatten(), nn.Linear(32 * WIDTH, 10)), torch.randn(BATCH, 32, WIDTH)


def other_ranks() -> list[subprocess.Popen[bytes]]:
    """Start the rest of the gang (from rank 0) and meet it."""
    if RANKS == 1:
        return []
    if RANK == 0:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            os.environ["MASTER_PORT"] = str(free.getsockname()[1])
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": str(RANKS)}
    others = range(1, RANKS) if RANK == 0 else ()
    started = [
        subprocess.Popen([sys.executable, __file__], env={**os.environ, "RANK": str(r)}) for r in others
    ]
    torch.distributed.init_process_group("gloo", rank=RANK, world_size=RANKS)
    return started


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    others = other_ranks()
    model, batch = model_and_batch(os.environ["MODEL"])
    target = torch.randint(0, 10, (BATCH,))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    trained = nn.parallel.DistributedDataParallel(model) if RANKS > 1 else model
    checkpointer = Checkpointer(model=model, optimizer=optimizer)
    for _ in checkpointer.steps(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(trained(batch), target).backward()
        optimizer.step()
    for process in others:
        process.wait()


if __name__ == "__main__":
    main()
