"""Dated prices as markets: given the catalog's history, when simulated, then every moment has its own prices."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from shoestring.catalog.history import history, regions_of
from shoestring.domain.errors import BadInput, NotFound
from shoestring.workflows.histories import price_history
from shoestring.workflows.markets import Prices, Span, recorded, window_at
from tests.app.test_live_prices import run

HOUR = 3600


@pytest.mark.parametrize("kind", ["a3-highgpu-8g", "a2-ultragpu-1g", "g2-standard-48"])
def test_every_step_has_the_price_that_the_history_gives_for_its_day(kind: str) -> None:
    found = price_history(f"gcp/{kind}@us-central1", step_s=HOUR)
    [trace] = found.traces
    dated = [p for p in history(kind, "us-central1") if p.spot_usd_per_hour is not None]

    assert trace.start is not None and trace.available.all() and trace.price_usd_per_hour is not None
    for hours in range(0, len(trace.available), 97):
        moment = trace.start + timedelta(hours=hours)
        held = [p for p in dated if p.since <= moment.date()][-1]
        assert trace.price_usd_per_hour[hours] == held.spot_usd_per_hour


def test_all_regions_stand_side_by_side_where_all_were_priced() -> None:
    found = price_history("a3-highgpu-8g", step_s=HOUR)

    assert {t.zone for t in found.traces} == set(regions_of("a3-highgpu-8g"))
    assert len({(t.start, len(t.available)) for t in found.traces}) == 1


def test_on_demand_costs_what_it_cost_in_the_cheapest_region_at_submission() -> None:
    found = price_history("a3-highgpu-8g@us-central1,asia-northeast1", step_s=HOUR)
    early = min(p.on_demand_usd_per_hour or math.inf for p in history("a3-highgpu-8g", "us-central1")
                if p.since <= date(2024, 5, 18))  # fmt: skip
    prices = Prices(on_demand=0.0, on_demand_at=found.on_demand_at)
    span = Span(step_s=HOUR, deadline_steps=48)

    first = window_at(found.traces, prices, span, datetime(2024, 5, 18, tzinfo=UTC))
    later = recorded(found.traces, prices, span, starts=3, seed=1)[-1]

    assert first.on_demand_usd_per_hour == early
    assert later.on_demand_usd_per_hour == 88.49 and later.dated


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("nope", NotFound, "no price history of nope"),
        ("a3-highgpu-8g@mars", NotFound, "mars"),
        ("p5.48xlarge", BadInput, "no spot prices"),
        ("p5.48xlarge@us-east-1", BadInput, "no spot prices"),
        ("", NotFound, "no price history"),
        ("@us-central1", NotFound, "no price history"),
    ],
)
def test_a_history_that_is_not_there_is_told(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        price_history(text, step_s=HOUR)


def test_the_verbs_play_on_it_and_say_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path))
    job = tmp_path / "job.yaml"
    job.write_text(
        "resources: {accelerators: H100:8}\nrun: x\nshoestring: {work: 20h on H100, deadline: 48h}\n"
    )
    given = [str(job), "--history", "gcp/a3-highgpu-8g@us-central1,us-east4", "--step", "1h", "--json"]
    options = {"simulate": ["--starts", "2", "--policies", "deadline,on_demand", "--processes", "1"],
               "shadow": ["--start", "2026-05-01T00:00:00Z"]}  # fmt: skip
    for verb, more in options.items():
        code, out, err = run(capsys, monkeypatch, verb, *given, *more)
        assert code == 0, err
        assert any("availability" in note for note in json.loads(out)["notes"])
    code, _, err = run(capsys, monkeypatch, "simulate", *given, "--model")
    assert code == 2 and "give a market" in err
