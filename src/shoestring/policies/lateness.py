"""Why a run is late: policy, capacity, supervisor, job or people, from the journal's facts alone.

The guard (:mod:`shoestring.policies.guard`) proves that a run is in time if, from the last decision with slack
on, everything stays within the stated bounds. So only what came after that decision can have made the run late,
and each stretch beyond a bound has an owner. If no bound was passed, the policy is at fault.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shoestring.domain.facts import (
    Asked,
    Completed,
    Fact,
    Intended,
    MarketSeen,
    Observed,
    RunSubmitted,
    StateChanged,
)
from shoestring.domain.fleet import FleetView, Hold, Launch, Release, RunView
from shoestring.domain.lateness import LateCause, Lateness
from shoestring.domain.offer import Offer
from shoestring.domain.run import ExitKind, Observation, RunState
from shoestring.domain.units import describe_duration, seconds_between
from shoestring.policies.base import is_guaranteed
from shoestring.policies.footing import guaranteed_offer
from shoestring.policies.guard import slack_s

TEXTS = {
    LateCause.POLICY: "nothing went beyond the stated bounds, and the policy was late all the same",
    LateCause.CAPACITY: "guaranteed capacity was refused, slow to come, or taken back",
    LateCause.SUPERVISOR: "nobody looked after it, or its engine could not be reached",
    LateCause.JOB: "the job took longer than was known, or failed by itself",
    LateCause.ASKED: "it was stopped by people or a budget, or could not have been in time from the start",
}
Owed = dict[LateCause, float]
OWN_FAULT = (ExitKind.FAILED, ExitKind.HUNG)
TAKEN = (ExitKind.PREEMPTED, ExitKind.LOST, ExitKind.OUT_OF_TIME, ExitKind.NO_START)


@dataclass(frozen=True, slots=True)
class _Decision:
    """An intent with the slack that its view had; minus infinity where nothing guaranteed was to be had."""

    fact: Intended
    view: RunView
    guaranteed: Offer | None
    slack_s: float

    @property
    def at(self) -> datetime:
        return self.fact.at


@dataclass(slots=True)
class _Story:
    """What the facts say of one run, as far as lateness goes."""

    deadline: datetime | None = None
    submitted_at: datetime | None = None
    state: RunState = RunState.WAITING
    states: list[tuple[datetime, RunState]] = field(default_factory=list)
    decisions: list[_Decision] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Observation] = field(default_factory=dict)
    set_back: list[tuple[int, float]] = field(
        default_factory=list
    )  # decisions before, seconds of a wrong clock


def lateness(facts: Iterable[Fact], run_id: str, now: datetime) -> Lateness | None:
    """How late the run is and why; None if it is not (yet) late, or has no deadline.

    Args:
        facts: of the whole journal, the market's among them. now: how far a run that is not over has come.
    """
    story = _told(facts, run_id)
    if story.deadline is None:
        return None
    end = _end(story, now)
    late_s = seconds_between(story.deadline, end)
    if story.state is RunState.SUCCEEDED or not story.state.terminal:
        if late_s <= 0:
            return None
    else:  # it will never be done
        cause = LateCause.JOB if story.state is RunState.FAILED else LateCause.ASKED
        return Lateness(late_s=max(late_s, 0.0), cause=cause, text=f"the run was {story.state}")
    seconds = {cause: s for cause, s in _beyond_bounds(story, end).items() if s > 0}
    if not seconds:
        seconds = {LateCause.POLICY: late_s}
    cause = max(seconds, key=lambda c: (seconds[c], c.value))
    text = f"{TEXTS[cause]} ({describe_duration(seconds[cause])} beyond the bounds)"
    return Lateness(late_s=late_s, cause=cause, seconds=seconds, text=text)


def _told(facts: Iterable[Fact], run_id: str) -> _Story:
    story, offers, clock = _Story(), dict[str, Offer](), None
    for fact in facts:
        if not isinstance(fact, RunSubmitted | Asked):  # those bear the time of some other shell
            if clock is not None and fact.at < clock:
                story.set_back.append((len(story.decisions), seconds_between(fact.at, clock)))
            clock = fact.at
        if isinstance(fact, MarketSeen):
            offers.update((offer.id, offer) for offer in fact.offers)
            continue
        if fact.run_id != run_id:
            continue
        match fact:
            case RunSubmitted(workload=workload):
                story.submitted_at, story.deadline = fact.at, workload.deadline_at
                if story.deadline is None and workload.deadline_s is not None:
                    story.deadline = fact.at + timedelta(seconds=workload.deadline_s)
            case Asked(deadline=datetime() as deadline):
                story.deadline = deadline
            case StateChanged():
                story.state = fact.state
                story.states.append((fact.at, fact.state))
            case Completed():
                story.results[fact.action_id] = fact.result
            case Observed(observation=seen):
                story.seen[seen.attempt_id] = seen
            case Intended(view=RunView() as view):
                fleet = FleetView(now=fact.at, runs=(view,), offers=offers)
                safe = guaranteed_offer(view, fleet)
                slack = slack_s(view, safe, fact.at)
                story.decisions.append(_Decision(fact, view, safe, float("inf") if slack is None else slack))
    return story


def _end(story: _Story, now: datetime) -> datetime:
    """When the work was done, whoever noticed it when; else now."""
    if not story.state.terminal:
        return now
    done = [s.exit.at for s in story.seen.values() if s.exit is not None and s.exit.kind is ExitKind.DONE]
    return max(done) if done else story.states[-1][0]


def _beyond_bounds(story: _Story, end: datetime) -> Owed:
    """Seconds beyond the bounds since the last decision with slack, by who answers for them."""
    found: Owed = defaultdict(float)
    decisions = story.decisions
    if not decisions:  # submitted, and nobody ever came
        assert story.submitted_at is not None
        found[LateCause.SUPERVISOR] += seconds_between(story.submitted_at, end)
        return found
    line = max((i for i, d in enumerate(decisions) if d.slack_s >= 0), default=-1)
    if line < 0:
        found[LateCause.ASKED] += _impossible_s(decisions[0])
    elif line + 1 < len(decisions):
        _came_too_late(decisions[line], decisions[line + 1], found)
    launches = (i for i in range(line, -1, -1) if isinstance(decisions[i].fact.action, Launch))
    held_from = next(launches, 0)  # what the run held when it last had slack, it may hold still
    untils = [*(d.at for d in decisions[1:]), end]
    for place, (decision, until) in enumerate(zip(decisions, untils, strict=True)):
        lasted_s = max(seconds_between(decision.at, until), 0.0)
        if place > line:
            if place > line + 1 or line < 0:
                found[LateCause.SUPERVISOR] += _missed_s(decision)
            _decided(decision, lasted_s, story, found)
        if place >= held_from and isinstance(decision.fact.action, Launch) and _heads_for(decision):
            _launched(decision, lasted_s, story, end, found)
    bounds = decisions[max(line, 0)].view.bounds
    found[LateCause.CAPACITY] -= bounds.launch_retries * (bounds.retry_s + bounds.poll_gap_s)
    found[LateCause.SUPERVISOR] += sum(s for place, s in story.set_back if place > line)
    began = decisions[line].at if line >= 0 else decisions[0].at
    found[LateCause.ASKED] += _stopped_s(story, began, end)
    return found


def _came_too_late(before: _Decision, first: _Decision, found: Owed) -> None:
    """The first decision without slack has much less than none: nobody looked, or there was more to do."""
    bounds = first.view.bounds
    over_s = -first.slack_s - bounds.poll_gap_s
    if over_s <= 0 or first.guaranteed is None:
        return
    away_s = min(max(first.view.unwatched_s - bounds.poll_gap_s, 0.0), over_s)
    grown_s = _demand_s(first) - _demand_s(before) - bounds.poll_gap_s
    more_s = min(max(grown_s, 0.0), over_s - away_s)
    found[LateCause.SUPERVISOR] += away_s
    found[LateCause.JOB] += more_s
    found[LateCause.POLICY] += over_s - away_s - more_s


def _demand_s(decision: _Decision) -> float:
    """The right-hand side of the guard's inequality; minus infinity where no slack was known."""
    left = decision.view.time_left_s(decision.at)
    return float("-inf") if left is None else left - decision.slack_s


def _missed_s(decision: _Decision) -> float:
    """Seconds for which nobody looked before something had to be done."""
    if isinstance(decision.fact.action, Hold):
        return 0.0
    return max(decision.view.unwatched_s - decision.view.bounds.poll_gap_s, 0.0)


def _decided(decision: _Decision, lasted_s: float, story: _Story, found: Owed) -> None:
    """What a decision without slack did, in the ``lasted_s`` seconds until the next one."""
    action, view = decision.fact.action, decision.view
    if decision.guaranteed is None:
        found[LateCause.CAPACITY] += lasted_s
        return
    if not _heads_for(decision):
        found[LateCause.POLICY] += lasted_s
    elif isinstance(action, Release) and view.attempt is not None:
        left = story.seen.get(view.attempt.attempt_id)
        if left is not None and left.exit is not None:
            stopped_s = seconds_between(decision.at, left.exit.at)
            found[LateCause.JOB] += max(stopped_s - view.bounds.save_s - view.bounds.poll_gap_s, 0.0)


def _launched(decision: _Decision, lasted_s: float, story: _Story, end: datetime, found: Owed) -> None:
    """What became of a launch of guaranteed capacity."""
    bounds, seen = decision.view.bounds, story.seen.get(decision.fact.attempt_id or "")
    refused = story.results.get(decision.fact.action_id) == "no_capacity"
    if refused or seen is None or seen.launched_at is None:
        found[LateCause.CAPACITY] += lasted_s
        return
    over = seen.exit
    began = min((s.start for s in seen.spans), default=end if over is None else over.at)
    booted_s = seconds_between(decision.at, began)
    found[LateCause.CAPACITY] += max(booted_s - bounds.boot_s - bounds.poll_gap_s, 0.0)
    if over is not None and over.kind in (*OWN_FAULT, *TAKEN):
        saved = max((c.at for c in seen.checkpoints), default=began)
        again = decision.at + timedelta(seconds=lasted_s)
        owner = LateCause.JOB if over.kind in OWN_FAULT else LateCause.CAPACITY
        found[owner] += max(seconds_between(saved, again), 0.0)
    elif decision.guaranteed is not None:
        trained_s = sum(seconds_between(s.start, s.end) for s in seen.spans)
        known_s = decision.view.work_left_on(decision.guaranteed) or 0.0
        found[LateCause.JOB] += max(trained_s - known_s - bounds.poll_gap_s, 0.0)


def _heads_for(decision: _Decision) -> bool:
    """Whether what was decided leads to guaranteed capacity, or stays on it, or lets something end first."""
    action, attempt = decision.fact.action, decision.view.attempt
    if isinstance(action, Launch):
        return decision.fact.offer is not None and is_guaranteed(decision.fact.offer)
    if isinstance(action, Release):
        safe = decision.guaranteed
        return safe is not None and action.to_offer_id == safe.id
    if isinstance(action, Hold):
        return (
            attempt is not None
            and decision.guaranteed is not None
            and attempt.offer_id == decision.guaranteed.id
        )
    return True  # a save, a suspension


def _impossible_s(first: _Decision) -> float:
    """Seconds by which not even guaranteed capacity at its usual speed could have met the deadline."""
    left, work_s = first.view.time_left_s(first.at), None
    if first.guaranteed is not None:
        work_s = first.view.work_left_on(first.guaranteed)
    if left is None or work_s is None:
        return 0.0
    return max(work_s + first.view.restart_s - left, 0.0)


def _stopped_s(story: _Story, began: datetime, end: datetime) -> float:
    """Seconds in which the run was suspended, from ``began`` on."""
    stopped, since = 0.0, None
    for at, state in [*story.states, (end, RunState.WAITING)]:
        if since is not None:
            stopped += max(seconds_between(max(since, began), at), 0.0)
        since = at if state is RunState.SUSPENDED else None
    return stopped
