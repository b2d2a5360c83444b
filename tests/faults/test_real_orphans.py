"""Orphans of real processes: the production loop over the rehearsal market, with answers that get lost.

The mass of such cases runs in numbers (test_orphans); these few show that real instances obey the same sweep.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.errors import ExecutorUnavailable
from shoestring.domain.facts import SweptOrphan
from shoestring.domain.run import Observation, RunState
from shoestring.ledger.rate import rate_all
from shoestring.ledger.usage import usage_of_run
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.ports import JobSpec, LiveInstance
from shoestring.store.memory import MemoryJournal
from shoestring.supervisor import Options, Supervisor
from shoestring.testing import a_workload, spent_nothing, submit
from tests.contract.executors import Stage, rehearsal
from tests.faults.books import book_violations

# In market seconds: 60 pass in a real one.
OPTIONS = Options(tick_s=6.0, grace_s=60.0, sweep_s=12.0, orphan_grace_s=60.0, visible_s=30.0, backoff_s=6.0)
LONGEST_S = 90.0


class Lossy:
    """The stage's executor behind a line that fails as told.

    Args:
        lost_answers: launches whose answer is lost after they took effect.
        shows_late: the first instance shows in no list before another one runs.
    """

    def __init__(self, stage: Stage, *, lost_answers: int = 0, shows_late: bool = False) -> None:
        self._executor, self._lost, self._shows_late = stage.executor, lost_answers, shows_late
        self._first: str | None = None
        self.name = stage.executor.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)

    def submit(self, spec: JobSpec) -> Observation:
        self._first = self._first or spec.token
        seen = self._executor.submit(spec)
        self._shows_late = self._shows_late and spec.token == self._first
        if self._lost > 0:
            self._lost -= 1
            raise ExecutorUnavailable("the answer was lost after the launch")
        return seen

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        return {t: seen for t, seen in self._executor.poll(tokens).items() if self._shows(t)}

    def alive(self) -> tuple[LiveInstance, ...]:
        return tuple(i for i in self._executor.alive() if self._shows(i.token))

    def _shows(self, token: str) -> bool:
        return token != self._first or not self._shows_late


def supervise(stage: Stage, engine: Lossy, command: str) -> tuple[Supervisor, MemoryJournal]:
    """Supervise one run until it is done and nothing is alive."""
    journal = MemoryJournal()
    workload = a_workload(run=command, work=None, checkpoint=stage.spec(command).workload.checkpoint)
    submit(journal, workload, executor=stage.executor.name)
    lease = journal.acquire("test", ttl_s=3600.0)
    assert lease is not None
    supervisor = Supervisor(
        journal=journal, executors={engine.name: engine}, policy=UniformProgress(),  # type: ignore[dict-item]
        clock=stage.executor.clock, lease=lease, spent_usd=spent_nothing, options=OPTIONS,
    )  # fmt: skip
    end = time.monotonic() + LONGEST_S
    while not (supervisor.tick().finished and supervisor.book.runs and not stage.executor.alive()):
        alive = [instance.token for instance in stage.executor.alive()]
        states = [(run.run_id, str(run.state)) for run in supervisor.book.runs.values()]
        assert time.monotonic() < end, f"alive {alive}, runs {states}"
        stage.executor.clock.sleep(OPTIONS.tick_s)
    return supervisor, journal


def check(stage: Stage, supervisor: Supervisor) -> None:
    """The run has succeeded, the market's books are in order, and the ledger charges what they say."""
    (run,) = supervisor.book.runs.values()
    assert run.state is RunState.SUCCEEDED
    assert list(book_violations(stage.folder / "market" / "instances")) == []
    attempts = [attempt.value(run.run_id) for attempt in run.attempts]
    records = usage_of_run(attempts, until=stage.executor.clock.now(), state=run.state)
    charged = sum((charge.amount_usd for charge in rate_all(records).charges), Decimal(0))
    tokens = {attempt.token for attempt in run.attempts}
    billed = sum((line.amount_usd for line in stage.executor.bill() if line.token in tokens), Decimal(0))
    assert round(charged, 2) == round(billed, 2)


def test_a_launch_whose_answer_was_lost_is_adopted_and_not_doubled(tmp_path: Path) -> None:
    stage = rehearsal(tmp_path)
    mark = tmp_path / "launches"
    supervisor, _ = supervise(stage, Lossy(stage, lost_answers=1), f"echo x >> {mark}; sleep 0.5")

    check(stage, supervisor)
    assert mark.read_text() == "x\n"


def test_an_instance_that_shows_too_late_is_ended_and_the_next_one_finishes(tmp_path: Path) -> None:
    stage = rehearsal(tmp_path)
    # The first would never end by itself.
    command = 'if test "$SHOESTRING_ATTEMPT" = 1; then sleep 1000; else sleep 3; fi'
    supervisor, _ = supervise(stage, Lossy(stage, shows_late=True), command)

    (run,) = supervisor.book.runs.values()
    assert len(run.attempts) > 1
    assert run.attempts[0].observation.launched_at is not None, "what it cost is charged"
    check(stage, supervisor)


def test_instances_of_a_journal_that_was_lost_are_swept_and_named(tmp_path: Path) -> None:
    stage = rehearsal(tmp_path)
    strays = [f"stray-{number}" for number in range(3)]
    for token in strays:
        stage.executor.submit(replace(stage.spec("sleep 1000", token), run_id=token))
        stage.until(lambda seen: seen.booted_at is not None, token)
    supervisor, journal = supervise(stage, Lossy(stage), "sleep 0.2")

    check(stage, supervisor)
    swept = {entry.fact.token for entry in journal.read() if isinstance(entry.fact, SweptOrphan)}
    assert swept == set(strays)
