"""A small world of training processes on this machine, talking through gloo."""

import multiprocessing
import os
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from shoestring.training.checkpointer import Checkpointer
from shoestring.training.sampler import ElasticSampler
from shoestring.training.session import Session

SAMPLES, BATCH = 48, 12


def run(size: int, kind: str, *, folder: Path, steps: int, stop_at: int | None = None) -> list[int | None]:
    """Train with ``size`` processes; their exit codes. Each writes what it saw to ``folder/seen-RANK``."""
    # The server imports torch once; every process is forked from it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    processes = [
        context.Process(target=_process, args=(rank, size, kind, folder, steps, stop_at))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def _process(rank: int, size: int, kind: str, folder: Path, steps: int, stop_at: int | None) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=120))
    try:
        train(rank, size, kind, folder=folder, steps=steps, stop_at=stop_at)
    except SystemExit as left:
        os._exit(int(left.code or 0))  # gloo's threads need not be waited for
    os._exit(0)


def train(rank: int, size: int, kind: str, *, folder: Path, steps: int, stop_at: int | None = None) -> None:
    """One process's life. Kind ``plain`` needs no process group."""
    torch.manual_seed(0)
    data = torch.randn(SAMPLES, 8)
    plain = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Linear(16, 4))
    model = {"plain": lambda it: it, "ddp": DistributedDataParallel, "fsdp": fully_shard}[kind](plain)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01)
    sampler = ElasticSampler(SAMPLES, batch_size=BATCH, rank=rank, world_size=size)
    session = Session(folder, {"LOCAL_RANK": str(rank)})
    where = folder.parent / "checkpoints"
    checkpointer = Checkpointer(
        model=model, optimizer=optimizer, sampler=sampler, where=where, session=session
    )
    for step, batch in zip(checkpointer.steps(steps), sampler, strict=False):
        loss = model(data[batch]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with (folder / f"seen-{rank}").open("a") as seen:
            print(step, *batch, file=seen)
        if step == stop_at and rank == size - 1:
            # Only this rank sees the ask at this step; all must stop at the same one.
            (folder / "runner" / "ask.json").write_text('{"stop": 1}')
            session._next_look = 0.0
