"""The fold of one run's facts: first words stay, newest words count."""

from shoestring.domain.facts import Asked, Completed, Intended, Observed, SweptOrphan
from shoestring.domain.fleet import Hold, Reason, Release
from shoestring.domain.run import ExitKind, Heartbeat, Observation, Outcome, RunState
from shoestring.ledger.history import history_of
from tests.ledger.making import T0, at, attempt, facts_of, offer

FIRST = attempt(1, 0, 3600, exit_kind=ExitKind.PREEMPTED)
ELSEWHERE = attempt(2, 7200, 10_800, on=offer("2.00", zone="eu-west-1a"))


def told(*extra, attempts=(FIRST, ELSEWHERE), now=20_000, **kwargs):
    kwargs.setdefault("ended", 10_800)
    return history_of([*facts_of(attempts, **kwargs), *extra], "r1", at(now))


def test_a_move_is_told_with_the_reason_of_the_release_before_it():
    why = Reason(code="cheaper", text="cheaper there")
    released = Intended(
        run_id="r1",
        at=at(3500),
        action_id="r1:9",
        action=Release(run_id="r1", reason=why, to_offer_id=None),
        view_digest="",
    )
    (move,) = told(released).moves
    assert (move.at, move.from_place, move.to_place) == (at(7200), "us-east-1a spot", "eu-west-1a spot")
    assert move.reason == why
    (unasked,) = told().moves
    assert unasked.reason.text == "spot is up in eu-west-1a"


def test_an_attempt_in_the_same_place_is_no_move():
    assert told(attempts=(FIRST, attempt(2, 7200, 10_800))).moves == ()


def test_a_deadline_counts_from_the_submission_until_another_is_asked_for():
    assert told().deadline is None
    assert told(deadline_s=7200).deadline == at(7200)
    assert told(deadline_at=at(5000)).deadline == at(5000)
    later = Asked(run_id="r1", at=at(100), what="deadline", deadline=at(9000), user="me")
    assert told(later, deadline_s=7200).deadline == at(9000)
    silent = Asked(run_id="r1", at=at(100), what="resume", user="me")
    assert told(silent, deadline_s=7200).deadline == at(7200)


def test_instances_that_nobody_accounts_for_are_counted():
    swept = SweptOrphan(run_id="r1", at=at(50), token="t9", detail="alive")
    assert (told().orphans_ended, told(swept, swept).orphans_ended) == (0, 2)


def test_a_decision_to_wait_leaves_no_trace():
    held = Intended(
        run_id="r1", at=at(50), action_id="r1:1", view_digest="",
        action=Hold(run_id="r1", reason=Reason(code="wait", text="wait")),
    )  # fmt: skip
    assert told(held) == told()


def test_beats_are_kept_by_their_moments():
    late, early = (Heartbeat(at=at(s), step=s) for s in (900, 300))
    seen = [
        Observed(
            run_id="r1",
            at=T0,
            observation=Observation(attempt_id="a3", outcome=Outcome.RUNNING, heartbeat=beat),
        )
        for beat in (late, early, late)
    ]
    assert told(*seen).trail == (early, late)


def test_a_run_that_goes_on_is_told_until_now():
    assert told().until == at(10_800)
    assert told(state=RunState.RUNNING, now=12_345).until == at(12_345)


def test_a_launch_is_refused_when_the_engine_said_so_and_nothing_was_billed():
    def launched(result, seen):
        facts = facts_of((FIRST,), ended=10_800, state=RunState.RUNNING)
        kept = [f for f in facts if not isinstance(f, Completed | (Observed if not seen else Completed))]
        if result is not None:
            kept.append(Completed(run_id="r1", at=at(1), action_id="a1", result=result))
        history = history_of(kept, "r1", at(20_000))
        return history.refused_launches, [a.id for a in history.attempts]

    assert launched("refused", seen=False) == launched("no_capacity", seen=False) == (1, [])
    assert launched("no_capacity", seen=True) == (0, ["a1"]), "it was billed all the same"
    assert launched("unknown", seen=False) == launched("done", seen=False) == (0, ["a1"])
    assert launched(None, seen=False) == (0, ["a1"]), "nobody has answered yet"
    assert launched(None, seen=True) == (0, ["a1"])
