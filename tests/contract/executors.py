"""What the executor contract is tried on: each executor in a folder of its own, with a way to take back."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from shoestring.domain.offer import Offer
from shoestring.domain.run import Observation, Outcome
from shoestring.domain.workload import Backend, CheckpointSpec, Workload
from shoestring.executors.local import MachineFile, create_local, open_local
from shoestring.executors.marketfile import MarketFile, ZoneFile
from shoestring.executors.processes import ProcessExecutor
from shoestring.executors.rehearsal import create_rehearsal, open_rehearsal
from shoestring.ports import JobSpec

LONGEST_S = 60.0

MARKET = MarketFile(
    scale=60.0,
    hours=48.0,
    boot_s=6.0,
    slow_boot_share=0.0,
    no_notice_share=0.0,
    notice_real_s=1.0,
    zones={
        "eu-west-1a": ZoneFile(
            region="eu-west-1", spot=0.36, on_demand=1.2, starts_up=True, long_up_share=1.0, long_up_h=1e6
        )
    },
)
MACHINE = MachineFile(capex_usd=20_000, power_w=500, electricity_usd_per_kwh=0.2)


class Stage:
    """One executor under test, with the small verbs that the tests speak in."""

    def __init__(self, executor: ProcessExecutor, folder: Path) -> None:
        self.executor, self.folder = executor, folder
        self.epoch = 1

    def offer(self, index: int = 0) -> Offer:
        return self.executor.offers()[index]

    def spec(self, command: str, token: str = "run-1", **more: Any) -> JobSpec:
        nodes = more.pop("nodes", 1)
        checkpoint = CheckpointSpec(where=str(self.folder / "ckpt"))
        workload = Workload(
            name="job", run=command, backend=Backend.CPU, num_nodes=nodes, checkpoint=checkpoint
        )
        spec = JobSpec(
            run_id=token.rsplit("-", 1)[0], attempt_id=token, attempt_number=1, token=token, epoch=self.epoch,
            workload=workload, offer=self.offer(),
        )  # fmt: skip
        return replace(spec, **more)

    def look(self, token: str = "run-1") -> Observation:
        return self.executor.poll([token])[token]

    def until(self, seen: Callable[[Observation], Any], token: str = "run-1") -> Observation:
        end = time.monotonic() + LONGEST_S
        while True:
            found = self.look(token)
            if seen(found):
                return found
            assert time.monotonic() < end, f"not within {LONGEST_S} s: {found}"
            time.sleep(0.02)

    def end(self, token: str = "run-1") -> Observation:
        return self.until(lambda seen: seen.outcome is Outcome.ENDED, token)


def rehearsal(folder: Path, **changes: Any) -> Stage:
    create_rehearsal(folder / "market", MARKET.model_copy(update=changes))
    return Stage(open_rehearsal(folder / "market"), folder)


def local(folder: Path, **changes: Any) -> Stage:
    create_local(folder / "machine")
    return Stage(open_local(folder / "machine", MACHINE.model_copy(update=changes)), folder)


STAGES: dict[str, Callable[..., Stage]] = {"rehearsal": rehearsal, "local": local}
PYTHON = sys.executable
