"""The callback in a real Hugging Face Trainer."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.extras
transformers = pytest.importorskip("transformers", reason="make test-extras")

import torch  # noqa: E402

from shoestring.training import session as sessions  # noqa: E402
from shoestring.training import spool  # noqa: E402
from shoestring.training.huggingface import ShoestringCallback, newest_checkpoint  # noqa: E402
from tests.training.given import Spool, pins  # noqa: E402


class Tiny(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
        self.drop = torch.nn.Dropout(0.2)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        predicted = self.drop(self.layer(x)).squeeze(-1)
        return {"loss": (predicted - labels).square().mean(), "logits": predicted}


class AtStep(transformers.TrainerCallback):
    """Does something once a step is done, before our callback sees it."""

    def __init__(self, step, act):
        self.step, self.act = step, act

    def on_step_end(self, args, state, control, **_):
        if state.global_step == self.step:
            self.act()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sessions, "LOOK_S", 0.0)


def trainer(folder, session, *callbacks, steps=12, **options):
    transformers.set_seed(0)
    data = [{"x": torch.randn(4), "labels": torch.randn(())} for _ in range(64)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=steps,
        per_device_train_batch_size=4,
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        **{"save_strategy": "no", **options},
    )
    return transformers.Trainer(
        model=Tiny(),
        args=arguments,
        train_dataset=data,
        callbacks=[*callbacks, ShoestringCallback(session)],
    )


def weights(made):
    return {name: tensor.clone() for name, tensor in made.model.state_dict().items()}


def test_outside_a_run_it_changes_nothing(tmp_path):
    made = trainer(tmp_path, sessions.Session(None, {}))
    made.train()
    assert made.state.global_step == 12


def test_it_beats_the_heart(tmp_path):
    place = Spool(tmp_path / "spool")
    trainer(tmp_path, place.session()).train()
    beat = place.heartbeat()
    assert (beat["step"], beat["total_steps"], beat["resumed_step"]) == (12, 12, 0)
    assert beat["loss"] > 0
    assert "grad_norm" in beat["metrics"]
    assert place.events("span")[-1]["step_to"] == 12


@pytest.mark.parametrize(
    ("how", "trigger"), [("ask", "asked"), ("notice", "notice")], ids=["asked", "notice"]
)
def test_it_saves_when_asked_and_trains_on(tmp_path, how, trigger):
    place = Spool(tmp_path / "spool")
    act = {
        "ask": lambda: place.ask(save=1),
        "notice": lambda: place.notice(at=1.0, until=time.time() + 1e6, source="test"),
    }[how]
    made = trainer(tmp_path, place.session(), AtStep(5, act))
    made.train()
    assert made.state.global_step == 12
    (event,) = place.events("checkpoint")
    assert (event["step"], event["trigger"]) == (5, trigger)
    assert event["uri"] == str(tmp_path / "out" / "checkpoint-5")
    assert event["save_s"] > 0


def test_it_saves_when_the_policy_says_so(tmp_path):
    place = Spool(tmp_path / "spool")
    trainer(tmp_path, place.session(**{spool.ENV_INTERVAL_S: "0.000001"}), steps=4).train()
    assert {event["trigger"] for event in place.events("checkpoint")} == {"due"}


@pytest.mark.parametrize("how", ["asked", "sigterm"])
def test_a_stop_saves_leaves_with_85_and_resumes_to_the_same_weights(tmp_path, how):
    whole = trainer(tmp_path / "whole", sessions.Session(None, {}))
    whole.train()

    first = Spool(tmp_path / "first")
    session = first.session()
    before = signal.getsignal(signal.SIGTERM)
    session.listen()
    act = {
        "asked": lambda: first.ask(stop=1),
        "sigterm": lambda: os.kill(os.getpid(), signal.SIGTERM),
    }[how]
    try:
        with pytest.raises(SystemExit) as left:
            trainer(tmp_path, session, AtStep(7, act)).train()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert left.value.code == spool.EXIT_SAVED
    (saved,) = first.events("checkpoint")
    assert (saved["step"], saved["trigger"]) == (7, how)

    (tmp_path / "out" / "checkpoint-99").mkdir()  # a save that was cut off: the Trainer alone would take it
    second = Spool(tmp_path / "second")
    session = second.session(**{spool.ENV_RESTORE: pins(first.events("checkpoint"))})
    made = trainer(tmp_path, session)
    newest = newest_checkpoint(tmp_path / "out", session)
    assert newest == saved["uri"]
    made.train(resume_from_checkpoint=newest)
    (restored,) = second.events("restore")
    assert (restored["checkpoint_id"], restored["step"]) == (saved["id"], 7)
    assert all(
        torch.equal(a, b) for a, b in zip(weights(made).values(), weights(whole).values(), strict=True)
    )


def test_a_checkpoint_that_changed_since_is_passed_over(tmp_path):
    place = Spool(tmp_path / "spool")
    trainer(tmp_path, place.session(**{spool.ENV_INTERVAL_S: "0.000001"}), steps=3).train()
    events = place.events("checkpoint")
    os.utime(os.path.join(events[-1]["uri"], "trainer_state.json"), (1, 1))
    session = place.session(**{spool.ENV_RESTORE: pins(events)})
    assert newest_checkpoint(tmp_path / "out", session) == events[-2]["uri"]
    assert place.events("rejected")[0]["checkpoint_id"] == events[-1]["id"]
