"""Journals kept as fixtures, and the replay that derives every action in them again.

python -m tests.swarm.golden     keeps one of each policy's present version, beside those of earlier versions
"""

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

from shoestring.app.wiring import policy_named
from shoestring.domain import codec
from shoestring.domain.facts import Fact, Intended, MarketSeen
from shoestring.domain.fleet import Action, FleetView
from shoestring.domain.offer import Offer
from shoestring.policies.base import Policy
from tests.swarm.fleet import live

FOLDER = Path(__file__).with_name("journals")
SEEDS = {"uniform_progress": 7, "deadline": 71}  # a fleet of each policy
# A policy that decides an old journal otherwise has a new version, and the step to it says why, here.
STEPS: Mapping[tuple[str, int], str] = {
    (
        "deadline",
        2,
    ): "counts on other zones only as far as moving there is cheap; first on-demand where spot follows",
}


def rederived(facts: Iterable[Fact], policy: Policy) -> Iterable[tuple[Action, Action | None]]:
    """Each journaled action with what the policy decides again from what it knew then."""
    belief, offers = policy.start(), dict[str, Offer]()
    for fact in facts:
        if isinstance(fact, MarketSeen):
            offers.update((offer.id, offer) for offer in fact.offers)
            belief = policy.update(belief, FleetView(now=fact.at, runs=(), offers=dict(offers)))
        elif isinstance(fact, Intended):
            assert fact.view is not None, "a decision carries what it was based on"
            view = FleetView(now=fact.at, runs=(fact.view,), offers=dict(offers))
            yield fact.action, next(iter(policy.decide(belief, view)), None)


def names() -> list[str]:
    """Kept journals, each ``POLICY-VERSION``."""
    return sorted(path.name.removesuffix(".jsonl.gz") for path in FOLDER.glob("*.jsonl.gz"))


def kept(name: str) -> tuple[str, int, list[Fact]]:
    """Policy name, its version then, and the facts."""
    lines = gzip.decompress((FOLDER / f"{name}.jsonl.gz").read_bytes()).decode().splitlines()
    policy, version = lines[0].split()
    return policy, int(version), [codec.loads(Fact, line) for line in lines[1:]]


def verdict(facts: Iterable[Fact], policy: Policy, version: int, steps: Mapping[tuple[str, int], str]) -> str:
    """What is wrong with a kept journal under today's policy; empty if nothing is.

    It derives every action again under the version it was written with. Under a later one it must not, and
    every step in between is declared: a version that changes nothing would hide the next one that does.
    """
    pairs = list(rederived(facts, policy))
    differ = sum(was != now for was, now in pairs)
    if len(pairs) <= 10:
        return f"only {len(pairs)} actions: no proof of anything"
    if version == policy.version:
        return f"{differ} of {len(pairs)} actions differ: declare a new version" if differ else ""
    missing = [v for v in range(version + 1, policy.version + 1) if not steps.get((policy.name, v))]
    if version > policy.version or missing:
        return (
            f"from version {version} to {policy.version}: no step declared to {missing or 'an earlier one'}"
        )
    return "" if differ else f"version {policy.version} decides as version {version} did: no step was needed"


def write(name: str, seed: int) -> None:
    """Live the seed's life under the policy and keep its journal; the same life gives the same bytes."""
    policy = policy_named(name)
    lived = live(seed, policy=policy)
    facts = [codec.dumps(entry.fact) for entry in lived.world.journal.read()]
    text = "\n".join([f"{policy.name} {policy.version}", *facts])
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{policy.name}-{policy.version}.jsonl.gz"
    if path.exists():  # what is kept is not written anew: it is what today's code is held against
        return
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    for known, number in SEEDS.items():
        write(known, number)
