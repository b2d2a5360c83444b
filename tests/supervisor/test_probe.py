"""A market whose looks cost something is looked at less often, the dearer they are and the calmer it is."""

from dataclasses import replace

import pytest

from shoestring.domain.run import RunState
from shoestring.policies.probing import interval_s
from shoestring.ports import Capabilities
from shoestring.sim.executor import SimExecutor
from shoestring.supervisor import Options
from shoestring.testing import World, a_workload

CALM, WILD = [(0.0, 1000.0)], [(k / 4, k / 4 + 0.12) for k in range(400)]


class Paid(SimExecutor):
    """An engine that charges for looks at its market, and counts them."""

    probe_usd, looks = 0.0, 0

    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), probe_usd=self.probe_usd)

    def offers(self):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super().offers()


def looks(probe_usd: float, ups: list[tuple[float, float]] = CALM) -> int:
    """How often the market is looked at in the life of a job of ten hours, which ends well."""
    world = World({"us-east-1a": ups}, options=Options(tick_s=60.0))
    engine = Paid(world.clock, world.engine.offers(), world.engine.zones, world.job)
    engine.probe_usd = probe_usd
    world.executor = world.engine = engine
    run = world.run(a_workload(deadline_s=20 * 3600.0)).book.runs["run"]
    assert run.state is RunState.SUCCEEDED
    assert run.deadline is not None and run.attempts[-1].observation.terminated_at <= run.deadline  # type: ignore[operator]
    return engine.looks


def test_free_looks_are_taken_at_every_turn() -> None:
    assert looks(0.0) > 600


def test_dear_looks_are_taken_seldom_and_the_deadline_is_kept() -> None:
    counts = [looks(usd) for usd in (0.0, 0.001, 0.01, 0.1)]

    assert counts == sorted(counts, reverse=True) and len(set(counts)) == 4
    assert counts[-1] >= 9  # once an hour at the least


def test_a_market_that_changes_often_is_worth_more_looks() -> None:
    assert looks(0.01, WILD) / 20 > looks(0.01, CALM) / 10.2


@pytest.mark.parametrize("every_s", [60.0, 300.0, 1000.0, 3000.0])
def test_no_other_pace_is_cheaper(every_s: float) -> None:
    probe_usd, saving, changes, watched_h = 0.05, 2.0, 9, 18.0
    best_s = interval_s(probe_usd, saving, changes, watched_h, shortest_s=1.0)

    def usd_per_hour(seconds: float) -> float:
        hours = seconds / 3600
        return probe_usd / hours + (changes + 1) / (watched_h + 2) * saving * hours / 2

    assert usd_per_hour(best_s) <= usd_per_hour(every_s)


@pytest.mark.parametrize(("probe_usd", "saving"), [(-0.1, 1.0), (0.1, -1.0)])
def test_negative_prices_are_refused(probe_usd: float, saving: float) -> None:
    with pytest.raises(ValueError, match="neither may be negative"):
        interval_s(probe_usd, saving, 1, 1.0, shortest_s=60.0)
