"""The environment of a job: its own variables, what finds the spool, and what SkyPilot jobs expect."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoestring.runner.spool import JobOrder
from shoestring.training import spool as names

ENV_STOP_AT_STEP = "SHOESTRING_STOP_AT_STEP"
RESTORE_BYTES = 64 << 10  # Linux takes 128 KiB for one variable; a longer list could start no job at all


def job_environment(order: JobOrder, folder: Path, outside: Mapping[str, str]) -> dict[str, str]:
    """``outside`` (the job's own variables among it) plus ours; ours win.

    TORCH_DISABLE_SHARE_RDZV_TCP_STORE: without it torchrun does not restart killed gloo workers reliably
    (pytorch issue 135712).
    """
    ours = {
        names.ENV_SPOOL: str(folder),
        names.ENV_RUN_ID: order.run_id,
        names.ENV_ATTEMPT_ID: order.attempt_id,
        names.ENV_ATTEMPT: str(order.attempt_number),
        names.ENV_RESTORE: _newest(order.restore),
        "SKYPILOT_TASK_ID": order.run_id,
        "SKYPILOT_NODE_RANK": str(order.node_rank),
        "SKYPILOT_NODE_IPS": "\n".join(order.node_ips),
        "SKYPILOT_NUM_NODES": str(order.num_nodes),
        "SKYPILOT_NUM_GPUS_PER_NODE": str(order.accelerators),
    }
    if order.checkpoint_where is not None:
        ours[names.ENV_CHECKPOINT_DIR] = order.checkpoint_where
    if order.interval_s is not None:
        ours[names.ENV_INTERVAL_S] = f"{order.interval_s:.3f}"
    if order.stop_at_step is not None:
        ours[ENV_STOP_AT_STEP] = str(order.stop_at_step)
    defaults = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "PYTHONUNBUFFERED": "1"}
    return {**defaults, **outside, **_tracker_tags(order.run_id, outside), **ours}


def _tracker_tags(run_id: str, outside: Mapping[str, str]) -> dict[str, str]:
    """What lets experiment trackers find a run again: a tag that their clients take from the environment.

    MLflow adds the JSON object of MLFLOW_RUN_CONTEXT to the tags of every run that it starts; W&B takes the
    tags of WANDB_TAGS, parted by commas, unless the script gives its own.
    """
    tags = [tag for tag in outside.get("WANDB_TAGS", "").split(",") if tag]
    found = {"WANDB_TAGS": ",".join([*tags, f"shoestring:{run_id}"])}
    try:
        context = json.loads(outside.get("MLFLOW_RUN_CONTEXT") or "{}")
    except ValueError:  # MLflow itself will complain of it
        return found
    if isinstance(context, dict):
        found["MLFLOW_RUN_CONTEXT"] = json.dumps(context | {"shoestring.run_id": run_id})
    return found


def _newest(restore: Sequence[Mapping[str, Any]]) -> str:
    """As JSON, as many of the newest as fit."""
    kept = [dict(row) for row in restore]
    while len(text := json.dumps(kept)) > RESTORE_BYTES:
        kept = kept[: len(kept) // 2]
    return text
