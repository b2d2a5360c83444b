"""The `shoestring:` block: each key's forms, and its mistakes with line, value and what is allowed."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shoestring.domain.model import Method, ModelKind, ModelSpec, Optimizer, Precision, Recompute, Sharding
from shoestring.domain.workload import Flops, Goal, HoursOf, Probe, Residency, Steps, Tokens
from tests.jobfile.given import error, errors, read, workload


def asked(folder: Path, key: str, value: str) -> Any:
    return workload(folder, f"shoestring:\n  {key}: {value}\n")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("probe", Probe()),
        ("12h on A100", HoursOf(hours=12, accelerator="A100")),
        ("2.5 hours on cpu", HoursOf(hours=2.5, accelerator="cpu")),
        ("{hours: 12, accelerator: h100}", HoursOf(hours=12, accelerator="H100")),
        ("{steps: 9000}", Steps(steps=9000)),
        (
            "{steps: 9000, steps_per_s: {l4: 2.5, cpu: 0.1}}",
            Steps(steps=9000, steps_per_s={"L4": 2.5, "cpu": 0.1}),
        ),
        ("{flops: 1e21, mfu: 0.4, dtype: FP8}", Flops(flops=1e21, mfu=0.4, dtype="fp8")),
        ("{flops: 3.0e+20}", Flops(flops=3e20)),
    ],
)
def test_work_in_the_terms_the_user_knows(written: str, meant: object, tmp_path: Path) -> None:
    assert asked(tmp_path, "work", written).work == meant


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("36h", 129600), ("1d 12h", 129600), ("1:30:00", 5400), ("90 min", 5400), ("2", 7200)],
)
def test_a_deadline_as_a_duration(written: str, seconds: float, tmp_path: Path) -> None:
    found = asked(tmp_path, "deadline", written)
    assert (found.deadline_s, found.deadline_at) == (seconds, None)


@pytest.mark.parametrize(
    "written", ["2026-12-01T09:00:00+01:00", "2026-12-01 08:00:00Z", "'2026-12-01T08:00:00Z'"]
)
def test_a_deadline_as_a_moment(written: str, tmp_path: Path) -> None:
    found = asked(tmp_path, "deadline", written)
    assert (found.deadline_s, found.deadline_at) == (None, datetime(2026, 12, 1, 8, tzinfo=UTC))


@pytest.mark.parametrize("written", ["25", "25.00 USD", "$25", "25 usd"])
def test_a_budget(written: str, tmp_path: Path) -> None:
    assert asked(tmp_path, "budget", written).budget_usd == Decimal(25)


def test_a_checkpoint_of_ones_own_and_an_adopted_one(tmp_path: Path) -> None:
    own = asked(tmp_path, "checkpoint", "s3://bucket/ckpt").checkpoint
    assert (own.where, own.glob, own.keep_last) == ("s3://bucket/ckpt", None, 2)
    adopted = asked(
        tmp_path,
        "checkpoint",
        "{where: /out, glob: checkpoint-*, complete_marker: trainer_state.json, size: 14 GB, save: 40s,"
        " restore: 1 min, interval: 10 min, keep_last: 5}",
    ).checkpoint
    assert (adopted.glob, adopted.complete_marker, adopted.size_bytes) == (
        "checkpoint-*",
        "trainer_state.json",
        14 * 10**9,
    )
    assert (adopted.save_s, adopted.restore_s, adopted.interval_s, adopted.keep_last) == (40, 60, 600, 5)


def test_data_with_place_and_residency(tmp_path: Path) -> None:
    (spec,) = asked(
        tmp_path,
        "data",
        "{uri: s3://b/x, size: 300 GB, where: aws/eu-west-1, access: streamed, classification: phi,"
        " residency: {regions: [eu-], providers: aws, owned_only: false}}",
    ).data
    assert (spec.provider, spec.region, spec.streamed, spec.classification) == (
        "aws",
        "eu-west-1",
        True,
        "phi",
    )
    assert spec.residency == Residency(regions=("eu-",), providers=("aws",))
    one, two = asked(tmp_path, "data", "[gs://b/x, {uri: /d, residency: eu-west-1}]").data
    assert (one.provider, one.streamed) == ("gcp", False)
    assert (two.provider, two.residency) == (None, Residency(regions=("eu-west-1",)))


def test_labels_goal_and_gate(tmp_path: Path) -> None:
    found = workload(
        tmp_path,
        "resources: {labels: {team: vision, cost: '7'}}\n"
        "shoestring: {labels: {team: speech, project: Équipe 7}, goal: Fastest,"
        " gate: {metric: auc, at_least: 0.9}}",
    )
    assert found.labels == {"team": "speech", "cost": "7", "project": "Équipe 7"}
    assert found.goal is Goal.FASTEST
    assert found.gate is not None
    assert (found.gate.metric, found.gate.at_least, found.gate.margin) == ("auc", 0.9, None)


@pytest.mark.parametrize(
    ("written", "where", "says"),
    [
        ("work: fast", "work", "fast"),
        ("work: 0h on A100", "work", "0h on A100"),
        ("work: {hours: 3}", "work", "hours on what"),
        ("work: {hours: 3, steps: 4}", "work", "exactly one"),
        ("work: {hours: 3, accelerator: A10O}", "work.accelerator", "Did you mean 'A10"),
        ("work: {steps: 0}", "work.steps", "out of range"),
        ("work: {steps: 5, steps_per_s: {A100: 0}}", "work.steps_per_s.A100", "out of range"),
        ("work: {steps: 5, mfu: 1}", "work.mfu", "unknown key"),
        ("work: {flops: 1e21, mfu: 1.4}", "work.mfu", "out of range"),
        ("work: {flops: .nan}", "work.flops", ".nan"),
        ("deadline: soon", "deadline", "soon"),
        ("deadline: 0h", "deadline", "0"),
        ("deadline: 2020-01-01T00:00:00Z", "deadline", "has passed; it is 2026-11-24T12:00:00Z"),
        ("deadline: 2026-12-01T08:00:00", "deadline", "no time zone"),
        ("deadline: 2026-12-01", "deadline", "no time zone"),
        ("budget: -5", "budget", "-5"),
        ("budget: 0", "budget", "lets nothing run"),
        ("budget: 25 EUR", "budget", "25 EUR"),
        ("checkpoint: {glob: x}", "checkpoint", "need `where`"),
        ("checkpoint: {where: /x, size: big}", "checkpoint.size", "big"),
        ("checkpoint: {where: /x, keep_last: 0}", "checkpoint.keep_last", "out of range"),
        ("checkpoint: {were: /x}", "checkpoint.were", "Did you mean 'where'?"),
        ("data: {size: 3 GB}", "data", "without `uri`"),
        ("data: {uri: /x, access: torrent}", "data.access", "torrent"),
        ("data: {uri: /x, residency: []}", "data.residency", "empty list"),
        ("data: {uri: /x, residency: {region: eu-}}", "data.residency.region", "Did you mean 'regions'?"),
        ("labels: [a]", "labels", "expected a mapping"),
        ("goal: cheap", "goal", "Did you mean 'cheapest'?"),
        ("backend: cudda", "backend", "Did you mean 'cuda'?"),
        ("gate: {metric: auc}", "gate", "passes everything"),
        ("gate: {metric: auc, at_least: 2, at_most: 1}", "gate", "above at_most"),
        ("gate: {at_least: 2}", "gate", "without `metric`"),
        ("dedline: 3h", "dedline", "Did you mean 'deadline'?"),
    ],
)
def test_a_mistake_names_line_value_and_what_is_allowed(
    written: str, where: str, says: str, tmp_path: Path
) -> None:
    problem = error(tmp_path, f"shoestring:\n  {written}\n")
    assert (problem.where, problem.line) == (f"shoestring.{where}", 3)
    assert says in problem.message
    assert problem.allowed


def test_every_error_is_listed_at_once_in_the_files_order(tmp_path: Path) -> None:
    found = errors(
        tmp_path,
        "name: -bad\nnum_nodes: 0\nresources: {accelerators: H1000}\nrun: x\n"
        "shoestring:\n  deadline: soon\n  budget: -5\n  wrk: 3\n",
    )
    assert {where: p.line for where, p in found.items()} == {
        "name": 1, "num_nodes": 2, "resources.accelerators": 3,
        "shoestring.deadline": 6, "shoestring.budget": 7, "shoestring.wrk": 8,
    }  # fmt: skip
    assert list(found.values()) == sorted(found.values(), key=lambda p: p.line or 0)


def test_an_unknown_skypilot_key_is_a_warning_and_stays(tmp_path: Path) -> None:
    file = read(tmp_path, "run: x\nnum_node: 3\nresources: {acelerators: H100}\n")
    assert {(w.where, w.line) for w in file.warnings} == {("num_node", 2), ("resources.acelerators", 3)}
    assert "Did you mean 'num_nodes'?" in file.warnings[0].message
    assert file.tasks[0].plain == {"run": "x", "num_node": 3, "resources": {"acelerators": "H100"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "resources: {accelerators: A100}\nshoestring: {work: 10h on A100, deadline: 9h}",
            "the work takes 10.0 h",
        ),
        ("shoestring: {work: 10h on cpu, deadline: 9h}", "on cpu"),
        (
            "resources: {accelerators: {A100: 1, L4: 1}}\n"
            "shoestring: {work: {steps: 36000, steps_per_s: {A100: 1, L4: 0.5}}, deadline: 9h}",
            "on A100 or L4",
        ),
        (
            "resources: {accelerators: A100}\n"
            "shoestring: {work: 10h on A100, deadline: 2026-11-24T13:00:00Z}",
            "60 min from now",
        ),
    ],
)
def test_a_deadline_that_the_work_cannot_keep_is_refused(text: str, message: str, tmp_path: Path) -> None:
    problem = error(tmp_path, text)
    assert problem.where == "shoestring.deadline"
    assert message in problem.message


def test_a_deadline_is_not_judged_where_the_work_is_not_known(tmp_path: Path) -> None:
    text = "resources: {accelerators: {A100: 1, H100: 1}}\nshoestring: {work: 10h on A100, deadline: 9h}"
    assert workload(tmp_path, text).deadline_s == 9 * 3600


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("7B", ModelSpec(params=7e9)),
        ("350M", ModelSpec(params=350e6)),
        ("{params: 1.5e9, precision: FP32}", ModelSpec(params=1.5e9, precision=Precision.FP32)),
        (
            "{params: 47B, active_params: 13B, kind: moe, optimizer: adamw_8bit, method: lora, sharding: fsdp}",
            ModelSpec(params=47e9, active_params=13e9, kind=ModelKind.MOE, optimizer=Optimizer.ADAMW_8BIT,
                      method=Method.LORA, sharding=Sharding.FSDP),
        ),
        (
            "{params: 7B, batch: 4, sequence: 4096, tensor_parallel: 2, activation_checkpointing: true}",
            ModelSpec(params=7e9, batch=4, sequence=4096, tensor_parallel=2, recompute=Recompute.FULL),
        ),
    ],
)  # fmt: skip
def test_a_model_by_its_size_or_by_how_it_is_trained(written: str, meant: ModelSpec, tmp_path: Path) -> None:
    assert asked(tmp_path, "model", written).model == meant


@pytest.mark.parametrize(
    "written",
    ["7X", "0", "-7B", "nan", "1e99", "[7B]", "{precision: bf16}", "{params: 7B, precision: bf15}",
     "{params: 7B, layers: 0}", "{params: 7B, active_params: 8B}", "{params: 7B, sharding: zero4}",
     "{params: 7B, batch: 1.5}", "{params: 7B, colour: red}", "{params: true}", "{params: 7B, vocab: 1e9}"],
)  # fmt: skip
def test_a_model_that_makes_no_sense_is_refused(written: str, tmp_path: Path) -> None:
    found = errors(tmp_path, f"run: python train.py\nshoestring:\n  model: {written}\n")
    assert all("model" in place for place in found)


def test_tokens_need_a_model(tmp_path: Path) -> None:
    found = workload(tmp_path, "shoestring: {work: {tokens: 20B}, model: 7B}\n")

    assert found.work == Tokens(tokens=20e9)
    assert "without the model's size" in error(tmp_path, "shoestring: {work: {tokens: 20B}}\n").message
