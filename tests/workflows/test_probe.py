"""A probe's arithmetic, and one real probe of a real process."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shoestring.app.wiring import rehearsal_stage
from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.run import CheckpointFact, Observation, Outcome, Profile
from shoestring.domain.workload import Backend, CheckpointSpec, Flops, Steps
from shoestring.testing import a_workload
from shoestring.workflows.probe import Beat, Subject, forecast_s, probe, speed_of, steps_of, with_proof

START = datetime(2026, 11, 1, tzinfo=UTC)
TRAIN = Path(__file__).parents[1] / "scenarios/train.py"


def beats(moments: Iterable[tuple[float, int]]) -> list[Beat]:
    return [Beat(START + timedelta(seconds=s), step) for s, step in moments]


def seen(*saves: tuple[float, float]) -> Observation:
    """An attempt with checkpoints, each as (second it was durable, seconds that training stood still)."""
    return Observation(
        attempt_id="probe-1",
        outcome=Outcome.ENDED,
        checkpoints=tuple(
            CheckpointFact(
                id=str(n), uri="", manifest_sha256="", at=START + timedelta(seconds=at), step=0,
                size_bytes=1, save_s=blocked, blocked_s=blocked,
            )
            for n, (at, blocked) in enumerate(saves)
        ),
    )  # fmt: skip


def a_profile(**more: object) -> Profile:
    fields: dict[str, object] = {
        "code_sha256": "a" * 64, "world_size": 1, "measured_at": START, "source": "probe", "steps_per_s": 2.0,
    }  # fmt: skip
    return Profile(**(fields | more))  # type: ignore[arg-type]


def test_a_slow_beginning_does_not_count() -> None:
    slow_then_two_a_second = [(0.0, 0), (30.0, 20), *((30.0 + t / 2, 20 + t) for t in range(1, 81))]

    speed = speed_of(beats(slow_then_two_a_second), seen())

    assert speed is not None and speed.steps_per_s == pytest.approx(2.0)


def test_time_that_training_stood_still_for_saves_does_not_count() -> None:
    ten_steps_then_a_pause = [(t, t) for t in range(51)] + [(t + 5.0, t) for t in range(51, 101)]

    speed = speed_of(beats(ten_steps_then_a_pause), seen((55.5, 5.0)))

    assert speed is not None and speed.steps_per_s == pytest.approx(1.0)


def test_a_speed_that_drifts_shows_in_the_spread() -> None:
    steady = speed_of(beats((t, t) for t in range(101)), seen())
    halving = speed_of(
        beats([(t, t) for t in range(61)] + [(60.0 + 2 * t, 60 + t) for t in range(1, 41)]), seen()
    )

    assert steady is not None and steady.spread == pytest.approx(0.0)
    assert halving is not None and halving.spread is not None and halving.spread > 0.25


@pytest.mark.parametrize("moments", [[], [(0.0, 1)], [(0.0, 1), (1.0, 2)], [(0.0, 1), (0.0, 2), (0.0, 3)]])
def test_too_little_gives_no_speed_and_not_a_guess(moments: list[tuple[float, int]]) -> None:
    assert speed_of(beats(moments), seen()) is None


def test_a_probe_keeps_the_proof_that_this_code_resumes() -> None:
    rehearsed = a_profile(source="rehearsal", resume="bit_identical", restore_s=3.0, steps_per_s=9.0)

    kept = with_proof(a_profile(), [a_profile(resume="not_resumed"), rehearsed])

    assert (kept.resume, kept.restore_s, kept.steps_per_s) == ("bit_identical", 3.0, 2.0)


@pytest.mark.parametrize("other", [{"code_sha256": "b" * 64}, {"world_size": 2}])
def test_the_proof_of_other_code_or_another_gang_is_worth_nothing(other: dict[str, object]) -> None:
    rehearsed = a_profile(source="rehearsal", resume="bit_identical", **other)

    assert with_proof(a_profile(), [rehearsed]).resume == "unproven"


def test_the_whole_job_is_start_steps_and_saves() -> None:
    profile = a_profile(boot_s=10.0, detail={"blocked_s": "4.0"})

    assert forecast_s(profile, 200) == 10 + 100 + 4
    assert forecast_s(profile, 200, interval_s=30) == 10 + 100 + 4 * 4


def test_no_speed_no_forecast() -> None:
    with pytest.raises(BadInput, match="no steps"):
        forecast_s(a_profile(steps_per_s=None), 200)


def test_steps_are_the_files_or_else_the_scripts_own() -> None:
    told = a_profile(detail={"total_steps": "500"})

    assert steps_of(a_workload(work=Steps(steps=70)), told) == 70
    assert steps_of(a_workload(work=None), told) == 500
    assert steps_of(a_workload(work=Flops(flops=1e18)), a_profile()) is None


def subject(folder: Path, run: str, **more: object) -> tuple[object, Subject]:
    engine = rehearsal_stage(folder / "engine")
    foreign = CheckpointSpec(glob="step-*", complete_marker="DONE")
    workload = a_workload(run=run, backend=Backend.CPU, work=Steps(steps=100_000), checkpoint=foreign)
    fields: dict[str, object] = {
        "workload": workload, "offer": engine.offers()[0], "env": {"STEPS": "100000", "STEP_S": "0.005"},
        "code_sha256": "a" * 64, "checkpoints": str(folder / "ckpt"), "steps": 300,
    }  # fmt: skip
    return engine, Subject(**(fields | more))  # type: ignore[arg-type]


def test_a_real_job_is_measured_saved_and_ended(tmp_path: Path) -> None:
    engine, asked = subject(tmp_path, f"exec {sys.executable} {TRAIN}")

    profile = probe(engine, asked, say=lambda text: None)  # type: ignore[arg-type]

    assert profile.steps_per_s is not None and 10 < profile.steps_per_s <= 200  # a step sleeps 5 ms
    assert profile.checkpoint_bytes and profile.memory_peak_bytes
    assert profile.detail["total_steps"] == "100000" and profile.source == "probe"
    assert engine.alive() == ()  # type: ignore[attr-defined]


def test_a_script_that_fails_says_so_with_its_last_words(tmp_path: Path) -> None:
    engine, asked = subject(tmp_path, "echo no such data set >&2; exit 7")

    with pytest.raises(ShoestringError, match="code 7: no such data set"):
        probe(engine, asked, say=lambda text: None)  # type: ignore[arg-type]


def test_a_script_that_tells_no_steps_leaves_its_speed_unknown(tmp_path: Path) -> None:
    engine, asked = subject(tmp_path, "true")

    assert probe(engine, asked, say=lambda text: None).steps_per_s is None  # type: ignore[arg-type]
