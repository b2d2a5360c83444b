"""From a JobSpec to the order that an instance's host reads; the job's variables are no part of it."""

import json
from dataclasses import asdict
from typing import Any

from shoestring.executors.neighbor import Terms
from shoestring.ports import JobSpec
from shoestring.runner.spool import JobOrder


def order_for(spec: JobSpec, terms: Terms, now: float, scale: float) -> dict[str, Any]:
    """What the host is told; durations become real seconds here."""
    workload, checkpoint = spec.workload, spec.workload.checkpoint

    def real(seconds: float | None) -> float | None:
        return None if seconds is None else seconds / scale

    job = JobOrder(
        run_id=spec.run_id,
        attempt_id=spec.attempt_id,
        attempt_number=spec.attempt_number,
        num_nodes=workload.num_nodes,
        node_ips=("127.0.0.1",) * workload.num_nodes,
        accelerators=int(spec.offer.accelerator_count),
        setup=workload.setup,
        run=workload.run,
        argv=workload.argv,
        workdir=workload.workdir,
        checkpoint_where=checkpoint.where,
        checkpoint_glob=checkpoint.glob,
        complete_marker=checkpoint.complete_marker,
        keep_last=checkpoint.keep_last,
        interval_s=real(spec.checkpoint_interval_s),
        hang_s=real(spec.hang_s),
        stop_grace_s=spec.grace_s / scale,
        restore=tuple(
            {"id": c.id, "uri": c.uri, "manifest_sha256": c.manifest_sha256, "step": c.step}
            for c in spec.restore
        ),
        notice_poll_s=terms.notice_poll_s,
        max_duration_s=terms.max_duration_s,
    )
    return {
        "token": spec.token,
        "epoch": spec.epoch,
        "offer_id": spec.offer.id,
        "region": spec.offer.region,
        "nodes": workload.num_nodes,
        "launched_at": now,
        "boot_s": terms.boot_s,
        "lost_at": terms.lost_at,
        "notice_s": terms.notice_s,
        "job": json.loads(json.dumps(asdict(job))),
    }
