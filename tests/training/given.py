"""Words for these tests: a tiny training, a spool as the runner makes it, and what was written to it."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shoestring.training import spool
from shoestring.training.checkpointer import Checkpointer
from shoestring.training.sampler import ElasticSampler
from shoestring.training.session import Session

torch.set_num_threads(1)

SAMPLES = 40


class Training:
    """A model with dropout (so the generators matter), an optimizer with state and a schedule.

    ``seed`` sets data and weights; the order of samples is always the same.
    """

    def __init__(self, seed: int = 0, *, width: int = 5) -> None:
        torch.manual_seed(seed)
        self.data = torch.randn(SAMPLES, 4)
        self.model = nn.Sequential(nn.Linear(4, width), nn.Dropout(0.3), nn.Linear(width, 1))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.05)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=7, gamma=0.5)
        self.sampler = ElasticSampler(SAMPLES, batch_size=8, rank=0, world_size=1)

    def checkpointer(self, where: Any = None, **options: Any) -> Checkpointer:
        options.setdefault("session", Session(None, {}))
        return Checkpointer(
            where=where,
            model=self.model,
            optimizer=self.optimizer,
            scheduler=self.scheduler,
            sampler=self.sampler,
            **options,
        )

    def one_step(self, batch: list[int]) -> float:
        loss = self.model(self.data[batch]).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        return loss.item()

    def train(self, checkpointer: Checkpointer, steps: int) -> list[float]:
        """Train to ``steps`` in total; the losses of the steps done now."""
        losses = []
        for _, batch in zip(checkpointer.steps(steps), self.sampler, strict=False):
            losses.append(self.one_step(batch))
            checkpointer.report(loss=losses[-1])
        return losses

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    """Bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Spool:
    """A spool folder, written to as the runner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "job").mkdir(parents=True)
        (folder / "runner").mkdir()

    def session(self, **env: str) -> Session:
        return Session(self.folder, env)

    def notice(self, **data: Any) -> None:
        spool.replace_json(self.folder / spool.NOTICE, data)

    def ask(self, **counters: int) -> None:
        spool.replace_json(self.folder / spool.ASK, counters)

    def heartbeat(self) -> dict[str, Any]:
        beat = spool.read_json(self.folder / spool.HEARTBEAT)
        assert beat is not None
        return beat

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        lines = spool.read_sealed(self.folder / spool.EVENTS)
        return [event for _, event in lines if kind in (None, event["kind"])]


def pins(events: list[dict[str, Any]]) -> str:
    """What the supervisor hands to the next attempt: the checkpoints reported so far, newest first."""
    keys = ("id", "uri", "manifest_sha256", "step")
    return json.dumps([{key: event[key] for key in keys} for event in reversed(events)])


def saved_steps(root: Path) -> list[int]:
    """Steps of the complete checkpoints in a folder, newest first."""
    found = [json.loads(path.read_text())["step"] for path in root.glob("step-*/manifest.json")]
    return sorted(found, reverse=True)


def checkpoint_with(root: Path, *steps: int) -> dict[int, Path]:
    """A folder with one checkpoint after each of ``steps``; their folders by step."""
    for step in steps:
        training = Training()
        training.train(training.checkpointer(root, keep_last=len(steps)), step)
    return {int(path.name.split("-")[1]): path for path in root.iterdir()}


def every_file(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {os.path.relpath(path, folder): path.read_bytes() for path in every_file(folder)}
