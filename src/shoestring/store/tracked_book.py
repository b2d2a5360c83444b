"""What experiment trackers told about runs, beside the charges, so that answers need no tracker: sealed lines."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from shoestring.domain.units import require_utc
from shoestring.ledger.tracking import TrackedRun
from shoestring.store.charges_manifest import writing
from shoestring.training.spool import append_sealed, read_sealed

NAME = "tracked.jsonl"


def keep(folder: Path, tracker: str, runs: Iterable[TrackedRun], *, now: datetime) -> None:
    """Remember what a tracker knows of runs; what it told before and tells again is not written twice."""
    require_utc(now, "what a tracker told")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with writing(folder):
        before = _newest(folder)
        for run in runs:
            told = {"tracked_id": run.tracked_id, "params": dict(run.params), "metrics": dict(run.metrics)}
            known = before.get((run.run_id, tracker))
            if known is not None and {key: known[key] for key in told} == told:
                continue
            line = {"run": run.run_id, "tracker": tracker, "at": now.isoformat(), **told}
            append_sealed(folder / NAME, line, durable=True)


def tracked_runs(folder: Path) -> dict[str, TrackedRun]:
    """What is known of each run, of all trackers together; what was read last has the last word."""
    found: dict[str, TrackedRun] = {}
    for (run_id, _), told in sorted(_newest(folder).items(), key=lambda item: str(item[1]["at"])):
        before = found.get(run_id)
        found[run_id] = TrackedRun(
            run_id=run_id,
            tracked_id=told["tracked_id"],
            params=({} if before is None else dict(before.params)) | told["params"],
            metrics=({} if before is None else dict(before.metrics)) | told["metrics"],
        )
    return found


def _newest(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The last line of each run and tracker. A line that was torn or altered is passed over."""
    return {(str(data["run"]), str(data["tracker"])): data for _, data in read_sealed(folder / NAME)}
