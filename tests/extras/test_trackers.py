"""A rehearsed run, a real MLflow server on this machine, and W&B without its own: costs there, metrics back."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.extras, pytest.mark.timeout(600)]
mlflow = pytest.importorskip("mlflow", reason="make test-extras")
pytest.importorskip("duckdb", reason="make test-extras")

from tests.scenarios.conftest import Shell, shell  # noqa: E402, F401

UP_WITHIN_S = 240
# Linux tells the server to end when this process does, however that comes about (prctl, PR_SET_PDEATHSIG).
ENDS_WITH_US = """import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])"""
SCRIPT = """
import mlflow
with mlflow.start_run():
    mlflow.log_params({"lr": 0.1, "layers": 3})
    with mlflow.start_run(nested=True):
        mlflow.log_metric("accuracy", 0.1)
    mlflow.log_metric("accuracy", 0.8)
    mlflow.log_metric("accuracy", 0.9)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server with a database of its own; ended by us, with its workers."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-c", ENDS_WITH_US,
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True) as process,
    ):
        try:
            end = time.monotonic() + UP_WITHIN_S
            while not healthy(f"http://127.0.0.1:{port}/health"):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, f"not up within {UP_WITHIN_S} s"
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def rehearsed(shell: Shell, script: str, *words: str) -> str:  # noqa: F811
    """Run a script on the rehearsal market; its run id."""
    path = shell.folder / "track.py"
    path.write_text(script)
    market = ("--executor", "rehearsal", "--market", str(shell.market()))
    shell("run", "-y", *market, *words, "--", sys.executable, str(path))
    return str(shell.status()["run_id"])


def test_mlflows_own_run_gets_the_cost_and_the_leaderboard_its_metric(shell: Shell, server: str) -> None:  # noqa: F811
    run = rehearsed(shell, SCRIPT, "--env", f"MLFLOW_TRACKING_URI={server}")
    receipt = shell.json("receipt", run)
    shell.env["MLFLOW_TRACKING_URI"] = server

    assert shell.json("bridge", "mlflow", "--dry-run")["runs"][0]["told"]["cost_usd"] > 0
    (first,) = shell.json("bridge", "mlflow")["runs"]
    client = mlflow.MlflowClient(tracking_uri=server)
    there = client.get_run(first["tracked"])
    assert there.data.metrics["shoestring/cost_usd"] == pytest.approx(receipt["cost_usd"]["total"])
    assert there.data.metrics["accuracy"] == 0.9
    assert there.data.tags["shoestring.run_id"] == run
    assert there.info.status == "FINISHED"
    assert (first["params"], first["metrics"]) == ({"lr": "0.1", "layers": "3"}, {"accuracy": 0.9})

    (row,) = shell.json("costs", "--leaderboard", "accuracy", "--by", "run", "--since", "all")["rows"]
    assert row["units_per_usd"] == pytest.approx(0.9 / receipt["cost_usd"]["total"])
    (row,) = shell.json("costs", "--unit", "run", "--by", "param.lr", "--since", "all")["rows"]
    assert row["param.lr"] == "0.1"

    # The run goes on after a preemption: MLflow has a second run of it, which carries the cost from then on.
    later = client.create_run("0", start_time=int((time.time() + 60) * 1000), tags={"shoestring.run_id": run})
    (second,) = shell.json("bridge", "mlflow", run)["runs"]
    assert second["tracked"] == later.info.run_id != first["tracked"]
    costs = [client.get_run(r["tracked"]).data.metrics["shoestring/cost_usd"] for r in (first, second)]
    assert costs == [0, pytest.approx(receipt["cost_usd"]["total"])]
    assert second["metrics"] == {"accuracy": 0.9}, "what the first attempt logged is not forgotten"
    assert shell.json("bridge", "mlflow", run)["runs"][0]["told"] == {}, "nothing new, nothing written"


def test_a_run_that_mlflow_lacks_is_made_there_when_asked_for(shell: Shell, server: str) -> None:  # noqa: F811
    run = rehearsed(shell, "print('hello')")
    assert shell.json("bridge", "mlflow", run, "--uri", server)["runs"][0]["tracked"] is None
    made = shell.json("bridge", "mlflow", run, "--uri", server, "--create")["runs"][0]["tracked"]
    assert shell.json("bridge", "mlflow", run, "--uri", server, "--create")["runs"][0]["tracked"] == made

    down = shell("bridge", "mlflow", "--uri", "http://someone:secret@127.0.0.1:9", code=1)
    assert "127.0.0.1:9" in down.stderr and "secret" not in down.stderr


def test_wandb_offline_waits_for_sync(shell: Shell) -> None:  # noqa: F811
    pytest.importorskip("wandb")
    script = "import wandb\nwith wandb.init(project='p', id='abc') as run:\n    run.log({'accuracy': 0.9})\n"
    shell.env |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_DIR": str(shell.folder)}
    offline = ("--env", "WANDB_MODE=offline", "--env", f"WANDB_DIR={shell.folder / 'job'}")
    (shell.folder / "job").mkdir()
    run = rehearsed(shell, script, *offline)
    assert f"shoestring:{run}" in written(shell.folder / "job")

    (line,) = shell.json("bridge", "wandb", run, "--project", "p", "--tracked", "abc")["runs"]
    assert line["tracked"] == "abc" and line["told"]["cost_usd"] > 0
    told = written(shell.folder / "wandb")
    assert "shoestring/cost_usd" in told and f'"{line["told"]["cost_usd"]}"'.strip('"') in told


def written(folder: Path) -> str:
    """What an offline run holds, as far as it is text."""
    (file,) = folder.rglob("run-abc.wandb")
    return file.read_bytes().decode("utf-8", "replace")
