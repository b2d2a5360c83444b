"""Fleets in bad weather: whatever goes wrong together, all ends well once it is over, and the books are true."""

import os
from collections import Counter

import pytest

from shoestring.domain.lateness import LateCause
from shoestring.policies.base import Policy
from shoestring.policies.deadline import Deadline
from shoestring.policies.uniform_progress import UniformProgress
from tests.swarm.fleet import broken, journal_bytes, live
from tests.swarm.weather import KINDS

SOAK = int(os.environ.get("SHOESTRING_SOAK", "1"))
SEEDS = range(170 * SOAK)
MILD = range(10_000, 10_000 + 12 * SOAK)
RARE = (
    "a new leader adopts", "a fenced leader stepped down", "resumed from a checkpoint", "moved a running job",
    "run suspended", "run cancelled", "launched on guaranteed capacity", "suspended for its budget",
    "showed after it was given up", "guard: no later than now",
)  # fmt: skip


@pytest.mark.timeout(900)  # a minute on a machine with nothing else to do
def test_no_invariant_breaks_and_everything_is_met_often(capsys: pytest.CaptureFixture[str]) -> None:
    lives = [live(seed) for seed in SEEDS]
    faults = sum((lived.weather.seen for lived in lives), Counter())
    met = sum((lived.met for lived in lives), Counter())
    days = sum(lived.run_days for lived in lives)
    with capsys.disabled():
        print(f"\n{days:.0f} run-days, seeds {SEEDS.start} to {SEEDS.stop - 1}")
        for name, count in sorted((faults + met).items(), key=lambda item: -item[1]):
            print(f"  {name:36}{count:8}")

    assert {lived.seed: bad for lived in lives if (bad := broken(lived))} == {}
    assert [life.late for life in lives if any(late.cause is LateCause.POLICY for _, late in life.late)] == []
    assert days >= 100
    assert {kind: faults[kind] for kind in KINDS if faults[kind] < 100} == {}
    assert {state: met[state] for state in RARE if met[state] < 100} == {}


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_a_seed_lives_the_same_life_again(seed: int) -> None:
    assert journal_bytes(live(seed)) == journal_bytes(live(seed))


@pytest.mark.parametrize("policy", [UniformProgress(), Deadline()], ids=lambda p: p.name)
def test_within_the_stated_bounds_nobody_is_late(policy: Policy) -> None:
    lives = [live(seed, mild=True, policy=policy) for seed in MILD]

    assert {lived.seed: lived.late for lived in lives if lived.late} == {}
    assert {lived.seed: bad for lived in lives if (bad := broken(lived))} == {}
