"""The lookout: what the market offers, what the engines say of each attempt, and which stops follow from that.

Nothing is decided here. What was seen becomes facts; stops are kept until the journal's write has confirmed
that this leader still leads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shoestring.domain.errors import ExecutorUnavailable
from shoestring.domain.facts import Fact, MarketSeen, Observed
from shoestring.domain.offer import Offer
from shoestring.domain.run import Observation, Outcome
from shoestring.ports import Executor
from shoestring.supervisor.book import AttemptBook, Book, RunBook
from shoestring.supervisor.compare import differs, unknown
from shoestring.supervisor.options import Options
from shoestring.supervisor.outcome import after_end, material
from shoestring.supervisor.probe import Probe
from shoestring.supervisor.unseen import Step, awaited, settle

Note = Callable[[Fact], None]
Pairs = list[tuple[RunBook, AttemptBook]]


@dataclass(frozen=True, slots=True)
class Stop:
    """An attempt that has to end, where it runs, and the time it gets to save first."""

    attempt: AttemptBook
    executor: Executor
    grace_s: float


class Lookout:
    """Looks at the engines. ``note`` takes each fact, folds it into the book and keeps it for the journal.

    Attributes:
        offers: the market as last seen, by offer id.
        away: executors that did not answer, and what they said instead.
        stops: wanted since the last :meth:`stop_all`.
    """

    def __init__(self, executors: Mapping[str, Executor], options: Options, note: Note) -> None:
        self._executors, self._options, self._note = executors, options, note
        self.offers: dict[str, Offer] = {}
        self.away: dict[str, str] = {}
        self.stops: list[Stop] = []
        self._probes = {
            name: Probe(price)
            for name, executor in executors.items()
            if (price := executor.capabilities().probe_usd) > 0
        }

    def market(self, now: datetime) -> MarketSeen | None:
        """What is new in the market since it was last taken in; None if nothing is."""
        changed: list[Offer] = []
        for name, executor in self._executors.items():
            probe = self._probes.get(name)
            if probe is not None and not probe.due(now, self.offers, name, self._options.tick_s):
                continue
            try:
                offers = executor.offers()
            except ExecutorUnavailable as error:
                self.away[name] = str(error)
                continue
            self.away.pop(name, None)
            for offer in offers:
                known = self.offers.get(offer.id)
                if known is not offer and (known is None or differs(known, offer)):
                    changed.append(offer)
                    if probe is not None and known is not None:
                        probe.changes += 1
        return MarketSeen(at=now, offers=tuple(changed)) if changed else None

    def take(self, fact: MarketSeen) -> None:
        """The market is as this fact says from now on."""
        self.offers.update((offer.id, offer) for offer in fact.offers)

    def attempts(self, book: Book, now: datetime) -> None:
        """Ask the engines about every attempt that may hold an instance, and note what they say."""
        for name, pairs in self._live(book, now).items():
            executor = self._executors[name]
            try:
                seen = executor.poll([attempt.token for _, attempt in pairs])
                self.away.pop(name, None)
            except ExecutorUnavailable as error:
                self.away[name] = str(error)
                for _, attempt in pairs:
                    if attempt.observation.outcome is Outcome.RUNNING:
                        attempt.observation = unknown(attempt.observation, str(error))
                continue
            for run, attempt in pairs:
                self._absorb(run, attempt, seen.get(attempt.token), executor, now)

    def stop_all(self, epoch: int) -> None:
        """Carry out the stops that looking has called for."""
        stops, self.stops = self.stops, []
        for stop in stops:
            self.stop(stop.attempt, stop.executor, stop.grace_s, epoch)

    def stop(self, attempt: AttemptBook, executor: Executor, grace_s: float, epoch: int) -> None:
        """End an attempt; an engine that does not answer is told again at the next tick."""
        try:
            executor.cancel(attempt.token, epoch, grace_s=grace_s)
            attempt.stop_sent = True
        except ExecutorUnavailable as error:
            self.away[executor.name] = str(error)

    def _live(self, book: Book, now: datetime) -> dict[str, Pairs]:
        """By executor: what may run, and launches that were given up but may yet show."""
        live: dict[str, Pairs] = {}
        for run in book.runs.values():
            attempt = run.live
            if attempt is not None:
                live.setdefault(run.submitted.executor, []).append((run, attempt))
        for run, attempt in book.given_up.values():
            if run.live is not attempt and awaited(
                attempt, now, self._options.visible_s, self._options.tick_s
            ):
                live.setdefault(run.submitted.executor, []).append((run, attempt))
        return live

    def _absorb(
        self,
        run: RunBook,
        attempt: AttemptBook,
        seen: Observation | None,
        executor: Executor,
        now: datetime,
    ) -> None:
        """Take in what an engine said of an attempt, and what follows for the run."""
        if attempt.given_up and (seen is None or seen.launched_at is None):
            return
        if seen is None:
            self._settle(run, attempt, executor, now)
            return
        self._take_in(run, attempt, seen, now)
        if not attempt.ended and attempt.stopping is not None and not attempt.stop_sent:
            self.stops.append(Stop(attempt, executor, self._options.grace_s))

    def _settle(self, run: RunBook, attempt: AttemptBook, executor: Executor, now: datetime) -> None:
        """An engine that answers does not list the attempt: wait, bar its token, then give it up."""
        step, taken_for = settle(attempt, now, self._options.visible_s)
        if step is Step.BAR:
            self.stops.append(Stop(attempt, executor, 0.0))
        elif taken_for is not None:
            self._take_in(run, attempt, taken_for, now)

    def _take_in(self, run: RunBook, attempt: AttemptBook, seen: Observation, now: datetime) -> None:
        if material(attempt.observation, seen, self._options.heartbeat_s):
            self._note(Observed(run_id=run.run_id, at=now, observation=seen))
        else:
            attempt.observation = seen
        if attempt.ended:
            for fact in after_end(run, attempt, now, self._options.failures_max):
                self._note(fact)
