"""What a rehearsal has shown: two runs compared, and the Profile that follows."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shoestring.domain.offer import Offer
from shoestring.domain.run import CheckpointFact, ExitKind, Observation, Profile
from shoestring.domain.units import seconds_between
from shoestring.domain.workload import Workload

DIGEST_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preemption:
    """One preemption and what it cost. ``lost_steps``: done and not kept; None if the job tells no steps.

    ``notice_to_saved_s``: real seconds from the warning to a durable checkpoint; None without either.
    """

    number: int
    warned: bool
    at_step: int | None
    resumed_step: int | None
    lost_steps: int | None
    notice_to_saved_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came out. ``verdict``: bit_identical | within_tolerance | not_resumed."""

    verdict: str
    why: str
    reference_step: int | None
    final_step: int | None
    reference_sha256: str | None
    final_sha256: str | None
    preemptions: tuple[Preemption, ...]
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What is rehearsed, and how.

    Attributes:
        steps: end training after so many; None lets the script run to its own end.
        tolerance: largest relative difference of two final losses that still counts; None: bits must agree.
    """

    workload: Workload
    offer: Offer
    env: Mapping[str, str]
    code_sha256: str
    steps: int | None
    preemptions: int
    tolerance: float | None


def judge(
    script: Script,
    reference: Observation,
    final: Observation,
    lived: tuple[Preemption, ...],
    restores: list[float],
    now: datetime,
) -> Rehearsal:
    """Compare the ends of the run in peace and of the preempted one."""
    one, other = _last(reference), _last(final)
    hashes = (None, None) if one is None or other is None else (_weights(one), _weights(other))
    verdict, why = _verdict(script, reference, final, lived, hashes)
    return Rehearsal(
        verdict=verdict,
        why=why,
        reference_step=last_step(reference),
        final_step=last_step(final),
        reference_sha256=hashes[0],
        final_sha256=hashes[1],
        preemptions=lived,
        profile=_profile(script, verdict, reference, restores, now),
    )


def _verdict(
    script: Script,
    reference: Observation,
    final: Observation,
    lived: tuple[Preemption, ...],
    hashes: tuple[str | None, str | None],
) -> tuple[str, str]:
    if final.exit is None or final.exit.kind is not ExitKind.DONE:
        kind = final.exit.kind if final.exit else "unknown"
        return "not_resumed", f"the preempted run ended as {kind}"
    if any(not p.resumed_step for p in lived):
        return "not_resumed", "after a preemption it began again from the start"
    if last_step(reference) != last_step(final):
        return "not_resumed", f"it ended at step {last_step(final)}, the reference at {last_step(reference)}"
    if hashes[0] is not None and hashes[0] == hashes[1]:
        return "bit_identical", "same final step, and every weight is the same to the bit"
    one, other = reference.heartbeat, final.heartbeat
    if script.tolerance is not None and one and other and one.loss is not None and other.loss is not None:
        difference = abs(one.loss - other.loss) / max(abs(one.loss), 1e-12)
        if difference <= script.tolerance:
            return "within_tolerance", f"same final step; final losses differ by {difference:.2%}"
        return "not_resumed", f"final losses differ by {difference:.2%}, allowed are {script.tolerance:.2%}"
    return "not_resumed", "the weights differ; on GPUs that may be noise: allow for it with --tolerance 0.01"


def never_saved(script: Script, reference: Observation) -> Rehearsal:
    """The verdict on a script that leaves nothing to go on from."""
    now = reference.terminated_at or reference.launched_at
    assert now is not None, "a run that is done was launched"
    return Rehearsal(
        verdict="not_resumed",
        why="the script saves no checkpoint, so a preemption would cost all of its work",
        reference_step=last_step(reference),
        final_step=None,
        reference_sha256=None,
        final_sha256=None,
        preemptions=(),
        profile=_profile(script, "not_resumed", reference, [], now),
    )


def _profile(
    script: Script, verdict: str, reference: Observation, restores: list[float], now: datetime
) -> Profile:
    steps = sum(s.step_to - s.step_from for s in reference.spans)
    seconds = sum(seconds_between(s.start, s.end) for s in reference.spans)
    boot = None
    if reference.launched_at is not None and reference.spans:
        boot = seconds_between(reference.launched_at, reference.spans[0].start)
    return Profile(
        code_sha256=script.code_sha256,
        world_size=script.workload.num_nodes,
        measured_at=now,
        source="rehearsal",
        resume=verdict,
        accelerator=script.offer.accelerator or "cpu",
        steps_per_s=steps / seconds if steps and seconds > 0 else None,
        save_s=max((c.save_s for c in reference.checkpoints), default=None),
        restore_s=max(restores, default=None),
        boot_s=boot,
        checkpoint_bytes=max((c.size_bytes for c in reference.checkpoints), default=None),
        memory_peak_bytes=reference.meter.memory_peak_bytes if reference.meter else None,
    )


def last_step(seen: Observation) -> int | None:
    """The highest step that an attempt has told of, in heartbeats or checkpoints."""
    steps = [c.step for c in seen.checkpoints]
    if seen.heartbeat is not None:
        steps.append(seen.heartbeat.step)
    return max(steps, default=None)


def _last(seen: Observation) -> CheckpointFact | None:
    return max(seen.checkpoints, key=lambda c: (c.step, c.at), default=None)


def _weights(checkpoint: CheckpointFact) -> str | None:
    """Digest of a checkpoint's weights by a process that saw neither run; of foreign ones, of all their files."""
    if checkpoint.trigger == "foreign":
        return _files_sha256(Path(checkpoint.uri.removeprefix("file://")))
    done = subprocess.run(
        [sys.executable, "-m", "shoestring.training.digest", checkpoint.uri],
        capture_output=True,
        text=True,
        timeout=DIGEST_S,
        check=False,
    )
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout else None


def _files_sha256(folder: Path) -> str | None:
    """Digest over names and contents; None for what is not on this machine's disk."""
    if not folder.exists():
        return None
    digest = hashlib.sha256()
    for path in sorted(p for p in (folder.rglob("*") if folder.is_dir() else [folder]) if p.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder)} {content}\n".encode())
    return digest.hexdigest()
