"""Domain values survive the trip to JSON and back, and unknown fields of newer versions do no harm."""

from datetime import UTC, datetime
from decimal import Decimal

from shoestring.domain import codec
from shoestring.domain.facts import Fact, Intended, RunSubmitted
from shoestring.domain.fleet import Launch, Reason
from shoestring.domain.offer import Market, Offer, Price
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
