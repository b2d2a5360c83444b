"""Replaying a journal gives every decision again: today's lives, and lives kept from before."""

from dataclasses import replace

import pytest

from shoestring.app.wiring import policy_named
from shoestring.policies.greedy import Greedy
from shoestring.policies.uniform_progress import UniformProgress
from tests.swarm import golden
from tests.swarm.fleet import live


@pytest.mark.parametrize("seed", [1, 4, 20, 24])
def test_a_journal_rederives_every_action(seed: int) -> None:
    lived = live(seed)
    facts = [entry.fact for entry in lived.world.journal.read()]

    pairs = list(golden.rederived(facts, lived.world.policy))

    assert len(pairs) > 10
    assert [(was, now) for was, now in pairs if was != now] == []


@pytest.mark.parametrize("name", golden.names())
def test_kept_journals_rederive_their_actions_or_declare_a_version_step(name: str) -> None:
    policy, version, facts = golden.kept(name)

    assert golden.verdict(facts, policy_named(policy), version, golden.STEPS) == ""


@pytest.mark.parametrize("policy", golden.SEEDS)
def test_the_present_version_has_a_kept_journal(policy: str) -> None:
    """If not: declare the step in golden.py, then python -m tests.swarm.golden."""
    assert f"{policy}-{policy_named(policy).version}" in golden.names()


def test_a_changed_policy_must_say_so() -> None:
    """The same journal under a policy that decides otherwise, with and without a word about it."""
    _, version, facts = golden.kept("uniform_progress-1")
    changed = replace(Greedy(), name="uniform_progress")
    named = replace(changed, version=2)
    step = {("uniform_progress", 2): "waits until it must"}

    assert "differ: declare a new version" in golden.verdict(facts, changed, version, {})
    assert "no step declared to [2]" in golden.verdict(facts, named, version, {})
    assert golden.verdict(facts, named, version, step) == ""
    assert "no step was needed" in golden.verdict(facts, replace(UniformProgress(), version=2), version, step)
