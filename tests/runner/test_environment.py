"""Given an order, then the job finds its spool and what SkyPilot jobs expect, and no secret reaches a file."""

import json
import os
import subprocess
import sys

from shoestring.runner.environment import job_environment
from shoestring.runner.spool import JobOrder
from shoestring.training import spool as names


def test_the_job_is_told_all_it_needs(spooled):
    rows = ({"id": "c2", "uri": "/c/c2", "manifest_sha256": "ab", "step": 20},)
    job = spooled(
        argv=("python3", "-c", "import json, os; print(json.dumps(dict(os.environ)))"),
        attempt_number=3, node_rank=1, num_nodes=2, node_ips=("10.0.0.1", "10.0.0.2"), accelerators=8,
        checkpoint_where="s3://bucket/run", interval_s=90.0, restore=rows,
    )  # fmt: skip
    job.run(env={"MY_VARIABLE": "mine", "SHOESTRING_RUN_ID": "somebody else's"})
    env = json.loads(job.log())

    assert env["MY_VARIABLE"] == "mine" and env[names.ENV_SPOOL] == str(job.folder)
    assert env[names.ENV_RUN_ID] == env["SKYPILOT_TASK_ID"] == "run-1"
    assert (env[names.ENV_ATTEMPT_ID], env[names.ENV_ATTEMPT]) == ("run-1-1", "3")
    assert env["SKYPILOT_NODE_IPS"] == "10.0.0.1\n10.0.0.2"
    assert [env[f"SKYPILOT_{n}"] for n in ("NODE_RANK", "NUM_NODES", "NUM_GPUS_PER_NODE")] == ["1", "2", "8"]
    assert env[names.ENV_CHECKPOINT_DIR] == "s3://bucket/run" and float(env[names.ENV_INTERVAL_S]) == 90.0
    assert json.loads(env[names.ENV_RESTORE]) == [dict(rows[0])]
    assert env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"


def test_the_users_own_choice_of_a_default_stays():
    env = job_environment(JobOrder(run_id="r", attempt_id="a"), "/spool", {"PYTHONUNBUFFERED": "0"})
    assert env["PYTHONUNBUFFERED"] == "0" and json.loads(env[names.ENV_RESTORE]) == []
    assert names.ENV_INTERVAL_S not in env and names.ENV_CHECKPOINT_DIR not in env


def test_a_list_of_checkpoints_longer_than_a_variable_may_be_keeps_the_newest(spooled):
    rows = tuple(
        {"id": f"c{i}", "uri": "s3://b/" + "x" * 300, "manifest_sha256": "", "step": i} for i in range(2000)
    )
    job = spooled(
        argv=("python3", "-c", f"import os; print(os.environ[{names.ENV_RESTORE!r}])"), restore=rows
    )
    job.run()

    told = json.loads(job.log())
    assert 50 < len(told) < 2000 and told[0]["id"] == "c0"


def test_a_secret_of_the_environment_is_in_no_file_of_the_spool(spooled):
    canary = "canary-5f1d7c"
    job = spooled(setup='test -n "$TOKEN"', run=f"test ${{#TOKEN}} = {len(canary)}")
    assert job.run(env={"TOKEN": canary}).exit["kind"] == "done"

    files = [path for path in job.folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if canary.encode() in path.read_bytes()] == []


def test_nobody_else_can_read_the_spool_and_the_jobs_own_files_are_its_own_affair(spooled):
    before = os.umask(0o027)
    try:
        job = spooled(run="umask; touch written; stat -c %a written; rm written")
        job.run()
    finally:
        os.umask(before)

    assert job.log() == b"0027\n640\n"
    assert job.folder.stat().st_mode & 0o077 == 0
    assert [p for p in job.folder.rglob("*") if p.stat().st_mode & 0o007] == []


def test_the_runner_loads_none_of_the_heavy_libraries():
    heavy = [
        "torch",
        "numpy",
        "pydantic",
        "typer",
        "rich",
        "sqlalchemy",
        "yaml",
        "fsspec",
        "http.client",
        "asyncio",
    ]
    code = f"import sys, shoestring.runner.__main__; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_experiment_trackers_tag_their_runs_with_ours():
    order = JobOrder(run_id="r", attempt_id="a")
    env = job_environment(
        order, "/spool", {"WANDB_TAGS": "mine", "MLFLOW_RUN_CONTEXT": '{"mlflow.user": "ann"}'}
    )
    assert env["WANDB_TAGS"] == "mine,shoestring:r"
    assert json.loads(env["MLFLOW_RUN_CONTEXT"]) == {"mlflow.user": "ann", "shoestring.run_id": "r"}
    assert json.loads(job_environment(order, "/spool", {})["MLFLOW_RUN_CONTEXT"]) == {
        "shoestring.run_id": "r"
    }
    torn = job_environment(order, "/spool", {"MLFLOW_RUN_CONTEXT": "{torn"})
    assert torn["MLFLOW_RUN_CONTEXT"] == "{torn", "the user's own mistake is the user's to see"
