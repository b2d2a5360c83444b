"""Journals kept as fixtures, and the replay that derives every action in them again.

python -m tests.swarm.golden     writes them anew, after a policy has declared a new version
"""

import gzip
from collections.abc import Iterable
from pathlib import Path

from shoestring.domain import codec
from shoestring.domain.facts import Fact, Intended, MarketSeen
from shoestring.domain.fleet import Action, FleetView
from shoestring.domain.offer import Offer
from shoestring.policies.base import Policy
from tests.swarm.fleet import live

FOLDER = Path(__file__).with_name("journals")
SEEDS = (7, 68)  # fleets of Uniform Progress and of the deadline policy; a test sees to that


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


def kept(seed: int) -> tuple[str, int, list[Fact]]:
    """Policy name, its version then, and the facts."""
    lines = gzip.decompress((FOLDER / f"seed-{seed}.jsonl.gz").read_bytes()).decode().splitlines()
    name, version = lines[0].split()
    return name, int(version), [codec.loads(Fact, line) for line in lines[1:]]


def write(seed: int) -> None:
    """Live the seed's life and keep its journal; the same life gives the same bytes."""
    lived = live(seed)
    policy = lived.world.policy
    facts = [codec.dumps(entry.fact) for entry in lived.world.journal.read()]
    text = "\n".join([f"{policy.name} {policy.version}", *facts])
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"seed-{seed}.jsonl.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    for number in SEEDS:
        write(number)
