import os
import random
import signal
import threading
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from shoestring.domain.errors import BadInput, CheckpointCorrupt
from shoestring.training import checkpointer as checkpointers
from shoestring.training import session as sessions
from shoestring.training import spool
from shoestring.training.place import Folder
from tests.training.given import Spool, Training, pins, same, saved_steps


@pytest.fixture(scope="module")
def uninterrupted():
    """Weights and losses after 20 steps without a pause."""
    training = Training()
    losses = training.train(training.checkpointer(), 20)
    return losses, training.weights()


@pytest.fixture(params=["local", "memory"])
def where(request, tmp_path):
    if request.param == "local":
        yield str(tmp_path / "checkpoints")
        return
    yield f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def spooled(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "LOOK_S", 0.0)
    return Spool(tmp_path / "spool")


def folders(where: str) -> list[str]:
    return Folder.at(where).names()


class TestResume:
    def test_a_resumed_training_is_bit_identical_to_an_uninterrupted_one(self, where, uninterrupted):
        first = Training()
        losses = first.train(first.checkpointer(where), 13)
        second = Training(seed=99)  # the second life begins with other weights and generators
        second.data = first.data
        losses += second.train(second.checkpointer(where), 20)
        assert losses == uninterrupted[0]
        assert same(second.weights(), uninterrupted[1])

    def test_python_and_numpy_generators_go_on_where_they_were(self, tmp_path):
        training = Training()
        training.train(training.checkpointer(tmp_path), 2)
        expected = random.random(), np.random.rand(), torch.rand(1)
        random.seed(5), np.random.seed(5), torch.manual_seed(5)
        assert training.checkpointer(tmp_path).restore() == 2
        assert (random.random(), np.random.rand(), torch.rand(1)) == expected

    def test_nothing_saved_is_a_fresh_start(self, where):
        training = Training()
        before = training.weights()
        assert training.checkpointer(where).restore() == 0
        assert same(training.weights(), before)

    def test_no_place_means_no_checkpoints(self, tmp_path):
        training = Training()
        checkpointer = training.checkpointer()
        training.train(checkpointer, 3)
        with pytest.raises(BadInput, match="nowhere to save"):
            checkpointer.save()

    def test_a_finished_training_does_nothing_more(self, tmp_path):
        training = Training()
        training.train(training.checkpointer(tmp_path), 5)
        before = folders(str(tmp_path))
        assert training.train(training.checkpointer(tmp_path), 5) == []
        assert folders(str(tmp_path)) == before

    def test_other_objects_than_saved_are_refused(self, tmp_path):
        training = Training()
        training.train(training.checkpointer(tmp_path), 2)
        training.scheduler = None
        with pytest.raises(BadInput, match=r"the checkpoint holds .*'scheduler'"):
            training.checkpointer(tmp_path).restore()

    def test_an_object_without_state_is_refused(self):
        with pytest.raises(BadInput, match=r"Checkpointer\(extra=...\): int has no state_dict"):
            Training().checkpointer(extra=3)


class TestKeeping:
    def test_the_last_n_are_kept(self, where):
        training = Training()
        checkpointer = training.checkpointer(where, keep_last=2)
        for step in checkpointer.steps(4):
            training.one_step([step])
            checkpointer.save(wait=True)
        assert [name[:11] for name in folders(where)] == ["step-000003", "step-000004"]

    def test_what_the_journal_may_still_restore_is_kept_too(self, tmp_path, spooled):
        root = tmp_path / "checkpoints"
        env = {spool.ENV_CHECKPOINT_DIR: str(root), spool.ENV_RESTORE: "[]"}
        first = Training()
        first.train(first.checkpointer(session=spooled.session(**env)), 3)
        env[spool.ENV_RESTORE] = pins(spooled.events("checkpoint"))
        second = Training()
        second.train(second.checkpointer(session=spooled.session(**env), keep_last=1), 5)
        second.train(second.checkpointer(session=spooled.session(**env), keep_last=1), 7)
        assert saved_steps(root) == [7, 3]

    def test_what_a_cut_off_save_left_is_removed(self, tmp_path):
        litter = tmp_path / "step-000001-a1-abcdef"
        litter.mkdir(parents=True)
        (litter / "__0_0.distcp").write_bytes(b"half")
        (tmp_path / "notes.txt").write_text("not ours")
        training = Training()
        training.train(training.checkpointer(tmp_path), 2)
        assert not litter.exists()
        assert (tmp_path / "notes.txt").exists()

    def test_saves_can_be_counted_in_steps(self, tmp_path):
        training = Training()
        training.train(training.checkpointer(tmp_path, every_steps=3, keep_last=9), 8)
        assert saved_steps(tmp_path) == [8, 6, 3]

    def test_the_end_does_not_save_again_what_is_just_being_saved(self, tmp_path):
        training = Training()
        training.train(training.checkpointer(tmp_path, every_steps=3, keep_last=9), 6)
        assert saved_steps(tmp_path) == [6, 3]


class TestFallingBack:
    def test_a_corrupt_checkpoint_is_reported_and_the_one_before_is_used(self, tmp_path, spooled, caplog):
        root = tmp_path / "checkpoints"
        session = spooled.session(**{spool.ENV_CHECKPOINT_DIR: str(root)})
        for steps in (4, 8):
            training = Training()
            training.train(training.checkpointer(session=session), steps)
        (newest,) = root.glob("step-000008-*")
        shard = newest / "__0_0.distcp"
        shard.write_bytes(shard.read_bytes()[:-1] + b"?")
        assert Training().checkpointer(session=session).restore() == 4
        (rejected,) = spooled.events("rejected")
        assert rejected["checkpoint_id"] == newest.name
        assert "__0_0.distcp: sha256" in rejected["reason"]
        assert newest.name in caplog.text
        assert spooled.events("restore")[-1]["step"] == 4

    def test_never_silently_from_scratch(self, tmp_path):
        for steps in (4, 8):
            training = Training()
            training.train(training.checkpointer(tmp_path), steps)
        for shard in tmp_path.glob("*/*.distcp"):
            shard.unlink()
        with pytest.raises(CheckpointCorrupt, match="none of 2 checkpoints") as refused:
            Training().checkpointer(tmp_path).restore()
        assert refused.value.next_step

    def test_the_journal_and_not_the_folder_says_which_is_ours(self, tmp_path, spooled):
        root = tmp_path / "checkpoints"
        session = spooled.session(**{spool.ENV_CHECKPOINT_DIR: str(root)})
        training = Training()
        training.train(training.checkpointer(session=session), 4)
        known = pins(spooled.events("checkpoint"))
        stranger = Training(seed=3)
        stranger.train(stranger.checkpointer(root), 9)
        env = {spool.ENV_CHECKPOINT_DIR: str(root), spool.ENV_RESTORE: known}
        assert Training().checkpointer(session=spooled.session(**env)).restore() == 4
        env[spool.ENV_RESTORE] = "[]"
        assert Training().checkpointer(session=spooled.session(**env)).restore() == 0

    def test_a_pinned_checkpoint_that_is_gone_is_an_error(self, tmp_path, spooled):
        known = '[{"id": "a", "uri": "%s", "manifest_sha256": "00", "step": 5}]' % (tmp_path / "gone")
        session = spooled.session(**{spool.ENV_RESTORE: known})
        with pytest.raises(CheckpointCorrupt, match="cut off or it was pruned"):
            Training().checkpointer(session=session).restore()


class TestInARun:
    """The supervisor's side is the spool; every call of step() is one turn of the loop."""

    def loop(self, spooled, root, **options):
        env = {spool.ENV_CHECKPOINT_DIR: str(root), spool.ENV_INTERVAL_S: "1e9", spool.ENV_ATTEMPT: "2"}
        training = Training()
        checkpointer = training.checkpointer(session=spooled.session(**{**env, **options}))
        checkpointer.restore()
        return training, checkpointer

    def test_a_checkpoint_is_reported_once_it_is_durable(self, tmp_path, spooled):
        training, checkpointer = self.loop(spooled, tmp_path / "c")
        training.train(checkpointer, 3)
        (event,) = spooled.events("checkpoint")
        folder = Path(event["uri"])
        assert event["id"] == folder.name
        assert event["id"].startswith("step-000003-a2-")
        assert event["size_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
        assert event["manifest_sha256"] == Folder.at(folder).sha256("manifest.json")
        assert (event["step"], event["trigger"]) == (3, "end")
        assert 0 < event["blocked_s"] <= event["save_s"]
        assert abs(event["at"] - time.time()) < 60

    def test_due(self, tmp_path, spooled):
        _, checkpointer = self.loop(spooled, tmp_path, **{spool.ENV_INTERVAL_S: "0.0001"})
        checkpointer.step(1)
        checkpointer._finish()
        assert [event["trigger"] for event in spooled.events("checkpoint")] == ["due"]

    def test_asked(self, tmp_path, spooled):
        _, checkpointer = self.loop(spooled, tmp_path)
        checkpointer.step(1)
        spooled.ask(save=1)
        checkpointer.step(2)
        checkpointer.step(3)
        checkpointer._finish()
        assert [(e["step"], e["trigger"]) for e in spooled.events("checkpoint")] == [(2, "asked")]

    def test_a_notice_with_time_enough(self, tmp_path, spooled):
        _, checkpointer = self.loop(spooled, tmp_path)
        spooled.notice(at=time.time(), until=time.time() + 120, source="test")
        for step in (1, 2, 3):
            checkpointer.step(step)
        checkpointer._finish()
        assert [(e["step"], e["trigger"]) for e in spooled.events("checkpoint")] == [(1, "notice")]

    def test_a_notice_too_short_for_a_save_is_let_pass(self, tmp_path, spooled):
        _, checkpointer = self.loop(spooled, tmp_path)
        checkpointer._schedule.saved(time.monotonic(), 100.0)
        spooled.notice(at=time.time(), until=time.time() + 30, source="test")
        checkpointer.step(1)
        assert checkpointer._save is None
        assert spooled.events("checkpoint") == []

    def test_after_a_notice_a_last_save_as_late_as_is_safe(self, tmp_path, spooled):
        _, checkpointer = self.loop(spooled, tmp_path)
        spooled.notice(at=time.time(), until=time.time() + 1000, source="test")
        checkpointer.step(1)
        checkpointer._finish()
        checkpointer._schedule.last -= 60
        checkpointer._schedule.save_s = 30.0  # a save takes long, so that "late" does not last a moment only
        spooled.notice(at=1.0, until=time.time() + 60, source="test")
        checkpointer.session._notice_answered = spool.read_json(spooled.folder / spool.NOTICE)
        checkpointer.step(2)
        checkpointer._finish()
        assert [(e["step"], e["trigger"]) for e in spooled.events("checkpoint")] == [
            (1, "notice"),
            (2, "notice"),
        ]

    @pytest.mark.parametrize("how", ["asked", "sigterm"])
    def test_a_stop_saves_first_and_says_so_by_its_exit_code(self, tmp_path, spooled, how):
        _, checkpointer = self.loop(spooled, tmp_path)
        if how == "asked":
            spooled.ask(stop=1)
        else:
            before = signal.getsignal(signal.SIGTERM)
            checkpointer.session.listen()
            os.kill(os.getpid(), signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)
        with pytest.raises(SystemExit) as left:
            checkpointer.step(5)
        assert left.value.code == spool.EXIT_SAVED == 85
        (event,) = spooled.events("checkpoint")
        assert (event["step"], event["trigger"]) == (5, how)
        assert event["blocked_s"] == event["save_s"]
        assert spooled.heartbeat()["step"] == 5
        assert spooled.events("span")[-1]["step_to"] == 5

    def test_a_stop_just_after_a_save_does_not_save_again(self, tmp_path, spooled):
        _, checkpointer = self.loop(spooled, tmp_path)
        checkpointer.step(5)
        checkpointer.save("asked", wait=True)
        spooled.ask(stop=1)
        with pytest.raises(SystemExit):
            checkpointer._stop("asked")
        assert len(spooled.events("checkpoint")) == 1

    def test_a_stop_without_a_place_says_that_nothing_was_saved(self, spooled):
        training = Training()
        checkpointer = training.checkpointer(session=spooled.session())
        spooled.ask(stop=1)
        with pytest.raises(SystemExit) as left:
            checkpointer.step(5)
        assert left.value.code == checkpointers.EXIT_UNSAVED

    def test_a_restore_is_reported(self, tmp_path, spooled):
        training, checkpointer = self.loop(spooled, tmp_path)
        training.train(checkpointer, 3)
        _, checkpointer = self.loop(
            spooled, tmp_path, **{spool.ENV_RESTORE: pins(spooled.events("checkpoint"))}
        )
        (restored,), (saved,) = spooled.events("restore"), spooled.events("checkpoint")
        assert (restored["checkpoint_id"], restored["step"]) == (saved["id"], 3)
        assert restored["size_bytes"] == saved["size_bytes"]
        assert restored["restore_s"] > 0
        assert spooled.heartbeat()["resumed_step"] == 3


class TestTrouble:
    def test_training_goes_on_when_a_save_fails(self, tmp_path, spooled, caplog, monkeypatch):
        session = spooled.session(**{spool.ENV_CHECKPOINT_DIR: str(tmp_path / "c")})
        training = Training()
        checkpointer = training.checkpointer(session=session)
        monkeypatch.setattr(Folder, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        training.train(checkpointer, 3)
        monkeypatch.undo()
        (failed,) = spooled.events("save_failed")
        assert "No space left" in failed["error"]
        assert "Training goes on; free space" in caplog.text
        checkpointer.save(wait=True)
        assert saved_steps(tmp_path / "c") == [3]

    def test_the_copy_in_a_save_is_not_touched_by_training(self, tmp_path, monkeypatch):
        training = Training()
        checkpointer = training.checkpointer(tmp_path)
        gate = HoldsBack(monkeypatch)
        checkpointer.step(1)
        at_save = training.weights()
        checkpointer.save()
        training.one_step([1, 2, 3])
        gate.open()
        checkpointer._finish()
        again = Training(seed=4)
        again.checkpointer(tmp_path).restore()
        assert same(again.weights(), at_save)
        assert not same(training.weights(), at_save)

    def test_a_save_that_hangs_is_left_and_can_never_commit(self, tmp_path, monkeypatch, caplog):
        training = Training()
        checkpointer = training.checkpointer(tmp_path)
        gate = HoldsBack(monkeypatch)
        checkpointer.step(1)
        checkpointer.save()
        hung = checkpointer._save
        with monkeypatch.context() as patch:
            patch.setattr(checkpointers, "HANG_S", 0.05)
            checkpointer._finish()
        assert "not durable after" in caplog.text
        training.one_step([1])
        gate.open()
        checkpointer.step(2)
        checkpointer.save(wait=True)
        assert hung.wait(60)
        assert isinstance(hung.error, TimeoutError)
        assert saved_steps(tmp_path) == [2]

    def test_a_second_sigterm_does_not_wait_for_a_save_that_hangs(self, tmp_path, monkeypatch, spooled):
        training = Training()
        session = spooled.session(**{spool.ENV_CHECKPOINT_DIR: str(tmp_path)})
        checkpointer = training.checkpointer(session=session)
        gate = HoldsBack(monkeypatch)
        session.terms = 2
        with pytest.raises(SystemExit) as left:
            checkpointer.step(1)
        assert left.value.code == checkpointers.EXIT_UNSAVED
        gate.open()


class HoldsBack:
    """Files are written only once the gate is open."""

    def __init__(self, monkeypatch):
        self._event = threading.Event()
        write = Folder.write

        def waits(folder, name, data):
            assert self._event.wait(60)
            return write(folder, name, data)

        monkeypatch.setattr(Folder, "write", waits)

    def open(self):
        self._event.set()
