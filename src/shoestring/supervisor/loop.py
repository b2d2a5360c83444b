"""The one loop: observe, decide, re-check, act, record.

A tick ends in at most two journal transactions: everything seen and every intent, before the first act; what
came of the acts, after the last. A crash between any two lines leaves either no trace or an intent whose
token tells the next leader what to look for. A failed journal write stops the loop and is never retried
here: jobs train and save on by themselves, and the next leader re-reads what reached the disk.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from shoestring.domain import codec
from shoestring.domain.errors import ExecutorUnavailable, NoCapacity, ShoestringError, StaleLeader
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
from shoestring.domain.fleet import (
    Action,
    Allowance,
    FleetView,
    Hold,
    Launch,
    Release,
    Replace,
    RunView,
    Save,
    Suspend,
)
from shoestring.domain.offer import Offer
from shoestring.domain.run import Exit, ExitKind, Observation, Outcome, RunState
from shoestring.policies.base import Policy
from shoestring.ports import Clock, Executor, Journal, Lease
from shoestring.supervisor.attendance import Attendance
from shoestring.supervisor.book import Book, RunBook
from shoestring.supervisor.compare import same_hold
from shoestring.supervisor.eligible import Eligibility
from shoestring.supervisor.lookout import Lookout
from shoestring.supervisor.options import Options, TickReport
from shoestring.supervisor.requests import answer, job_spec
from shoestring.supervisor.sweep import Sweeper
from shoestring.supervisor.view import fleet_view, run_view

SpentUsd = Callable[[RunBook, datetime], float]
EnvOf = Callable[[str], Mapping[str, str]]
AllowancesOf = Callable[[RunBook, datetime], tuple[Allowance, ...]]


class Supervisor:
    """Leads one journal's fleet. All that it knows, it can read again: in the journal and from the engines.

    Args:
        executors: by name; a run goes to the one it was submitted for.
        policy: decides for the whole fleet.
        spent_usd: rates a run's use so far (the ledger's fast path).
        env_of: environment of a run's job, secrets among it; asked at each launch, never stored.
        allowances_of: what the budgets that cover a run leave it.
        lease: the right to decide; every journal write and engine call carries its epoch.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        executors: Mapping[str, Executor],
        policy: Policy,
        clock: Clock,
        lease: Lease,
        spent_usd: SpentUsd,
        env_of: EnvOf = lambda run_id: {},
        allowances_of: AllowancesOf = lambda run, now: (),
        options: Options | None = None,
    ) -> None:
        self.journal, self.executors, self.policy, self.clock = journal, executors, policy, clock
        self.lease, self.env_of, self.spent_usd = lease, env_of, spent_usd
        self.allowances_of = allowances_of
        self.options = options or Options()
        self.book = Book()
        self.belief = policy.start()
        self.lookout = Lookout(executors, self.options, self._note)
        self.eligibility = Eligibility(self.options)
        self.attendance = Attendance()
        self.sweeper = Sweeper(self.options)
        self._facts: list[Fact] = []
        self._adopt()

    @property
    def offers(self) -> Mapping[str, Offer]:
        """The market as last seen, by offer id."""
        return self.lookout.offers

    @property
    def away(self) -> Mapping[str, str]:
        """Executors that did not answer, and what they said instead."""
        return self.lookout.away

    def _adopt(self) -> None:
        """Read the journal and take over: the belief is rebuilt, and open launches are settled."""
        for entry in self.journal.read():
            self.attendance.journaled(entry.fact.at)
            if isinstance(entry.fact, MarketSeen):
                self._learn(entry.fact)
            else:
                self.book.apply(entry.fact)

    def tick(self) -> TickReport:
        """One round. Raises StaleLeader or JournalUnavailable: then stop, this supervisor leads no more."""
        now = self.clock.now()
        self._take_requests(now)
        self._observe(now)
        view, intents = self._decide(now)
        if (
            self.lookout.stops and not self._facts
        ):  # a leader that slept past its lease must not act on what it saw
            self.lease = self.journal.renew(self.lease, self.options.lease_s)
        self._commit()
        self.lookout.stop_all(self.lease.epoch)  # the journal has just said that this leader leads
        for run, intent in intents:
            self._act(run, intent, now)
        self._facts += self.sweeper.sweep(self.book, self.executors, self.lease.epoch, now)
        self._commit()
        finished = all(run.done or self._parked(run) for run in self.book.runs.values())
        finished = finished and all(attempt.ended for _, attempt in self.book.given_up.values())
        actions = tuple(intent.action for _, intent in intents)
        return TickReport(now=now, view=view, actions=actions, decisions=len(view.runs), finished=finished)

    def run(self, *, max_ticks: int, each: Callable[["Supervisor", TickReport], None] | None = None) -> bool:
        """Tick until every run is at its end or parked, at most ``max_ticks`` times; whether it got there."""
        for _ in range(max_ticks):
            self.lease = self.journal.renew(self.lease, self.options.lease_s)
            report = self.tick()
            if each is not None:
                each(self, report)
            if report.finished:
                return True
            self.clock.sleep(self.options.tick_s)
        return False

    # -- record ---------------------------------------------------------------------------------------------

    def _note(self, fact: Fact) -> None:
        self.book.apply(fact)
        self._facts.append(fact)

    def _commit(self) -> None:
        if self._facts:
            facts, self._facts = self._facts, []
            self.journal.append(self.lease, facts)

    def _take_requests(self, now: datetime) -> None:
        requests = self.journal.asked()
        if not requests:
            return
        facts: list[Fact] = []
        for _, fact in requests:
            if isinstance(fact, RunSubmitted):
                facts.append(fact)
                self.book.apply(fact)
            elif isinstance(fact, Asked) and fact.run_id in self.book.runs:
                run = self.book.runs[fact.run_id]
                if run.state.terminal:
                    continue
                facts.append(fact)
                self.book.apply(fact)
                follows = answer(run, fact, now)
                if follows is not None:
                    facts.append(follows)
                    self.book.apply(follows)
        self.journal.take(self.lease, [request_id for request_id, _ in requests], facts)

    # -- observe --------------------------------------------------------------------------------------------

    def _observe(self, now: datetime) -> None:
        seen = self.lookout.market(now)
        if seen is not None:
            self._facts.append(seen)
            self._learn(seen)
        self.lookout.attempts(self.book, now)

    def _learn(self, fact: MarketSeen) -> None:
        """What changed in the market, for the belief and for what each run may use."""
        self.lookout.take(fact)
        self.eligibility.market_changed()
        seen = FleetView(now=fact.at, runs=(), offers=dict(self.offers))
        self.belief = self.policy.update(self.belief, seen)

    # -- decide ---------------------------------------------------------------------------------------------

    def _decide(self, now: datetime) -> tuple[FleetView, list[tuple[RunBook, Intended]]]:
        views: list[RunView] = []
        for run in self.book.runs.values():
            if run.suspending is not None and run.live is None and run.state is RunState.WAITING:
                cause = run.suspending  # a leader died between this decision and its word that it was done
                self._note(StateChanged(run_id=run.run_id, at=now, state=RunState.SUSPENDED, cause=cause))
            if (
                run.state in (RunState.WAITING, RunState.RUNNING)
                and not run.cancelling
                and not run.suspending
            ):
                eligible = self.eligibility.offers_for(run, self.offers, now)
                if run.live is not None or not self.eligibility.paused(run, now):
                    views.append(
                        run_view(
                            run,
                            self.offers,
                            eligible,
                            now=now,
                            spent_usd=self.spent_usd(run, now),
                            assumptions=self.options.assumptions,
                            allowances=self.allowances_of(run, now),
                            unwatched_s=self.attendance.unwatched_s(run, now),
                        )
                    )
            self.attendance.looked(run, now)
        view = fleet_view(views, self.offers, now)
        by_id = {v.run_id: v for v in views}
        intents = []
        for action in self.policy.decide(self.belief, view):
            run = self.book.runs[action.run_id]
            if isinstance(action, Hold) and same_hold(run.last_intent, action):
                continue
            intent = self._intend(run, action, by_id[action.run_id], now)
            self._note(intent)
            if not isinstance(action, Hold):
                intents.append((run, intent))
        return view, intents

    def _intend(self, run: RunBook, action: Action, seen: RunView, now: datetime) -> Intended:
        digest = hashlib.sha256(codec.dumps(seen).encode()).hexdigest()[:16]
        common = {"run_id": run.run_id, "at": now, "action": action, "view_digest": digest, "view": seen}
        if not isinstance(action, Launch):
            return Intended(action_id=f"{run.run_id}:{self.book.actions}", **common)  # type: ignore[arg-type]
        number = len(run.attempts) + 1
        attempt_id = f"{run.run_id}-{number}"
        return Intended(
            action_id=attempt_id,
            attempt_id=attempt_id,
            attempt_number=number,
            token=attempt_id,  # one per attempt, and attempt numbers are never used again
            offer=self.offers[action.offer_id],
            **common,  # type: ignore[arg-type]
        )

    # -- act ------------------------------------------------------------------------------------------------

    def _act(self, run: RunBook, intent: Intended, now: datetime) -> None:
        executor = self.executors[run.submitted.executor]
        try:
            result, detail = self._carry_out(run, intent, executor)
        except ExecutorUnavailable as error:
            result, detail = "unknown", str(error)
        except StaleLeader:
            raise
        except NoCapacity as error:
            result, detail = "no_capacity", str(error)
        except ShoestringError as error:
            result, detail = "refused", str(error)
        self._note(
            Completed(run_id=run.run_id, at=now, action_id=intent.action_id, result=result, detail=detail)
        )
        if isinstance(intent.action, Launch) and result in ("no_capacity", "refused"):
            self._launch_failed(run, result, detail, now)
        elif isinstance(intent.action, Launch) and run.state is RunState.WAITING:
            self._note(StateChanged(run_id=run.run_id, at=now, state=RunState.RUNNING, cause="launched"))
        elif isinstance(intent.action, Suspend) and run.live is None:
            cause = intent.action.cause
            self._note(StateChanged(run_id=run.run_id, at=now, state=RunState.SUSPENDED, cause=cause))

    def _carry_out(self, run: RunBook, intent: Intended, executor: Executor) -> tuple[str, str]:
        live = run.live
        match intent.action:
            case Launch():
                refusals = self.eligibility.recheck(run, intent.action.offer_id, self.offers)
                if refusals:
                    return "refused", refusals
                assert live is not None and intent.offer is not None
                env = self.env_of(run.run_id)
                live.observation = executor.submit(job_spec(run, live, env, self.lease.epoch, self.options))
            case Release() | Suspend() if live is not None:
                self.lookout.stop(live, executor, self.options.grace_s, self.lease.epoch)
            case Save() if live is not None:
                executor.save(live.token, self.lease.epoch)
            case Replace() if live is not None:
                executor.replace(live.token, self.lease.epoch)
        return "done", ""

    def _launch_failed(self, run: RunBook, result: str, detail: str, now: datetime) -> None:
        """Nothing runs under this token, now or later: the attempt is over before it began; the run goes on waiting."""
        live = run.live
        assert live is not None
        ended = Observation(
            attempt_id=live.id,
            outcome=Outcome.ENDED,
            exit=Exit(kind=ExitKind.NO_START, at=now, detail=f"{result}: {detail}"),
        )
        self._note(Observed(run_id=run.run_id, at=now, observation=ended))

    @staticmethod
    def _parked(run: RunBook) -> bool:
        return run.state is RunState.SUSPENDED and run.live is None
