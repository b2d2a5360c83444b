"""W&B's public API, stood in for by objects with its shape: what is asked, written and read."""

import pytest

from shoestring.app.trackers.wandb import Wandb
from shoestring.domain.errors import ShoestringError
from shoestring.ledger.tracking import TrackedRun


class Refused(Exception):
    """What the stand-in raises as W&B raises its errors."""


class Summary(dict):
    pass


class Run:
    """A run of W&B, as its API gives it: nothing is on the server before ``update``."""

    def __init__(self, id, tags, config, summary):
        self.id, self.tags, self.config, self.summary = id, tags, config, Summary(summary)
        self.updates = 0

    @property
    def summary_metrics(self):
        return self.summary

    def update(self):
        self.updates += 1


class Api:
    def __init__(self, *runs):
        self.all = runs
        self.asked = []

    def runs(self, path, filters, order, lazy):
        self.asked.append((path, filters, order))
        wanted = filters["tags"]["$in"]
        return [r for r in self.all if set(r.tags) & set(wanted)]

    def run(self, path):
        if not (found := [r for r in self.all if path == f"team/eyes/{r.id}"]):
            raise Refused(f"Could not find run <{path}>\nmore")
        return found[0]


@pytest.fixture
def api():
    summary = {"accuracy": 0.9, "_step": 4, "shoestring/cost_usd": 2.0, "note": "text", "ok": True,
               "loss": float("nan")}  # fmt: skip
    return Api(
        Run("abc", ["shoestring:r1"], {"lr": 0.1, "shoestring": {"shoestring.basis": "METERED"}}, summary),
        Run("xyz", [], {}, {}),
    )


def test_runs_are_found_by_our_tag_and_read(api):
    (found,) = Wandb(api, "team/eyes", (Refused,)).runs(["r1", "r2"])
    assert api.asked == [("team/eyes", {"tags": {"$in": ["shoestring:r1", "shoestring:r2"]}}, "-created_at")]
    assert found == TrackedRun(
        run_id="r1",
        tracked_id="abc",
        params={"lr": "0.1"},
        metrics={"accuracy": 0.9},
        told={"cost_usd": 2.0},
        tags={"shoestring.run_id": "r1", "shoestring.basis": "METERED"},
    )


def test_figures_go_into_the_summary_and_tags_into_the_config(api):
    there = Wandb(api, "team/eyes", (Refused,))
    there.tell(there.named("r9", "xyz"), {"cost_usd": 3.5}, {"shoestring.basis": "BILLED"})
    run = api.all[1]
    assert run.summary == {"shoestring/cost_usd": 3.5}
    assert (run.config, run.tags, run.updates) == (
        {"shoestring": {"shoestring.basis": "BILLED"}},
        ["shoestring:r9"],
        1,
    )


def test_what_the_server_refuses_is_one_line(api):
    with pytest.raises(ShoestringError, match=r"W&B, team/eyes: Could not find run <team/eyes/none>$"):
        Wandb(api, "team/eyes", (Refused,)).named("r1", "none")
