"""Launches that are interrupted, doubled, overtaken: at most one life per token, and an end for each."""

import os
import threading
from pathlib import Path

import pytest

from shoestring.domain.run import ExitKind, Outcome
from shoestring.executors import host, settling
from shoestring.executors.book import BOOK, CANCEL, last_sign_of_life, read_book, try_lock, write_book
from shoestring.executors.processes import ProcessExecutor
from shoestring.training.spool import replace_json
from tests.contract.executors import LONGEST_S, Stage, local


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return local(tmp_path)


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the instances whose host was asked for; none of them comes."""
    asked: list[str] = []
    monkeypatch.setattr(ProcessExecutor, "_spawn", lambda self, folder, spec: asked.append(folder.name))
    return asked


def instance(stage: Stage, token: str = "run-1") -> Path:
    return stage.folder / "machine" / "instances" / token


def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was asked for has had its time to come."""
    monkeypatch.setattr(settling, "START_S", -1.0)


def test_a_launch_that_stopped_half_way_is_gone_on_with(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as half, pytest.raises(Crash):
        half.setattr(ProcessExecutor, "_spawn", crash)
        stage.executor.submit(stage.spec("true"))
    assert stage.look().outcome is Outcome.RUNNING, "nobody can tell yet"
    stage.executor.submit(stage.spec("true"))

    end = stage.end().exit
    assert end is not None and end.kind is ExitKind.DONE


def test_a_host_that_never_came_is_no_start_costs_nothing_and_stays_so(
    stage: Stage, spawned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.executor.submit(stage.spec("true"))
    long_ago(monkeypatch)
    end = stage.look().exit
    again = stage.executor.submit(stage.spec("true"))

    assert end is not None and end.kind is ExitKind.NO_START
    assert again.outcome is Outcome.ENDED and spawned == ["run-1"]
    assert stage.executor.bill() == () and stage.executor.alive() == ()


def test_a_host_that_comes_after_its_end_was_written_does_not_live(
    stage: Stage, spawned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.executor.submit(stage.spec("true"))
    long_ago(monkeypatch)
    stage.look()

    assert host.main(instance(stage)) == 0
    assert read_book(instance(stage)).launched is None
    assert not (instance(stage) / "spool").exists()


def test_a_second_host_on_one_instance_does_nothing(stage: Stage, spawned: list[str]) -> None:
    stage.executor.submit(stage.spec("true"))
    first = try_lock(instance(stage))
    assert first is not None
    host.LOCK_S, patience = 0.05, host.LOCK_S
    try:
        assert host.main(instance(stage)) == 0
    finally:
        host.LOCK_S = patience
    assert read_book(instance(stage)).launched is None


def test_a_cancel_before_the_host_came_bars_the_token(
    stage: Stage, spawned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.executor.submit(stage.spec("true"))
    stage.executor.cancel("run-1", 1, grace_s=0.0)
    stage.executor.submit(stage.spec("true"))

    assert spawned == ["run-1"]
    long_ago(monkeypatch)
    assert stage.look().outcome is Outcome.ENDED


def test_whoever_only_looks_is_not_taken_for_another_host(tmp_path: Path) -> None:
    looking = try_lock(tmp_path)
    assert looking is not None

    assert try_lock(tmp_path) is None
    threading.Timer(0.1, lambda: os.close(looking)).start()
    assert try_lock(tmp_path, patience_s=LONGEST_S) is not None


def test_what_others_write_later_is_no_sign_of_life(stage: Stage, spawned: list[str]) -> None:
    stage.executor.submit(stage.spec("true"))
    folder = instance(stage)
    lock = try_lock(folder)
    assert lock is not None
    os.utime(lock, (1_000.0, 1_000.0))
    write_book(folder, "launched", 900.0)
    replace_json(folder / CANCEL, {"grace_s": 0.0})
    os.close(lock)
    seen = stage.look()

    assert last_sign_of_life(folder) == 1_000.0
    assert read_book(folder).terminated == 1_000.0 and read_book(folder).why == "lost"
    assert seen.exit is not None and seen.exit.kind is ExitKind.LOST
    assert len((folder / BOOK).read_bytes().splitlines()) == 2


def test_looking_hard_while_a_host_starts_does_not_keep_it_from_starting(stage: Stage) -> None:
    stage.executor.submit(stage.spec("true"))
    seen = stage.look()
    while seen.outcome is not Outcome.ENDED:  # bounded: a host that does not come ends as no start
        seen = stage.look()

    assert seen.exit is not None and seen.exit.kind is ExitKind.DONE


def test_one_token_asked_for_by_many_at_once_lives_once(stage: Stage) -> None:
    mark = stage.folder / "launches"
    spec = stage.spec(f"echo x >> {mark}; sleep 0.3")
    callers = [threading.Thread(target=stage.executor.submit, args=(spec,)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    stage.end()
    stage.until(lambda _: not stage.executor.alive())

    assert mark.read_text() == "x\n"
