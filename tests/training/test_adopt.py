"""The run's side of a framework's callback, with a framework of ten lines."""

import json
import math

import pytest

from shoestring.training import session as sessions
from shoestring.training import spool
from shoestring.training.adopt import Adopted
from shoestring.training.session import EXIT_UNSAVED, Session
from tests.training.given import Spool, pins


@pytest.fixture
def spooled(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "LOOK_S", 0.0)
    return Spool(tmp_path / "spool")


class Framework:
    """Trains, saves when told to, and stops when told to."""

    def __init__(self, where, session):
        self.where = where
        self.run = Adopted("checkpoint-*", "done.json", session)

    def train(self, start, steps, *, at=None):
        self.run.begin(start)
        step = start
        for step in range(start + 1, steps + 1):
            if at and step in at:
                at[step]()
            decision = self.run.step(step, total_steps=steps, loss=1.0, metrics={})
            if decision.trigger:
                self.save(step)
            if decision.stop:
                break
        self.run.end(step, steps)
        return step

    def save(self, step):
        folder = self.where / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "done.json").write_text(json.dumps({"step": step}))
        self.run.saved(self.where, step)


def test_outside_a_run_it_never_interferes(tmp_path):
    framework = Framework(tmp_path / "c", Session(None, {}))
    assert framework.train(0, 5) == 5
    assert framework.run.newest(tmp_path / "c") is None


def test_without_a_policy_the_frameworks_own_rhythm_stands(tmp_path, spooled):
    framework = Framework(tmp_path / "c", spooled.session())
    framework.train(0, 50)
    assert framework.run._schedule.every_s == math.inf
    assert spooled.events("checkpoint") == []


def test_a_save_of_the_frameworks_own_is_reported_too(tmp_path, spooled):
    framework = Framework(tmp_path / "c", spooled.session())
    framework.train(0, 6, at={3: lambda: framework.save(3)})
    (event,) = spooled.events("checkpoint")
    assert (event["step"], event["trigger"], event["uri"]) == (3, "due", f"{tmp_path}/c/checkpoint-3")


def test_a_save_that_is_not_whole_is_not_reported(tmp_path, spooled):
    framework = Framework(tmp_path / "c", spooled.session())
    framework.train(0, 2)
    (tmp_path / "c" / "checkpoint-2").mkdir(parents=True)
    framework.run.saved(tmp_path / "c", 2)
    assert spooled.events("checkpoint") == []


def test_a_stop_leaves_with_85_and_the_next_attempt_goes_on(tmp_path, spooled):
    framework = Framework(tmp_path / "c", spooled.session())
    with pytest.raises(SystemExit) as left:
        framework.train(0, 9, at={4: lambda: spooled.ask(stop=1)})
    assert left.value.code == spool.EXIT_SAVED
    spooled.ask(stop=0)
    session = spooled.session(**{spool.ENV_RESTORE: pins(spooled.events("checkpoint"))})
    again = Framework(tmp_path / "c", session)
    assert again.run.newest(tmp_path / "c").step == 4
    assert again.train(4, 9) == 9
    (restored,) = spooled.events("restore")
    assert (restored["step"], restored["checkpoint_id"]) == (4, f"{tmp_path}/c/checkpoint-4")


def test_a_stop_at_the_last_step_is_a_finished_training(tmp_path, spooled):
    framework = Framework(tmp_path / "c", spooled.session())
    assert framework.train(0, 4, at={4: lambda: spooled.ask(stop=1)}) == 4


def test_a_stop_whose_save_failed_does_not_claim_to_be_saved(tmp_path, spooled):
    framework = Framework(tmp_path / "c", spooled.session())
    framework.save = lambda step: None
    with pytest.raises(SystemExit) as left:
        framework.train(0, 9, at={4: lambda: spooled.ask(stop=1)})
    assert left.value.code == EXIT_UNSAVED


def test_what_the_journal_does_not_know_is_not_resumed(tmp_path, spooled):
    Framework(tmp_path / "c", Session(None, {})).save(7)
    session = spooled.session(**{spool.ENV_RESTORE: "[]"})
    assert Framework(tmp_path / "c", session).run.newest(tmp_path / "c") is None
    assert Framework(tmp_path / "c", spooled.session()).run.newest(tmp_path / "c").step == 7
