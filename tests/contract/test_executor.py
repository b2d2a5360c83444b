"""The contract that every executor keeps (see ports.Executor). A new engine joins by a row in STAGES."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from shoestring.domain.errors import ExecutorUnavailable, NoCapacity, StaleLeader
from shoestring.domain.run import Attempt, ExitKind, Observation, Outcome, RunState
from shoestring.ledger.data_prices import DataPrices
from shoestring.ledger.rate import rate_all
from shoestring.ledger.usage import usage_of_run
from tests.contract.executors import LONGEST_S, PYTHON, STAGES, Stage, rehearsal


@pytest.fixture(params=sorted(STAGES))
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    stage = STAGES[request.param](tmp_path)
    yield stage
    _end_all(stage)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Stage]:
    stage = rehearsal(tmp_path)
    yield stage
    _end_all(stage)


def _end_all(stage: Stage) -> None:
    for process in psutil.process_iter():
        try:
            if any(str(stage.folder) in word for word in process.cmdline()):
                process.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def test_a_launch_called_twice_launches_once(stage: Stage) -> None:
    mark = stage.folder / "launches"
    spec = stage.spec(f"echo x >> {mark}; sleep 0.3")
    first = stage.executor.submit(spec)
    second = stage.executor.submit(spec)
    stage.end()

    assert first.attempt_id == second.attempt_id == "run-1"
    assert mark.read_text() == "x\n"
    assert len(stage.executor.bill()) == 1


def test_a_job_that_ends_well_is_done_and_its_instance_is_gone(stage: Stage) -> None:
    stage.executor.submit(stage.spec("true"))
    seen = stage.end()

    assert seen.exit is not None and seen.exit.kind is ExitKind.DONE and seen.exit.code == 0
    assert seen.launched_at is not None and seen.booted_at is not None and seen.terminated_at is not None
    assert seen.launched_at <= seen.booted_at <= seen.terminated_at
    assert stage.executor.alive() == ()


def test_code_that_fails_is_told_apart(stage: Stage) -> None:
    stage.executor.submit(stage.spec("exit 7"))
    end = stage.end().exit

    assert end is not None and (end.kind, end.code) == (ExitKind.FAILED, 7)


def test_cancel_is_final_idempotent_and_lets_the_job_save(stage: Stage) -> None:
    saved = stage.folder / "saved"
    stage.executor.submit(stage.spec(f"trap 'touch {saved}; exit 85' TERM; sleep 1000 & wait"))
    stage.until(lambda seen: seen.booted_at is not None)
    for _ in range(2):
        stage.executor.cancel("run-1", 1, grace_s=60.0 * stage.executor.clock.scale)
    seen = stage.end()

    assert saved.exists()
    assert seen.exit is not None and seen.exit.kind is ExitKind.STOPPED
    again = stage.executor.submit(stage.spec("true"))
    assert again.outcome is Outcome.ENDED, "the same token never launches again"


def test_what_does_not_stop_is_killed_after_the_grace_with_all_it_started(stage: Stage) -> None:
    sleeper = _sleeper(stage)
    stage.executor.submit(
        stage.spec(f"trap '' TERM; setsid sh -c 'trap \"\" TERM; {sleeper} 77' & while :; do sleep 0.1; done")
    )
    stage.until(lambda _: _with(str(sleeper)))
    stage.executor.cancel("run-1", 1, grace_s=0.5 * stage.executor.clock.scale)
    seen = stage.end()

    assert seen.exit is not None and seen.exit.kind is ExitKind.STOPPED
    assert _with(str(sleeper)) == []


def _sleeper(stage: Stage) -> Path:
    """A ``sleep`` by a name of its own: no other test, and no other checkout, has such a process."""
    sleeper = stage.folder / "sleeper"
    sleeper.symlink_to(shutil.which("sleep") or "/bin/sleep")
    return sleeper


def _with(words: str) -> list[psutil.Process]:
    """Living processes with these words in their command line."""
    return [process for process in psutil.process_iter() if words in " ".join(_words(process))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def test_a_token_cancelled_before_it_was_asked_for_never_launches(stage: Stage) -> None:
    stage.executor.cancel("run-1", 1, grace_s=0.0)

    with pytest.raises(NoCapacity):
        stage.executor.submit(stage.spec("true"))
    assert stage.executor.bill() == ()


def test_a_token_nobody_asked_for_is_missing_from_the_answer(stage: Stage) -> None:
    assert dict(stage.executor.poll(["unheard-of"])) == {}


def test_logs_stream_and_go_on_from_an_offset(stage: Stage) -> None:
    stage.executor.submit(stage.spec("echo one; echo two"))
    stage.end()
    first, offset = stage.executor.logs("run-1", 0, limit=4)
    rest, end = stage.executor.logs("run-1", offset)

    assert first + rest == b"one\ntwo\n"
    assert stage.executor.logs("run-1", end) == (b"", end)


def test_a_save_that_is_asked_for_reaches_the_job_and_it_trains_on(stage: Stage) -> None:
    code = (
        "import time; from shoestring.training import attach\n"
        "session, step = attach(), 0\n"
        "while True:\n"
        "    step += 1; session.step(step); time.sleep(0.02)\n"
        "    want = session.want()\n"
        "    if want.save: print('asked to save', flush=True); session.answered()\n"
    )
    script = stage.folder / "job.py"
    script.write_text(code)
    stage.executor.submit(stage.spec(f"exec {PYTHON} {script}"))
    before = stage.until(lambda seen: seen.heartbeat is not None).heartbeat
    stage.executor.save("run-1", 1)
    stage.until(lambda seen: b"asked to save" in stage.executor.logs("run-1")[0])

    assert before is not None
    stage.until(lambda seen: seen.heartbeat.step > before.step)  # type: ignore[union-attr]
    stage.executor.cancel("run-1", 1, grace_s=0.0)
    stage.end()


def test_the_jobs_variables_reach_the_job_and_nothing_else(stage: Stage) -> None:
    canary = "canary-5f1d0c"
    spec = replace(stage.spec('test -n "$TOKEN" && sleep 0.5'), env={"TOKEN": canary})
    stage.executor.submit(spec)
    stage.until(lambda seen: seen.booted_at is not None)
    words = [" ".join(_words(process)) for process in psutil.process_iter()]
    end = stage.end().exit

    assert end is not None and end.kind is ExitKind.DONE, "the job must have had it"
    assert not [line for line in words if canary in line]
    files = [path for path in stage.folder.rglob("*") if path.is_file()]
    assert files and not [path for path in files if canary.encode() in path.read_bytes()]
    assert canary not in repr(spec) + repr(stage.look())


def test_an_instance_without_a_supervisor_ends_itself_after_its_job(stage: Stage) -> None:
    go = stage.folder / "go"
    stage.executor.submit(stage.spec(f"while ! test -e {go}; do sleep 0.05; done"))
    host = _hosts(stage)
    go.touch()
    gone, left = psutil.wait_procs(host, timeout=LONGEST_S)

    assert len(gone) == 1 and left == []
    assert stage.executor.alive() == ()
    end = stage.look().exit
    assert end is not None and end.kind is ExitKind.DONE, "and its end is told to whoever asks later"


def _hosts(stage: Stage) -> list[psutil.Process]:
    """Host processes of this stage's instances."""
    return [p for p in _with(str(stage.folder)) if "shoestring.executors.host" in _words(p)]


def test_an_epoch_that_has_passed_may_do_nothing(stage: Stage) -> None:
    stage.executor.submit(replace(stage.spec("sleep 600"), epoch=5))

    with pytest.raises(StaleLeader):
        stage.executor.submit(replace(stage.spec("true", "run-2"), epoch=4))
    for act in (
        lambda: stage.executor.cancel("run-1", 4, grace_s=0.0),
        lambda: stage.executor.save("run-1", 4),
    ):
        with pytest.raises(StaleLeader):
            act()
    assert stage.look().outcome is Outcome.RUNNING
    stage.executor.cancel("run-1", 5, grace_s=0.0)
    stage.end()


def test_an_engine_that_is_away_says_so_and_never_that_a_job_has_ended(stage: Stage) -> None:
    stage.executor.submit(stage.spec("sleep 600"))
    instances = next(stage.folder.glob("*/instances"))
    away = instances.with_name("away")
    instances.rename(away)

    for ask in (
        stage.executor.offers,
        lambda: stage.executor.poll(["run-1"]),
        stage.executor.alive,
        lambda: stage.executor.cancel("run-1", 1, grace_s=0.0),
        lambda: stage.executor.submit(stage.spec("true", "run-2")),
    ):
        with pytest.raises(ExecutorUnavailable):
            ask()
    away.rename(instances)
    assert stage.look().outcome is Outcome.RUNNING
    stage.executor.cancel("run-1", 1, grace_s=0.0)
    stage.end()


def test_an_instance_that_vanishes_is_lost_its_job_dies_and_billing_ends(stage: Stage) -> None:
    sleeper = _sleeper(stage)
    stage.executor.submit(stage.spec(f"{sleeper} 78"))
    stage.until(lambda _: _with(str(sleeper)))
    for process in _hosts(stage):
        os.kill(process.pid, signal.SIGKILL)
    seen = stage.end()

    assert seen.exit is not None and seen.exit.kind is ExitKind.LOST
    assert stage.executor.alive() == ()
    assert stage.look() == seen, "what has ended does not change"
    stage.until(lambda _: not _with(str(sleeper)))


def test_a_gang_ends_well_only_together(stage: Stage) -> None:
    stage.executor.submit(stage.spec("exit $SKYPILOT_NODE_RANK", nodes=2))
    end = stage.end().exit

    assert end is not None and end.kind is ExitKind.FAILED


def test_a_gang_knows_its_ranks_and_is_billed_for_each(stage: Stage) -> None:
    out = stage.folder / "ranks"
    stage.executor.submit(stage.spec(f"echo $SKYPILOT_NODE_RANK/$SKYPILOT_NUM_NODES >> {out}", nodes=2))
    seen = stage.end()

    assert sorted(out.read_text().split()) == ["0/2", "1/2"]
    assert _charged(stage, seen, nodes=2) == _billed(stage)


def test_usage_and_price_come_back_and_the_ledger_agrees_with_the_engine_to_the_cent(stage: Stage) -> None:
    stage.executor.submit(stage.spec("sleep 0.4"))
    seen = stage.end()

    spans = seen.price_spans
    assert spans[0].start == seen.launched_at and spans[-1].end == seen.terminated_at
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert _charged(stage, seen) == _billed(stage)


def _charged(stage: Stage, seen: Observation, nodes: int = 1) -> Decimal:
    attempt = Attempt(
        id="run-1", run_id="run", number=1, token="run-1", offer=stage.offer(), observation=seen
    )
    assert seen.terminated_at is not None
    usage = usage_of_run(
        [attempt], until=seen.terminated_at, state=RunState.SUCCEEDED, nodes=nodes, prices=DataPrices()
    )
    return round(sum((c.amount_usd for c in rate_all(usage).charges), Decimal(0)), 2)


def _billed(stage: Stage) -> Decimal:
    return round(sum((line.amount_usd for line in stage.executor.bill()), Decimal(0)), 2)


def test_a_notice_reaches_the_job_and_an_early_interruption_is_free(market: Stage) -> None:
    told = market.folder / "told"
    code = (
        "import json,os,signal,sys,time,urllib.request as u\n"
        "base=os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT']\n"
        "ask=lambda p,m,h: u.urlopen(u.Request(base+p,method=m,headers=h),timeout=60).read().decode()\n"
        "token=ask('/latest/api/token','PUT',{'X-aws-ec2-metadata-token-ttl-seconds':'60'})\n"
        "def look(*_):\n"
        "    try: said=ask('/latest/meta-data/spot/instance-action','GET',{'X-aws-ec2-metadata-token':token})\n"
        "    except OSError: return\n"
        f"    open({str(told)!r},'w').write(said)\n"
        "signal.signal(signal.SIGTERM, lambda *_: (look(), sys.exit(85)))\n"
        "while True:\n"
        "    time.sleep(0.05)\n"
        "    look()\n"
    )
    script = market.folder / "job.py"
    script.write_text(code)
    market.executor.submit(market.spec(f"exec {PYTHON} {script}"))
    market.until(lambda seen: seen.booted_at is not None)
    market.executor.interrupt("run-1", notice_s=6.0)
    noticed = market.until(lambda seen: seen.notice_at is not None)
    seen = market.end()

    assert noticed.outcome is Outcome.RUNNING
    assert '"terminate"' in told.read_text()
    assert seen.exit is not None and seen.exit.kind is ExitKind.PREEMPTED and seen.interrupted
    assert _billed(market) == 0 == _charged(market, seen), "EC2 takes nothing for a first hour it cuts short"


def test_a_loss_without_notice_is_a_preemption_too(market: Stage) -> None:
    market.executor.submit(market.spec("sleep 600"))
    market.until(lambda seen: seen.booted_at is not None)
    market.executor.interrupt("run-1", notice_s=None)
    seen = market.end()

    assert seen.exit is not None and seen.exit.kind is ExitKind.PREEMPTED
    assert seen.notice_at is None


def test_a_refused_launch_stays_refused_for_its_token(tmp_path: Path) -> None:
    stage = rehearsal(tmp_path, launch_failure_share=1.0)

    for _ in range(2):
        with pytest.raises(NoCapacity, match="launch failed"):
            stage.executor.submit(stage.spec("true"))
    seen = stage.look()
    assert seen.exit is not None and seen.exit.kind is ExitKind.NO_START
    assert stage.executor.bill() == ()


def test_no_more_instances_than_a_zone_has(market: Stage, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "market")
    zones = {"eu-west-1a": {"region": "eu-west-1", "on_demand": 1.2, "capacity": 1}}
    from shoestring.executors.marketfile import ZoneFile

    stage = rehearsal(tmp_path, zones={n: ZoneFile(**z) for n, z in zones.items()})
    stage.executor.submit(stage.spec("sleep 600", "a-1"))
    stage.until(lambda seen: seen.booted_at is not None, "a-1")
    with pytest.raises(NoCapacity, match="in use"):
        stage.executor.submit(stage.spec("true", "b-1"))
    stage.executor.cancel("a-1", 1, grace_s=0.0)
    stage.end("a-1")


def test_a_job_over_its_time_is_out_of_time_and_one_that_beats_no_more_is_hung(tmp_path: Path) -> None:
    stage = STAGES["local"](tmp_path, max_duration_s=1.0)
    stage.executor.submit(stage.spec("trap 'exit 3' TERM; sleep 600 & wait"))
    end = stage.end().exit
    assert end is not None and end.kind is ExitKind.OUT_OF_TIME

    code = "from shoestring.training import attach; import time; attach().step(1); time.sleep(600)"
    other = STAGES["local"](tmp_path / "other")
    other.executor.submit(replace(other.spec(f'exec {PYTHON} -c "{code}"'), hang_s=1.0, grace_s=1.0))
    end = other.end().exit
    assert end is not None and end.kind is ExitKind.HUNG
