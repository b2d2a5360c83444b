import os
import signal
import subprocess
import sys
import time

import pytest

from shoestring.domain.errors import BadInput
from shoestring.training import session as sessions
from shoestring.training import spool
from shoestring.training.session import NOTHING, Session
from tests.training.given import Spool


@pytest.fixture
def spooled(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def impatient(monkeypatch):
    """Look and write at every call."""
    monkeypatch.setattr(sessions, "LOOK_S", 0.0)


def test_outside_a_run_everything_is_a_no_op():
    session = Session(None, {})
    session.resumed(3)
    session.step(4, loss=1.0)
    session.cut(4)
    session.event("checkpoint", durable=True)
    assert session.want() == NOTHING
    assert not session.active


def test_attach_gives_one_session_and_refuses_a_folder_that_is_no_spool(monkeypatch, tmp_path):
    monkeypatch.setattr(sessions, "_attached", None)
    monkeypatch.setenv(spool.ENV_SPOOL, str(tmp_path))
    with pytest.raises(BadInput, match="not the spool of a running attempt"):
        sessions.attach()
    monkeypatch.delenv(spool.ENV_SPOOL)
    assert sessions.attach() is sessions.attach()


def test_a_heartbeat_says_all_it_knows(spooled, impatient):
    import torch

    session = spooled.session()
    session.resumed(10)
    session.step(
        12,
        total_steps=100,
        samples=96,
        loss=torch.tensor(0.5),
        metrics={"lr": 0.1, "bad": float("nan"), "many": torch.ones(2)},
    )
    beat = spooled.heartbeat()
    assert abs(beat.pop("at") - time.time()) < 60 and beat.pop("cpu_s") > 0
    assert beat == {
        "step": 12,
        "total_steps": 100,
        "samples": 96,
        "loss": 0.5,
        "metrics": {"lr": 0.1},
        "resumed_step": 10,
    }


def test_a_loss_that_is_no_number_is_unknown(spooled, impatient):
    session = spooled.session()
    session.step(1, loss=float("inf"))
    assert spooled.heartbeat()["loss"] is None


def test_the_first_heartbeat_comes_with_the_resume(spooled):
    spooled.session().resumed(7)
    assert spooled.heartbeat()["step"] == spooled.heartbeat()["resumed_step"] == 7


def test_heartbeats_are_rate_limited_and_cheap(spooled, monkeypatch):
    session = spooled.session()
    session.resumed(0)
    session.step(1)
    written = (spooled.folder / spool.HEARTBEAT).stat().st_mtime_ns
    session.want()
    monkeypatch.setattr(sessions, "LOOK_S", 3600.0)  # on a machine that stands still, 0.2 s may pass in here
    began = time.process_time()
    for done in range(1, 10_001):
        session.step(done, loss=1.0)
        session.want()
    cost_s = (time.process_time() - began) / 10_000
    assert (spooled.folder / spool.HEARTBEAT).stat().st_mtime_ns == written
    assert cost_s < 20e-6


def test_spans_tell_progress_apart_from_pauses(spooled):
    session = spooled.session()
    session.resumed(5)
    session.step(8)
    session.cut(8)
    session.cut(8)  # nothing done since: nothing to tell
    session.step(9)
    session.cut(9)
    spans = spooled.events("span")
    assert [(span["step_from"], span["step_to"]) for span in spans] == [(5, 8), (8, 9)]
    assert spans[0]["start"] <= spans[0]["end"] <= spans[1]["start"] <= spans[1]["end"]


def test_long_progress_is_reported_on_the_way(spooled, impatient, monkeypatch):
    monkeypatch.setattr(sessions, "SPAN_S", 0.0)
    session = spooled.session()
    session.resumed(0)
    session.step(1)
    session.step(2)
    assert [span["step_to"] for span in spooled.events("span")] == [1, 2]


def test_an_ask_stays_until_it_is_answered(spooled, impatient):
    session = spooled.session()
    assert session.want() == NOTHING
    spooled.ask(save=1)
    assert session.want().save == "asked"
    assert session.want().save == "asked"
    session.answered()
    assert session.want() == NOTHING
    spooled.ask(save=2)
    assert session.want().save == "asked"


def test_a_stop_is_never_unasked(spooled, impatient):
    session = spooled.session()
    spooled.ask(save=0, stop=1)
    assert session.want().stop == "asked"
    session.answered()
    assert session.want().stop == "asked"


def test_a_notice_asks_once_and_a_new_one_again(spooled, impatient):
    session = spooled.session()
    spooled.notice(at=1.0, until=99.5, source="aws")
    assert (session.want().save, session.want().until) == ("notice", 99.5)
    session.answered()
    assert (session.want().save, session.want().until) == (None, 99.5)
    spooled.notice(at=2.0, until=199.5, source="aws")
    assert session.want().save == "notice"


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"save": "x"}', b'{"save": null}', b"\xff\xfe"])
def test_a_torn_ask_is_no_ask(spooled, impatient, torn):
    (spooled.folder / spool.ASK).write_bytes(torn)
    (spooled.folder / spool.NOTICE).write_bytes(torn[:1])
    assert spooled.session().want() == NOTHING


def test_sigterm_asks_for_a_stop_and_an_older_handler_is_heard_too(spooled):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        session = spooled.session()
        session.listen()
        os.kill(os.getpid(), signal.SIGTERM)
        assert session.want().stop == "sigterm"
        assert (session.terms, heard) == (1, [1])
    finally:
        signal.signal(signal.SIGTERM, before)


def test_events_that_cannot_be_written_are_written_later(spooled, caplog):
    job = spooled.folder / "job"
    job.rename(spooled.folder / "gone")
    session = spooled.session()
    session.event("checkpoint", durable=True, step=1)
    session.event("checkpoint", durable=True, step=2)
    assert len(caplog.records) == 1, "said once, not at every step"
    (spooled.folder / "gone").rename(job)
    session.event("checkpoint", durable=True, step=3)
    assert [event["step"] for event in spooled.events()] == [1, 2, 3]


def test_only_the_first_process_of_a_node_writes(spooled, impatient):
    second = spooled.session(LOCAL_RANK="1")
    second.resumed(0)
    second.step(1)
    second.cut(1)
    second.event("checkpoint")
    assert list((spooled.folder / "job").iterdir()) == []
    spooled.ask(stop=1)
    assert second.want().stop == "asked"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon"])
def test_an_interval_that_is_none_is_refused(spooled, text):
    with pytest.raises(BadInput, match=spool.ENV_INTERVAL_S):
        spooled.session(**{spool.ENV_INTERVAL_S: text})


@pytest.mark.parametrize("text", ["{", "[1]", '[{"id": "a"}]', "7"])
def test_a_restore_list_that_is_none_is_refused(spooled, text):
    with pytest.raises(BadInput, match=spool.ENV_RESTORE):
        spooled.session(**{spool.ENV_RESTORE: text})


def test_no_journal_and_an_empty_journal_differ(spooled):
    assert spooled.session().restore is None
    assert spooled.session(**{spool.ENV_RESTORE: "[]"}).restore == ()


def test_attaching_needs_no_torch():
    code = "import sys; from shoestring.training import attach; attach(); print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert answer.stdout.strip() == "False", answer.stderr
