"""The runner's side of the spool: preparing the folder, reading it back, asking the job for something.

docs/spool.md describes every file. Reading lives in :mod:`shoestring.runner.reading`.
"""

import fcntl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.runner.claims import is_step
from shoestring.runner.reading import SpoolReader, SpoolReading, read
from shoestring.training import spool as names
from shoestring.training.spool import read_json, replace_json, sync_folder

__all__ = ["JobOrder", "SpoolReader", "SpoolReading", "ask", "asked", "load_order", "prepare", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """All that the runner is told, apart from the job's variables, which travel in its environment only.

    The command is ``argv`` (no shell touches it) or else ``run``, a bash script; ``setup`` comes before it.

    Attributes:
        accelerators: of this node.
        workdir: where setup and command run; None: where the runner was started.
        checkpoint_where, checkpoint_glob, complete_marker, keep_last: as in CheckpointSpec.
        interval_s: between saves; hang_s: without a sign of life, once there was one; max_duration_s: for the
            whole attempt; stop_grace_s: from SIGTERM to SIGKILL. Wall seconds, None means none.
        restore: durable checkpoints by the journal, newest first: id, uri, manifest_sha256, step.
        notice_url: base URL of an endpoint that speaks the EC2 instance-metadata spot paths.
        notice_poll_s: how often to ask it. notice_file: its appearance is a notice, too.
        notice_signal: signal to send to the job on a notice, e.g. ``SIGUSR1``; None: only the spool tells it.
        stop_at_step: end the job, saved, at this step (rehearsals).
        log_bytes: of output are kept from the beginning, and a sixteenth of that from the end.
    """

    run_id: str
    attempt_id: str
    attempt_number: int = 1
    node_rank: int = 0
    num_nodes: int = 1
    node_ips: tuple[str, ...] = ("127.0.0.1",)
    accelerators: int = 0
    setup: str | None = None
    run: str | None = None
    argv: tuple[str, ...] = ()
    workdir: str | None = None
    checkpoint_where: str | None = None
    checkpoint_glob: str | None = None
    complete_marker: str | None = None
    keep_last: int = 2
    interval_s: float | None = None
    hang_s: float | None = None
    max_duration_s: float | None = None
    stop_grace_s: float = 30.0
    restore: tuple[Mapping[str, Any], ...] = ()
    notice_url: str | None = None
    notice_poll_s: float = 5.0
    notice_file: str | None = None
    notice_signal: str | None = None
    stop_at_step: int | None = None
    log_bytes: int = 64 << 20
    version: int = names.VERSION


_LISTS = ("node_ips", "argv", "restore")


def prepare(folder: Path, order: JobOrder) -> None:
    """Make the folder of one attempt on one node; whole and durable when this returns.

    Raises:
        BadInput: the folder has been used; an attempt's spool is never used again.
    """
    if (folder / names.SPOOL_FILE).exists() or (folder / names.STATE).exists():
        raise BadInput(f"{folder} already holds the spool of an attempt", next_step="use a new attempt")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (names.METER, names.EVENTS):  # lines of theirs are durable only if their names are
        (folder / name).parent.mkdir(exist_ok=True, mode=0o700)
        (folder / name).touch(mode=0o600)
        sync_folder((folder / name).parent)
    replace_json(folder / names.SPOOL_FILE, asdict(order), durable=True)
    sync_folder(folder.parent)


def load_order(folder: Path) -> JobOrder:
    """The order that a folder was prepared with. Raises BadInput for another version or no order at all."""
    data = read_json(folder / names.SPOOL_FILE)
    if data is None:
        raise BadInput(f"{folder} holds no spool", next_step="prepare it first")
    if data.get("version") != names.VERSION:
        raise BadInput(
            f"{folder}: spool version {data.get('version')!r}; this runner knows {names.VERSION}",
            next_step="install the same version of shoestring on the node as beside the supervisor",
        )
    known = {field.name: data[field.name] for field in fields(JobOrder) if field.name in data}
    try:
        return JobOrder(**known | {name: tuple(known[name]) for name in _LISTS if name in known})
    except TypeError as error:
        raise BadInput(f"{folder}: the order is not whole: {error}") from error


def ask(folder: Path, *, save: bool = False, stop: bool = False) -> None:
    """Ask the job to save and train on, or to save and stop.

    Each ask counts once, however often it is read and however many ask at the same time.
    """
    path = folder / names.ASK
    with path.with_name("ask.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        counts = asked(folder)
        replace_json(path, {"save": counts["save"] + save, "stop": counts["stop"] + stop})


def asked(folder: Path) -> dict[str, int]:
    """How often a save and a stop have been asked for so far."""
    data = read_json(folder / names.ASK) or {}
    return {name: value if is_step(value := data.get(name)) else 0 for name in ("save", "stop")}
