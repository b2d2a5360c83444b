"""What every journal promises (ports.Journal), whichever database is behind it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from shoestring.domain.errors import BadInput, StaleLeader
from shoestring.domain.facts import Asked, Fact, MarketSeen, RunSubmitted
from shoestring.ports import Journal
from shoestring.store import limits
from shoestring.testing import a_workload, an_offer
from tests.contract.journals import KINDS, NOON, Times, a_request, done, facts_of, opener

Opener = Callable[[], Journal]


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture(params=KINDS)
def another(
    request: pytest.FixtureRequest, tmp_path: Path, times: Times, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Opener]:
    """Opens the journal under test once more, as another process would."""
    opened: list[Journal] = []
    reopen = opener(request.param, tmp_path, times, monkeypatch)

    def once_more() -> Journal:
        opened.append(reopen())
        return opened[-1]

    yield once_more
    for journal in opened:
        journal.close()  # type: ignore[attr-defined]


@pytest.fixture
def journal(another: Opener) -> Journal:
    return another()


# -- facts -------------------------------------------------------------------------------------------------


def test_facts_come_back_in_order_and_equal_with_the_epoch_that_wrote_them(
    journal: Journal, another: Opener
) -> None:
    facts: list[Fact] = [
        RunSubmitted(
            run_id="run", at=NOON, workload=a_workload(name="naïve \u2603 'job'; --"), executor="sim",
            policy="p", code_sha256="0" * 64,
        ),
        MarketSeen(at=NOON, offers=(an_offer(usd="0.10"), an_offer("eu-west-1a"))),
        Asked(run_id="run", at=NOON, what="resume", budget_usd=Decimal("12.30"), detail={"k": "v"}),
    ]  # fmt: skip
    lease = journal.acquire("me", 10)
    assert lease is not None

    journal.append(lease, facts)
    journal.append(lease, [done(1)])

    entries = list(another().read())
    assert [entry.fact for entry in entries] == [*facts, done(1)]
    assert [(entry.seq, entry.epoch) for entry in entries] == [(n, lease.epoch) for n in (1, 2, 3, 4)]


def test_reading_goes_on_where_it_stopped(journal: Journal) -> None:
    lease = journal.acquire("me", 10)
    assert lease is not None
    journal.append(lease, [done(n) for n in range(5)])

    assert facts_of(journal, after=3) == [done(3), done(4)]
    assert facts_of(journal, after=5) == facts_of(journal, after=99) == []


def test_many_facts_of_one_append_are_read_whole_whatever_the_batch(journal: Journal) -> None:
    lease = journal.acquire("me", 10)
    assert lease is not None
    facts = [done(n) for n in range(2500)]
    journal.append(lease, facts)

    assert facts_of(journal) == facts


def test_a_reader_sees_what_was_there_when_it_began(journal: Journal) -> None:
    lease = journal.acquire("me", 10)
    assert lease is not None
    journal.append(lease, [done(1), done(2)])

    reading = journal.read()
    first = next(reading)
    journal.append(lease, [done(3)])

    assert [first.fact, *(entry.fact for entry in reading)] == [done(1), done(2)]
    assert facts_of(journal) == [done(1), done(2), done(3)]


def test_an_append_of_nothing_writes_nothing_but_is_fenced_all_the_same(journal: Journal) -> None:
    lease = journal.acquire("me", 10)
    assert lease is not None
    journal.append(lease, [])
    assert facts_of(journal) == []
    journal.acquire("me", 10)

    with pytest.raises(StaleLeader):
        journal.append(lease, [])


# -- lease -------------------------------------------------------------------------------------------------


def test_there_is_one_leader_until_its_lease_passes(journal: Journal, times: Times) -> None:
    first = journal.acquire("a", 10)
    assert first is not None and journal.acquire("b", 10) is None

    times.passed_s = 9.9
    assert journal.acquire("b", 10) is None
    times.passed_s = 10.0
    second = journal.acquire("b", 10)

    assert second is not None and second.epoch > first.epoch
    assert (second.holder, second.expires_at) == ("b", times.now().replace(second=20))


def test_renewing_keeps_the_lead_and_the_epoch(journal: Journal, times: Times) -> None:
    lease = journal.acquire("a", 10)
    assert lease is not None
    for _ in range(5):
        times.passed_s += 9
        renewed = journal.renew(lease, 10)
        assert renewed.epoch == lease.epoch and renewed.expires_at > lease.expires_at
        lease = renewed

    assert journal.acquire("b", 10) is None


def test_a_leader_that_slept_past_its_lease_may_go_on_only_if_nobody_took_over(
    journal: Journal, times: Times
) -> None:
    lease = journal.acquire("a", 10)
    assert lease is not None
    times.passed_s = 60.0
    journal.append(lease, [done(1)])
    journal.renew(lease, 10)

    times.passed_s = 120.0
    assert journal.acquire("b", 10) is not None
    with pytest.raises(StaleLeader, match="b leads with epoch"):
        journal.append(lease, [done(2)])
    with pytest.raises(StaleLeader):
        journal.renew(lease, 10)
    assert facts_of(journal) == [done(1)]


def test_a_restarted_leader_fences_its_former_self(journal: Journal, another: Opener) -> None:
    before = journal.acquire("host:1", 10)
    after = another().acquire("host:1", 10)
    assert before is not None and after is not None

    with pytest.raises(StaleLeader):
        journal.append(before, [done(1)])
    assert facts_of(journal) == []


def test_a_lease_given_back_is_free_at_once_and_writes_no_more(journal: Journal, another: Opener) -> None:
    lease = journal.acquire("a", 3600)
    assert lease is not None
    journal.release(lease)

    with pytest.raises(StaleLeader, match="given back"):
        journal.append(lease, [done(1)])
    successor = another().acquire("b", 10)
    assert successor is not None and successor.epoch > lease.epoch
    journal.release(lease)  # harmless: it is b's now
    journal.append(successor, [done(2)])
    assert facts_of(journal) == [done(2)]


def test_a_dead_leaders_lease_passes_although_the_clock_was_set_back(journal: Journal, times: Times) -> None:
    times.skew_s = 86_400.0
    assert journal.acquire("a", 10) is not None
    times.skew_s = 0.0  # by this clock the lease holds for a day

    assert journal.acquire("b", 10) is None
    times.passed_s = 9.0
    assert journal.acquire("b", 10) is None
    times.passed_s = 10.0
    assert journal.acquire("b", 10) is not None


def test_a_living_leaders_lease_does_not_pass_while_it_renews_whatever_the_clocks_say(
    journal: Journal, times: Times
) -> None:
    times.skew_s = 86_400.0
    lease = journal.acquire("a", 10)
    assert lease is not None
    for _ in range(10):
        times.passed_s += 5.0
        times.skew_s = 86_400.0
        lease = journal.renew(lease, 10)
        times.skew_s = 0.0
        assert journal.acquire("b", 10) is None


@pytest.mark.parametrize(("holder", "ttl_s"), [("", 10), ("x" * 201, 10), ("a", 0), ("a", -1), ("a", 1e9)])
def test_a_lease_has_a_name_and_a_bounded_length(journal: Journal, holder: str, ttl_s: float) -> None:
    with pytest.raises(ValueError, match=r"holder|ttl_s"):
        journal.acquire(holder, ttl_s)
    assert journal.acquire("a", 10) is not None, "a refusal does no harm"


# -- inbox -------------------------------------------------------------------------------------------------


def test_anybody_may_ask_and_the_leader_finds_it_oldest_first(journal: Journal, another: Opener) -> None:
    another().ask(a_request(1))
    another().ask(a_request(2))

    assert [fact for _, fact in journal.asked()] == [a_request(1), a_request(2)]
    assert facts_of(journal) == [], "a request is no fact before a leader takes it"


def test_a_request_is_taken_exactly_once(journal: Journal, another: Opener) -> None:
    journal.ask(a_request(1))
    journal.ask(a_request(2))
    (first, _), (second, _) = journal.asked()
    lease = another().acquire("a", 10)
    assert lease is not None

    journal.take(lease, [first], [a_request(1), done(1)])

    assert [number for number, _ in journal.asked()] == [second]
    with pytest.raises(BadInput, match="waiting"):
        journal.take(lease, [first, second], [a_request(2)])
    assert facts_of(journal) == [a_request(1), done(1)]
    assert [number for number, _ in journal.asked()] == [second], "a refused take removes nothing"
    journal.take(lease, [second], [])
    assert journal.asked() in ((), [])


def test_a_fenced_leader_takes_nothing(journal: Journal) -> None:
    lease = journal.acquire("a", 10)
    journal.ask(a_request(1))
    assert lease is not None and journal.acquire("a", 10) is not None

    with pytest.raises(StaleLeader):
        journal.take(lease, [number for number, _ in journal.asked()], [a_request(1)])
    assert len(journal.asked()) == 1 and facts_of(journal) == []


def test_request_ids_are_never_used_again(journal: Journal) -> None:
    lease = journal.acquire("a", 10)
    assert lease is not None
    seen = set()
    for number in range(5):
        journal.ask(a_request(number))
        ((request_id, _),) = journal.asked()
        assert request_id not in seen
        seen.add(request_id)
        journal.take(lease, [request_id], [])


def test_a_full_inbox_says_so(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("memory", "journal"):
        monkeypatch.setattr(f"shoestring.store.{module}.REQUESTS_MAX", 2)
    journal.ask(a_request(1))
    journal.ask(a_request(2))

    with pytest.raises(BadInput, match="2 requests wait") as refused:
        journal.ask(a_request(3))
    assert refused.value.next_step
    assert len(journal.asked()) == 2
    assert limits.REQUESTS_MAX >= 1000


def test_a_new_run_can_be_asked_for_before_anybody_leads(journal: Journal, another: Opener) -> None:
    run = RunSubmitted(
        run_id="r", at=NOON, workload=a_workload(), executor="sim", policy="p", code_sha256="1" * 64
    )
    journal.ask(run)

    assert [fact for _, fact in another().asked()] == [run]
    assert replace(run) == run
