"""Verdicts on data and model levers: who recorded or withdrew which, when and why; one sealed line each."""

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.lever import LeverKind, LeverVerdict, QualityEvidence
from shoestring.domain.units import require_utc
from shoestring.store.charges_manifest import writing
from shoestring.training.spool import append_sealed, read_sealed

NAME = "levers.jsonl"
DOLLARS = ("usd_per_hour", "spent_usd", "usd", "low_usd", "high_usd")
MOMENTS = ("at", "run_ended")


def record(folder: Path, verdict: LeverVerdict) -> bool:
    """Write a verdict down, durably; False (and nothing written) if the run has one in force already."""
    require_utc(verdict.at, "a verdict")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with writing(folder):
        if verdict.run_id in _in_force(folder):
            return False
        append_sealed(folder / NAME, {"what": "record", "verdict": _to_json(verdict)}, durable=True)
    return True


def withdraw(folder: Path, run_id: str, *, at: datetime, user: str, why: str) -> LeverVerdict | None:
    """Take a run's verdict out of force, durably; the verdict, or None if there was none."""
    require_utc(at, "a withdrawal")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with writing(folder):
        found = _in_force(folder).get(run_id)
        if found is not None:
            line = {"what": "withdraw", "run": run_id, "at": at.isoformat(), "user": user, "why": why}
            append_sealed(folder / NAME, line, durable=True)
    return found


def verdicts(folder: Path) -> tuple[LeverVerdict, ...]:
    """The verdicts in force, by run id. A line that was torn or altered is passed over."""
    found = _in_force(folder)
    return tuple(found[run_id] for run_id in sorted(found))


def _in_force(folder: Path) -> dict[str, LeverVerdict]:
    found: dict[str, LeverVerdict] = {}
    for _, line in read_sealed(folder / NAME):
        if line["what"] == "record":
            verdict = _from_json(line["verdict"])
            found[verdict.run_id] = verdict
        else:
            found.pop(line["run"], None)
    return found


def _to_json(verdict: LeverVerdict) -> dict[str, Any]:
    data = asdict(verdict)
    for name in DOLLARS:
        data[name] = None if data[name] is None else str(data[name])
    for name in MOMENTS:
        data[name] = data[name].isoformat()
    return data


def _from_json(data: dict[str, Any]) -> LeverVerdict:
    dollars = {name: None if data[name] is None else Decimal(data[name]) for name in DOLLARS}
    moments = {name: datetime.fromisoformat(data[name]) for name in MOMENTS}
    parsed = {"kind": LeverKind(data["kind"]), "quality": QualityEvidence(**data["quality"])}
    return LeverVerdict(**(data | dollars | moments | parsed))
