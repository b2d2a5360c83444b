"""Real SIGKILLs of supervisor, runner, training script and host, at seeded moments of real runs.

After each kill the run must come to its end with the same weights, nothing doubled, and the market's own books
equal to what was charged, to the cent. N kills without a failure bound the failure rate at 3/N (95 %).
"""

import os
import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from shoestring.executors.book import read_book
from shoestring.executors.rehearsal import open_rehearsal
from tests.scenarios.conftest import Shell, shell
from tests.scenarios.test_runs import weights_after

__all__ = ["shell"]

SEEDS = range(12 * int(os.environ.get("SHOESTRING_SOAK", "1")))
KILLS = 6
STEPS = 300
VICTIMS = {
    "supervisor": "shoestring.app.supervise",
    "host": "shoestring.executors.host",
    "runner": "shoestring.runner",
    "trainer": "scenarios/train.py",
}


def kill_one(shell: Shell, name: str) -> bool:
    """SIGKILL a living process of that kind; whether there was one."""
    for process in shell.processes():
        try:
            if VICTIMS[name] in " ".join(process.cmdline()) and "/bin/bash" not in process.cmdline()[0]:
                os.kill(process.pid, signal.SIGKILL)
                return True
        except (psutil.NoSuchProcess, IndexError):
            continue
    return False


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_that_is_killed_again_and_again_ends_well(shell: Shell, seed: int) -> None:
    rng = random.Random(seed)
    job = shell.job(
        env={"STEPS": str(STEPS), "STEP_S": "0.02"},
        resources={"job_recovery": {"max_restarts_on_errors": 99}},
    )
    market = shell.market(boot_s=60, notice_real_s=0.3)
    shell.env["SHOESTRING_LEASE_REAL_S"] = "1.0"
    options = ["--executor", "rehearsal", "--market", str(market), "--allow-unproven-resume"]
    run = shell.json("run", str(job), "--detach", *options)["run_id"]
    killed: list[str] = []
    for _ in range(6 * KILLS):
        time.sleep(rng.uniform(0.1, 0.5))
        name = rng.choice(sorted(VICTIMS))
        if kill_one(shell, name):
            killed.append(name)
        if name == "supervisor":
            shell("resume", run, "--detach", code=None)
        if len(killed) == KILLS:
            break
    assert killed, "nothing met a living process: the run was too short"
    shell.until(lambda row: row["state"] == "succeeded" and row["offer"] is None, run)

    print(f"seed {seed}: killed {killed}")
    assert f"done {weights_after(STEPS)}" in shell("logs", run).stdout
    _check_books(shell, run)
    shell.all_gone()


def _check_books(shell: Shell, run: str) -> None:
    folder = shell.folder / "home" / "runs" / run / "market"
    lives = sorted(_life(path) for path in (folder / "instances").iterdir() if (path / "order.json").exists())
    for (_, end, one), (start, _, other) in pairwise(lives):
        assert end <= start, f"{one} and {other} were alive at once"
    billed = sum(line.amount_usd for line in open_rehearsal(folder).bill())
    cost = shell.json("receipt", run)["cost_usd"]
    assert round(cost["total"] - cost["storage"], 2) == round(float(billed), 2)


def _life(folder: Path) -> tuple[float, float, str]:
    book = read_book(folder)
    if book.launched is None:
        return 0.0, 0.0, folder.name
    assert book.terminated is not None, f"{folder.name} has no end"
    return book.launched, book.terminated, folder.name
