"""How far the cost forecast from a probe of at most 1 % of the work lies from what the whole training costs.

    python bench/probe.py [--seconds 100] [--only 0,3,5] [--json FILE]

Ten real trainings on this machine: three kinds of model, batches from 8 to 256, one and two ranks, checkpoints
from 0.1 to 130 MB. For each: a short run only finds how many steps fill ``--seconds``; then the job is probed
for a hundredth of these steps; then the whole job runs, saving every ten seconds. The machine has one price
per hour, so the error in cost is the error in billed time, start and saves included. Nothing is said here
about other hardware than the probed one. Needs torch.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _machine import describe
from shoestring.domain.run import Observation, Outcome, Profile
from shoestring.domain.units import seconds_between
from shoestring.domain.workload import Backend, CheckpointSpec, Workload
from shoestring.executors.local import create_local, load_machine, open_local
from shoestring.executors.processes import ProcessExecutor
from shoestring.ports import JobSpec
from shoestring.workflows.probe import Subject, forecast_s, probe

SHARE, SAVE_EVERY_S, LONG = 0.01, 10.0, 10**9
SCRIPT = Path(__file__).with_name("_training.py")


@dataclass(frozen=True, slots=True)
class Job:
    """One training."""

    model: str
    width: int
    batch: int
    ranks: int = 1

    @property
    def name(self) -> str:
        return f"{self.model}-{self.width} batch {self.batch} ranks {self.ranks}"


JOBS = (
    Job("mlp", 128, 64), Job("mlp", 512, 256), Job("mlp", 2048, 16), Job("mlp", 512, 64, 2),
    Job("conv", 16, 32), Job("conv", 48, 8), Job("conv", 16, 16, 2),
    Job("attention", 64, 32), Job("attention", 256, 8), Job("attention", 128, 16, 2),
)  # fmt: skip


def engine_in(folder: Path) -> ProcessExecutor:
    """This machine as an executor, with a folder of its own."""
    create_local(folder)
    return open_local(folder, load_machine(None))


def subject(job: Job, total: int, folder: Path, engine: ProcessExecutor, **how: Any) -> Subject:
    """What is probed: the job with ``total`` steps to do."""
    values = {"MODEL": job.model, "WIDTH": job.width, "BATCH": job.batch, "RANKS": job.ranks, "STEPS": total}
    env = {name: str(value) for name, value in values.items()}
    if "PYTHONPATH" in os.environ:
        env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    workload = Workload(
        name="bench",
        argv=(sys.executable, str(SCRIPT)),
        backend=Backend.CPU,
        checkpoint=CheckpointSpec(where=str(folder / "checkpoints"), interval_s=SAVE_EVERY_S),
    )
    return Subject(
        workload=workload,
        offer=engine.offers()[0],
        env=env,
        code_sha256="0" * 64,
        checkpoints=str(folder / "checkpoints"),
        **how,
    )


def probed(job: Job, total: int, **how: Any) -> Profile:
    """A probe in folders of its own."""
    with tempfile.TemporaryDirectory() as name:
        engine = engine_in(Path(name) / "engine")
        return probe(engine, subject(job, total, Path(name), engine, **how), say=lambda text: None)


def whole_s(job: Job, total: int) -> float:
    """Billed seconds of the whole job, from launch to the end of the instance."""
    with tempfile.TemporaryDirectory() as name:
        engine = engine_in(Path(name) / "engine")
        s = subject(job, total, Path(name), engine)
        spec = JobSpec(
            run_id="whole",
            attempt_id="whole-1",
            attempt_number=1,
            token="whole-1",
            epoch=1,
            workload=s.workload,
            offer=s.offer,
            env=s.env,
            checkpoint_interval_s=SAVE_EVERY_S,
        )
        engine.submit(spec)
        seen = _ended(engine)
        if seen.exit is None or seen.exit.code != 0 or seen.launched_at is None:
            raise SystemExit(f"{job.name}: the whole job ended with {seen.exit}")
        return seconds_between(seen.launched_at, seen.terminated_at or seen.exit.at)


def _ended(engine: ProcessExecutor) -> Observation:
    while True:
        seen = engine.poll(["whole-1"])["whole-1"]
        if seen.outcome is Outcome.ENDED:
            return seen
        time.sleep(0.2)


def measure(job: Job, seconds: float) -> dict[str, Any]:
    """One row: forecast after a probe of a hundredth, truth, error."""
    rough = probed(job, LONG, steps=LONG, seconds=3.0)
    if rough.steps_per_s is None:
        raise SystemExit(f"{job.name}: no speed seen")
    total = max(300, math.ceil(rough.steps_per_s * seconds))
    profile = probed(job, total, steps=max(3, math.floor(SHARE * total)), seconds=math.inf)
    row: dict[str, Any] = {
        "job": job.name,
        "steps": total,
        "checkpoint_mb": (profile.checkpoint_bytes or 0) / 1e6,
    }
    forecast = None if profile.steps_per_s is None else forecast_s(profile, total, interval_s=SAVE_EVERY_S)
    truth = whole_s(job, total)
    error = None if forecast is None else forecast / truth - 1
    return row | {"forecast_s": forecast, "whole_s": truth, "error": error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100.0, help="length of each training")
    parser.add_argument("--only", help="numbers of jobs, from 0, with commas")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [int(n) for n in options.only.split(",")] if options.only else range(len(JOBS))
    rows = []
    for number in chosen:
        rows.append(measure(JOBS[number], options.seconds))
        r = rows[-1]
        shown = "no speed seen" if r["error"] is None else f"{r['forecast_s']:8.1f} s {r['error']:+7.1%}"
        print(f"{r['job']:34} {r['checkpoint_mb']:7.1f} MB {r['whole_s']:8.1f} s {shown}", flush=True)
    errors = np.array([math.inf if r["error"] is None else abs(r["error"]) for r in rows])
    median, high = float(np.median(errors)), float(np.quantile(errors, 0.9, method="higher"))
    print(f"{len(rows)} jobs: median error {median:.1%} (goal <= 10 %), P90 {high:.1%} (goal <= 20 %)")
    if options.json:
        result = {
            "machine": describe("torch"),
            "seconds": options.seconds,
            "load": os.getloadavg(),
            "jobs": rows,
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
