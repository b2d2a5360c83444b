"""How far the cost forecast from a probe of at most 1 % of the work lies from what the whole training costs.

    python bench/probe.py [--seconds 100] [--only 0,3,5] [--json FILE] [--resume]

Ten real trainings on this machine: three kinds of model, batches from 8 to 256, one and two ranks, checkpoints
from 0.1 to 130 MB. For each: a short run only finds how many steps fill ``--seconds``; then the job is probed
for a hundredth of these steps; then the whole job runs, saving every ten seconds. The machine has one price
per hour, so the error in cost is the error in billed time, start and saves included. Nothing is said here
about other hardware than the probed one.

On a machine that others use too, what the job gets of it in its minute is not what the probe got in its second, and
no forecast knows that. So each row also says how far the forecast of processor time lies off, which others don't
stretch, and which share of a core the whole job got. ``--resume`` adds the jobs that FILE does not hold yet.
Needs torch.
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


def whole_s(job: Job, total: int) -> tuple[float, float | None]:
    """Billed seconds of the whole job, from launch to the end of the instance, and processor seconds of rank 0."""
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
        beat = seen.heartbeat
        used = None if beat is None or not beat.cpu_s else beat.cpu_s * total / max(beat.step, 1)
        return seconds_between(seen.launched_at, seen.terminated_at or seen.exit.at), used


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
    truth, used = whole_s(job, total)
    known, cpu_error = profile.detail, None
    if used is not None and "cpu_s_per_step" in known:
        cpu = float(known["start_cpu_s"]) + total * float(known["cpu_s_per_step"])
        cpu_error = cpu / used - 1
    return row | {
        "forecast_s": forecast,
        "whole_s": truth,
        "error": None if forecast is None else forecast / truth - 1,
        "cpu_error": cpu_error,
        "share_of_a_core": None if used is None else used / truth,
        "load": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=100.0, help="length of each training")
    parser.add_argument("--only", help="numbers of jobs, from 0, with commas")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--resume", action="store_true", help="keep the rows that the file holds")
    options = parser.parse_args()
    chosen = [int(n) for n in options.only.split(",")] if options.only else range(len(JOBS))
    rows: list[dict[str, Any]] = []
    if options.resume and options.json and options.json.exists():
        rows = json.loads(options.json.read_text())["jobs"]
    done = {r["job"] for r in rows}
    for number in chosen:
        if JOBS[number].name not in done:
            rows.append(measure(JOBS[number], options.seconds))
            print(_line(rows[-1]), flush=True)
            if options.json:
                result = {"machine": describe("torch"), "seconds": options.seconds, "jobs": rows}
                options.json.write_text(json.dumps(result, indent=2) + "\n")
    for key, name in (("error", "billed time"), ("cpu_error", "processor time")):
        errors = np.array([math.inf if r[key] is None else abs(r[key]) for r in rows])
        median, high = float(np.median(errors)), float(np.quantile(errors, 0.9, method="higher"))
        print(
            f"{len(rows)} jobs, {name}: median error {median:.1%} (goal <= 10 %), P90 {high:.1%} (goal <= 20 %)"
        )


def _line(r: dict[str, Any]) -> str:
    shown = "no speed seen" if r["error"] is None else f"{r['forecast_s']:8.1f} s {r['error']:+7.1%}"
    if r["cpu_error"] is not None:
        shown += f", processor {r['cpu_error']:+7.1%}, {r['share_of_a_core']:4.0%} of a core"
    return f"{r['job']:34} {r['checkpoint_mb']:7.1f} MB {r['whole_s']:8.1f} s {shown}, load {r['load']:.1f}"


if __name__ == "__main__":
    main()
