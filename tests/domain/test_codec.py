"""Domain values survive the trip to JSON and back, and unknown fields of newer versions do no harm."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from shoestring.domain import codec
from shoestring.domain.facts import Fact, Intended, RunSubmitted
from shoestring.domain.fleet import Launch, Reason
from shoestring.domain.offer import Market, Offer, Price
from shoestring.domain.run import MeterTotals, Observation, Outcome
from shoestring.domain.workload import DataSpec, Residency, Steps, Workload

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
OFFER = Offer(
    id="o", executor="x", provider="p", region="r", zone=None, market=Market.SPOT, instance_type="t",
    price=Price(usd_per_hour=Decimal("0.10"), source="s", as_of=NOW),
)  # fmt: skip


def test_a_submitted_run_survives_the_trip() -> None:
    workload = Workload(
        name="w", run="true", work=Steps(steps=10, steps_per_s={"A100": 2.5}), budget_usd=Decimal("25"),
        data=(DataSpec(uri="s3://x", residency=Residency(regions=("eu-",))),), labels={"team": "vision"},
    )  # fmt: skip
    fact = RunSubmitted(
        run_id="r", at=NOW, workload=workload, executor="local", policy="up", code_sha256="0" * 64
    )

    assert codec.loads(Fact, codec.dumps(fact)) == fact


def test_an_intent_survives_and_newer_fields_are_ignored() -> None:
    action = Launch(run_id="r", offer_id="o", reason=Reason(code="c", text="t", numbers={"x": 1.5}))
    fact = Intended(run_id="r", at=NOW, action_id="a", action=action, view_digest="d", token="k", offer=OFFER)
    data = codec.to_json(fact) | {"from_the_future": 1}

    assert codec.from_json(Fact, data) == fact


class Color(StrEnum):
    RED = "red"


class Shade(str):
    """A text of its own kind, as YAML readers give."""


def test_plain_values_have_plain_forms() -> None:
    assert codec.to_json([Decimal("1.50"), NOW, Color.RED, Shade("x"), None, True, 2, 0.5]) == [
        "1.50", "2026-01-31T12:00:00+00:00", "red", "x", None, True, 2, 0.5,
    ]  # fmt: skip
    assert type(codec.to_json(Shade("x"))) is str
    assert codec.to_json({Color.RED: frozenset({1})}) == {"red": [1]}


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON form for complex"):
        codec.to_json(1j)
    with pytest.raises(TypeError, match="no JSON form for <class 'complex'>"):
        codec.from_json(complex, "1")


def test_text_is_the_same_whatever_the_order_of_keys() -> None:
    assert codec.dumps({"b": 1, "a": (2, 3)}) == codec.dumps({"a": [2, 3], "b": 1}) == '{"a":[2,3],"b":1}'


def test_kinds_are_read_as_they_were_written() -> None:
    assert codec.from_json(Any, {"x": [1]}) == {"x": [1]}
    assert codec.from_json(tuple[Decimal, ...], ["1", 2]) == (Decimal(1), Decimal(2))
    assert codec.from_json(Color, "red") is Color.RED
    assert codec.from_json(float, 2) == 2.0 and codec.from_json(int | None, None) is None
    assert codec.from_json(datetime | None, "2026-01-31T12:00:00+00:00") == NOW


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [(int, "1", "expected int, found '1'"), (str, 1, "expected str, found 1"), (Residency, [], "expected a Residency"),
     (Fact, {"_": "Rumor"}, "unknown kind 'Rumor'; known: Asked, "), (Fact, 5, "can't tell which of"),
     (Offer, {"_": "Offer", "id": "o"}, "Offer: .*missing"), (bool, 1, "expected bool, found 1")],
)  # fmt: skip
def test_other_shapes_are_refused_in_words(kind: Any, data: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        codec.from_json(kind, data)


def test_an_observation_of_an_older_journal_knows_no_machine_and_no_devices() -> None:
    seen = Observation(attempt_id="a", outcome=Outcome.RUNNING, meter=MeterTotals(cpu_s=1.0), machine="box")
    data = codec.to_json(seen)
    assert codec.from_json(Observation, data) == seen
    del data["machine"], data["meter"]["devices"]
    old = codec.from_json(Observation, data)
    assert (old.machine, old.meter.devices) == (None, None)
    devices = codec.to_json(MeterTotals(devices=("GPU-a",)))
    assert codec.from_json(MeterTotals, devices).devices == ("GPU-a",)
