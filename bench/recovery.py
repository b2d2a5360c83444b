"""How soon a training is safe after a notice, and how soon it trains again: shoestring beside plain torch.save.

    python bench/recovery.py [--parameters 4000000] [--repeats 5] [--json out.json]

Each repeat runs the same training twice, as real processes: once with shoestring's Checkpointer (asynchronous,
hashed, fsynced, committed by manifest; the notice comes as the runner writes it), once with what people write
by hand (SIGTERM handler, torch.save of model, optimizer and step to a temporary file, fsync, rename). A second
process then resumes from what was saved. Times are wall-clock times of this machine, the disk's fsync included.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _machine import describe

SEED = 0
HEADINGS = {
    "notice_to_saved_ms": "notice -> saved",
    "sigterm_to_saved_ms": "SIGTERM -> saved",
    "blocked_ms": "training blocked by a save",
    "launch_to_first_step_ms": "launch -> first new step",
    "restore_ms": "  of that: verify and load",
}


def main() -> None:
    options = parse()
    if options.job:
        (job_with_shoestring if options.job == "shoestring" else job_by_hand)(options)
        return
    figures: dict[str, dict[str, list[float]]] = {"shoestring": {}, "torch.save": {}}
    for repeat in range(options.repeats):
        for how in figures:
            for name, value in one_repeat(how, options).items():
                figures[how].setdefault(name, []).append(value)
            print(f"repeat {repeat + 1} of {options.repeats}: {how}", file=sys.stderr, flush=True)
    print_table(figures, options)
    if options.json:
        about = {"parameters": options.parameters, "repeats": options.repeats, "seed": SEED}
        Path(options.json).write_text(
            json.dumps({**about, "machine": describe("torch", "fsspec"), "figures": figures}, indent=1)
        )


def one_repeat(how: str, options: argparse.Namespace) -> dict[str, float]:
    """Save on notice, save on SIGTERM, resume: three lives of one training, in ms."""
    with tempfile.TemporaryDirectory(prefix="recovery-") as folder:
        root = Path(folder)
        figures = {}
        if how == "shoestring":
            # A script by hand hears no notice; the runner would pass it on as a SIGTERM.
            with Life(how, root, options) as job:
                asked = job.notice()
                figures["notice_to_saved_ms"] = 1000 * (job.saved()["at"] - asked)
                figures["blocked_ms"] = 1000 * job.saved()["blocked_s"]
        with Life(how, root, options) as job:
            asked = job.terminate()
            saved = job.saved()
            figures["sigterm_to_saved_ms"] = 1000 * (saved["at"] - asked)
            figures.setdefault("blocked_ms", 1000 * saved["blocked_s"])
        with Life(how, root, options) as job:
            figures["launch_to_first_step_ms"] = 1000 * (job.first["at"] - job.launched)
            figures["restore_ms"] = 1000 * job.first["restore_s"]
            assert job.first["step"] > 3, "it did not resume"
        return figures


class Life:
    """A process of the training, from its launch past its first new steps."""

    def __init__(self, how: str, root: Path, options: argparse.Namespace) -> None:
        self.how, self.root, self.seen = how, root, 0
        self.spool = root / f"spool-{time.monotonic_ns()}"
        (self.spool / "job").mkdir(parents=True)
        (self.spool / "runner").mkdir()
        command = [sys.executable, __file__, "--job", how, "--root", str(root)]
        env = dict(os.environ)
        if how == "shoestring":
            env |= {"SHOESTRING_SPOOL": str(self.spool), "SHOESTRING_CHECKPOINT_DIR": str(root / "c")}
        self.launched = time.time()
        self.process = subprocess.Popen(
            [*command, "--parameters", str(options.parameters)], env=env, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "Life":
        self.first = self._line("first")
        self._line("warm")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def notice(self) -> float:
        from shoestring.training import spool

        asked = time.time()
        spool.replace_json(self.spool / spool.NOTICE, {"at": asked, "until": asked + 120, "source": "bench"})
        return asked

    def terminate(self) -> float:
        asked = time.time()
        self.process.send_signal(signal.SIGTERM)
        return asked

    def saved(self) -> dict[str, Any]:
        """The first save of this life, once it is durable."""
        if self.how != "shoestring":
            return self._line("saved")
        from shoestring.training import spool

        end = time.monotonic() + 120
        while time.monotonic() < end:
            for _, event in spool.read_sealed(self.spool / spool.EVENTS):
                if event["kind"] == "checkpoint":
                    return event
            time.sleep(0.005)
        raise TimeoutError("no checkpoint within 120 s")

    def _line(self, kind: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            data = json.loads(line)
            if data["kind"] == kind:
                return dict(data)
        raise RuntimeError(f"the job ended without {kind!r}")


# -- the training ----------------------------------------------------------------------------------------------


def training(parameters: int) -> tuple[Any, Any, Any]:
    """A stack of square layers with about so many parameters, AdamW, and one step on random data."""
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    width = 512
    layers = [torch.nn.Linear(width, width) for _ in range(max(1, parameters // (width * width)))]
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.AdamW(model.parameters())
    data = torch.randn(8, width)

    def step() -> None:
        optimizer.zero_grad()
        model(data).square().mean().backward()
        optimizer.step()

    return model, optimizer, step


def say(kind: str, **data: float) -> None:
    print(json.dumps({"kind": kind, "at": time.time(), **data}), flush=True)


def job_with_shoestring(options: argparse.Namespace) -> None:
    from shoestring.training import Checkpointer

    model, optimizer, do_step = training(options.parameters)
    checkpointer = Checkpointer(model=model, optimizer=optimizer, interval_s=1e9)
    begun, first = time.monotonic(), None
    for step in checkpointer.steps(10**9):
        restore_s = time.monotonic() - begun if first is None else 0.0
        first = step if first is None else first
        do_step()
        if step == first:
            say("first", step=step + 1, restore_s=restore_s)
        if step == first + 10:
            say("warm")


def job_by_hand(options: argparse.Namespace) -> None:
    import torch

    model, optimizer, do_step = training(options.parameters)
    path = Path(options.root) / "checkpoint.pt"
    begun, step = time.monotonic(), 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    restore_s, first = time.monotonic() - begun, step
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    while not asked:
        do_step()
        step += 1
        if step == first + 1:
            say("first", step=step, restore_s=restore_s)
        if step == first + 11:
            say("warm")
    begun = time.monotonic()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    with path.with_suffix(".tmp").open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".tmp").rename(path)
    say("saved", blocked_s=time.monotonic() - begun)


def print_table(figures: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> None:
    print(f"{options.parameters:,} parameters with AdamW, {options.repeats} repeats: median (min-max), ms")
    print(f"{'':28}{'shoestring':>24}{'torch.save by hand':>24}")
    for name, heading in HEADINGS.items():
        cells = (cell(figures[how].get(name)) for how in ("shoestring", "torch.save"))
        print(f"{heading:28}" + "".join(f"{text:>24}" for text in cells))


def cell(values: list[float] | None) -> str:
    if not values:
        return "hears none"
    return f"{statistics.median(values):.0f} ({min(values):.0f}-{max(values):.0f})"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=int, default=4_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="write the figures, the machine and the versions here")
    parser.add_argument("--job", choices=("shoestring", "torch.save"), help=argparse.SUPPRESS)
    parser.add_argument("--root", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
