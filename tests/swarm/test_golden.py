"""Replaying a journal gives every decision again: today's lives, and lives kept from before."""

import pytest

from shoestring.app.wiring import policy_named
from tests.swarm import golden
from tests.swarm.fleet import live


@pytest.mark.parametrize("seed", [1, 4, 20, 24])
def test_a_journal_rederives_every_action(seed: int) -> None:
    lived = live(seed)
    facts = [entry.fact for entry in lived.world.journal.read()]

    pairs = list(golden.rederived(facts, lived.world.policy))

    assert len(pairs) > 10
    assert [(was, now) for was, now in pairs if was != now] == []


@pytest.mark.parametrize("seed", golden.SEEDS)
def test_kept_journals_rederive_their_actions_or_the_policy_has_a_new_version(seed: int) -> None:
    name, version, facts = golden.kept(seed)
    policy = policy_named(name)
    if policy.version != version:
        pytest.skip(f"{name} is at version {policy.version}, the journal at {version}: write it anew")

    pairs = list(golden.rederived(facts, policy))

    assert len(pairs) > 10
    assert [(was, now) for was, now in pairs if was != now] == []


def test_kept_journals_are_of_different_policies() -> None:
    assert {golden.kept(seed)[0] for seed in golden.SEEDS} == {"uniform_progress", "deadline"}
