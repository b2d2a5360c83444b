"""Which offers a run may use, and for how long it leaves one alone after a refusal or a failure."""

from dataclasses import replace

import pytest

from shoestring.domain.offer import Market
from shoestring.domain.run import ExitKind, Restore
from shoestring.supervisor import Options
from shoestring.supervisor.eligible import Eligibility
from shoestring.testing import an_offer
from tests.ledger.making import at
from tests.supervisor.making import OFFER, asked, completed, ended, launch, run_of

ON_DEMAND = an_offer(market=Market.ON_DEMAND, usd="3.00")
OFFERS = {o.id: o for o in (OFFER, ON_DEMAND)}
BACK_OFF = Options(
    backoff_s=30.0, backoff_max_s=200.0
)  # a deadline's guarantee counts with 60 s for a refusal


def refused(times: int, on=OFFER, **workload):  # type: ignore[no-untyped-def]
    """A run that was refused this offer so often, at second 0 each time."""
    facts = []
    for n in range(1, times + 1):
        facts += [launch(n, on=on), completed("no_capacity", f"r-{n}"), ended(ExitKind.NO_START, n)]
    return run_of(*facts, allow_unproven_resume=True, **workload)


def may_use(run, second: float) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    return Eligibility(BACK_OFF).offers_for(run, OFFERS, at(second))


@pytest.mark.parametrize(("times", "pause_s"), [(1, 30), (2, 60), (3, 120), (4, 200), (9, 200)])
def test_a_refused_offer_rests_twice_as_long_each_time(times: int, pause_s: float) -> None:
    run = refused(times)
    assert may_use(run, pause_s - 1) == (ON_DEMAND.id,)
    assert may_use(run, pause_s) == tuple(sorted(OFFERS))


def test_with_a_deadline_guaranteed_capacity_is_asked_for_as_often_as_the_guarantee_counts_with() -> None:
    hurried = refused(4, on=ON_DEMAND, deadline_s=9000)
    assert ON_DEMAND.id not in may_use(hurried, 59) and ON_DEMAND.id in may_use(hurried, 60)
    calm = refused(4, on=ON_DEMAND)
    assert ON_DEMAND.id not in may_use(calm, 199) and ON_DEMAND.id in may_use(calm, 200)
    spot = refused(4, deadline_s=9000)
    assert OFFER.id not in may_use(spot, 199) and OFFER.id in may_use(spot, 200)


def test_offers_of_other_engines_are_not_for_this_run() -> None:
    other = replace(OFFER, id="aws/x", executor="aws")
    run = run_of(allow_unproven_resume=True)
    assert Eligibility(BACK_OFF).offers_for(run, OFFERS | {other.id: other}, at(0)) == tuple(sorted(OFFERS))


def test_spot_is_for_runs_that_have_shown_that_they_resume() -> None:
    eligibility = Eligibility(BACK_OFF)
    unproven = run_of()
    assert eligibility.offers_for(unproven, OFFERS, at(0)) == (ON_DEMAND.id,)
    assert "resume" in eligibility.recheck(unproven, OFFER.id, OFFERS)
    assert eligibility.recheck(unproven, ON_DEMAND.id, OFFERS) == ""
    back = Restore(at=at(1), checkpoint_id="c", step=5, size_bytes=1, restore_s=1.0)
    shown = run_of(launch(1, on=ON_DEMAND), ended(ExitKind.LOST, restores=(back,)))
    assert eligibility.offers_for(shown, OFFERS, at(0)) == tuple(sorted(OFFERS))


def test_what_the_market_no_longer_has_is_refused() -> None:
    assert Eligibility(BACK_OFF).recheck(run_of(), "x", OFFERS) == "x: there is no such offer"


def test_a_changed_market_is_looked_at_anew() -> None:
    eligibility, run = Eligibility(BACK_OFF), run_of(allow_unproven_resume=True)
    assert eligibility.offers_for(run, {OFFER.id: OFFER}, at(0)) == (OFFER.id,)
    assert eligibility.offers_for(run, OFFERS, at(0)) == (OFFER.id,), "remembered until told otherwise"
    eligibility.market_changed()
    assert eligibility.offers_for(run, OFFERS, at(0)) == tuple(sorted(OFFERS))
    eligibility.market_changed()
    assert eligibility.offers_for(run, {OFFER.id: OFFER}, at(0)) == (OFFER.id,)


@pytest.mark.parametrize(("failures", "pause_s"), [(1, 30), (2, 60), (3, 120), (4, 200)])
def test_a_run_rests_after_failures_of_its_own(failures: int, pause_s: float) -> None:
    facts = [f for n in range(1, failures + 1) for f in (launch(n), ended(ExitKind.FAILED, n, code=1))]
    eligibility, run = Eligibility(BACK_OFF), run_of(*facts)
    assert eligibility.paused(run, at(100 + pause_s - 1)) and not eligibility.paused(run, at(100 + pause_s))
    assert eligibility.paused(run_of(launch(), ended(ExitKind.PREEMPTED)), at(100)) is False


def test_a_run_that_was_resumed_rests_no_longer() -> None:
    failed = [launch(1), ended(ExitKind.FAILED, code=1)]
    assert Eligibility(BACK_OFF).paused(run_of(*failed), at(105))
    assert not Eligibility(BACK_OFF).paused(run_of(*failed, asked("resume", 104)), at(105))


def test_pauses_double_twenty_times_at_most() -> None:
    endless = Eligibility(Options(backoff_s=1.0, backoff_max_s=1e9))
    run = refused(23)
    assert endless.offers_for(run, OFFERS, at(2**20 - 1)) == (ON_DEMAND.id,)
    assert endless.offers_for(run, OFFERS, at(2**20)) == tuple(sorted(OFFERS))
