"""The callback in a real Lightning Trainer."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.extras
lightning = pytest.importorskip("lightning.pytorch", reason="make test-extras")

import torch  # noqa: E402

from shoestring.domain.errors import BadInput  # noqa: E402
from shoestring.training import session as sessions  # noqa: E402
from shoestring.training import spool  # noqa: E402
from shoestring.training.lightning import ShoestringCallback, newest_checkpoint  # noqa: E402
from shoestring.training.sampler import ElasticSampler  # noqa: E402
from tests.training.given import Spool, pins  # noqa: E402


class Tiny(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        loss = torch.nn.functional.dropout(self.layer(batch[0]), 0.3).square().mean()
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.05)


class AtStep(lightning.Callback):
    """Does something once a step is done, before our callback sees it."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step:
            self.act()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sessions, "LOOK_S", 0.0)


@pytest.fixture(autouse=True)
def sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def fit(folder, session, *callbacks, steps=12, resume=False, keep_last=2):
    lightning.seed_everything(0, verbose=False)
    sampler = ElasticSampler(32, batch_size=4)
    samples = torch.utils.data.TensorDataset(torch.randn(32, 4))
    data = torch.utils.data.DataLoader(samples, batch_sampler=sampler)
    model = Tiny()
    trainer = lightning.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[
            *callbacks,
            ShoestringCallback(folder / "c", sampler=sampler, session=session, keep_last=keep_last),
        ],
    )
    trainer.fit(model, data, ckpt_path=newest_checkpoint(folder / "c", session) if resume else None)
    return trainer, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def test_outside_a_run_it_changes_nothing(tmp_path):
    trainer, _ = fit(tmp_path, sessions.Session(None, {}))
    assert trainer.global_step == 12
    assert not (tmp_path / "c").exists()


def test_it_beats_the_heart(tmp_path):
    place = Spool(tmp_path / "spool")
    fit(tmp_path, place.session())
    beat = place.heartbeat()
    assert (beat["step"], beat["total_steps"], beat["resumed_step"]) == (12, 12, 0)
    assert beat["loss"] > 0
    assert "train_loss" in beat["metrics"]


@pytest.mark.parametrize("how", ["asked", "notice"])
def test_it_saves_when_asked_and_trains_on(tmp_path, how):
    place = Spool(tmp_path / "spool")
    act = {
        "asked": lambda: place.ask(save=1),
        "notice": lambda: place.notice(at=1.0, until=time.time() + 1e6, source="test"),
    }[how]
    trainer, _ = fit(tmp_path, place.session(), AtStep(5, act))
    assert trainer.global_step == 12
    (event,) = place.events("checkpoint")
    assert (event["step"], event["trigger"]) == (5, how)
    assert event["uri"] == str(tmp_path / "c" / "step=5")


def test_it_saves_when_due_and_keeps_the_last_and_the_pinned(tmp_path):
    place = Spool(tmp_path / "spool")
    env = {spool.ENV_INTERVAL_S: "0.000001"}
    fit(tmp_path, place.session(**env), steps=3)
    env[spool.ENV_RESTORE] = pins(place.events("checkpoint"))
    pinned = {
        path.name for path in (tmp_path / "c").iterdir()
    }  # on a slow machine a due save may skip a step
    fit(tmp_path, place.session(**env), steps=8, resume=True, keep_last=1)
    kept = {path.name for path in (tmp_path / "c").iterdir()}
    assert len(pinned) == 2 and kept == {*pinned, "step=8"}


@pytest.mark.parametrize("how", ["asked", "sigterm"])
def test_a_stop_saves_leaves_with_85_and_resumes_to_the_same_weights(tmp_path, how):
    _, whole = fit(tmp_path / "whole", sessions.Session(None, {}))
    first = Spool(tmp_path / "first")
    session = first.session()
    session.listen()
    act = {
        "asked": lambda: first.ask(stop=1),
        "sigterm": lambda: os.kill(os.getpid(), signal.SIGTERM),
    }[how]
    with pytest.raises(SystemExit) as left:
        fit(tmp_path, session, AtStep(7, act))
    assert left.value.code == spool.EXIT_SAVED
    (saved,) = first.events("checkpoint")
    assert (saved["step"], saved["trigger"]) == (7, how)

    torn = tmp_path / "c" / "step=99"
    torn.mkdir()
    (torn / "lightning.ckpt").write_bytes(b"half")
    second = Spool(tmp_path / "second")
    session = second.session(**{spool.ENV_RESTORE: pins([saved])})
    trainer, resumed = fit(tmp_path, session, resume=True)
    assert trainer.global_step == 12
    (restored,) = second.events("restore")
    assert (restored["checkpoint_id"], restored["step"]) == (saved["id"], 7)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_object_stores_are_refused():
    with pytest.raises(BadInput, match="local folders only"):
        ShoestringCallback("s3://bucket/run")
