"""The environment of a job: its own variables, what finds the spool, and what SkyPilot jobs expect."""

import json
from collections.abc import Mapping
from pathlib import Path

from shoestring.runner.spool import JobOrder
from shoestring.training import spool as names


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
        names.ENV_RESTORE: json.dumps([dict(r) for r in order.restore]),
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
    defaults = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "PYTHONUNBUFFERED": "1"}
    return {**defaults, **outside, **ours}
