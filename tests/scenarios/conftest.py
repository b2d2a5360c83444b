"""Scenarios through the real command line, real processes and a fast market; each in a home of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

SCRIPT = Path(__file__).with_name("train.py")
LONGEST_S = 120.0

MARKET = {
    "seed": 3,
    "scale": 3600,  # an hour a second
    "hours": 240,
    "boot_s": 60,
    "start_real_s": 0.5,
    "no_notice_share": 0.0,
    "notice_real_s": 0.6,
    "zones": {
        "eu-west-1a": {
            "region": "eu-west-1", "spot": 0.40, "on_demand": 1.20,
            "starts_up": True, "long_up_share": 1.0, "long_up_h": 1e5,
        },
    },
}  # fmt: skip


class Shell:
    """The command line in a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "SHOESTRING_HOME": str(folder / "home"), "SHOESTRING_TICK_REAL_S": "0.1"}
        self.env.pop("SHOESTRING_SPOOL", None)

    def __call__(self, *words: str, code: int | None = 0, **more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from shoestring.app.cli import main; main()", *words]
        done = subprocess.run(
            command, env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=LONGEST_S, **more
        )
        assert code is None or done.returncode == code, (
            f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def json(self, *words: str, code: int | None = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)

    def status(self, run: str | None = None) -> dict[str, Any]:
        rows = self.json("status", *([run] if run else []))["runs"]
        return dict(rows[0])

    def until(self, seen: Callable[[dict[str, Any]], bool], run: str | None = None) -> dict[str, Any]:
        """The newest status once ``seen`` holds of it."""
        end = time.monotonic() + LONGEST_S
        while True:
            row = self.status(run)
            if seen(row):
                return row
            assert time.monotonic() < end, f"not within {LONGEST_S} s; now {row}"
            time.sleep(0.5)  # each look is a process of its own, which takes about as long to start

    def market(self, **changes: Any) -> Path:
        path = self.folder / "market.yaml"
        path.write_text(yaml.safe_dump(MARKET | changes))
        return path

    def job(
        self, *, env: dict[str, str] | None = None, block: dict[str, Any] | None = None, **more: Any
    ) -> Path:
        """A job file around the plain training script."""
        path = self.folder / "job.yaml"
        body = {
            "name": "job",
            "run": f"exec {sys.executable} {SCRIPT}",
            "envs": env or {},
            **more,
            "shoestring": {
                "backend": "cpu",
                "checkpoint": {
                    "where": str(self.folder / "ckpt"),
                    "glob": "step-*",
                    "complete_marker": "DONE",
                },
                "work": {"steps": int((env or {}).get("STEPS", "60"))},
                **(block or {}),
            },
        }
        path.write_text(yaml.safe_dump(body))
        return path

    def processes(self) -> list[psutil.Process]:
        """Everything alive that carries this home in its arguments or environment; ``info`` has its words."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            try:
                marks = [*(process.info["cmdline"] or ()), process.environ().get("SHOESTRING_SPOOL", "")]
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if any(str(self.folder) in mark for mark in marks):
                found.append(process)
        return found

    def all_gone(self) -> None:
        """Nothing of this home lives on; what has just done its work may take a moment to end."""
        end = time.monotonic() + LONGEST_S
        while left := self.processes():
            assert time.monotonic() < end, [" ".join(process.info["cmdline"]) for process in left]
            time.sleep(0.05)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    for process in shell.processes():
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
