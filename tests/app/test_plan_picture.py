"""The picture of a plan: who stands in it under which name, and an image where there is a browser."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("plotly")
pytest.importorskip("jinja2")

from shoestring.app.cli._plan_page import _figure, write_page, write_png
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import Plan
from tests.app.browser import find_browser
from tests.planner.test_plan import planned, small

CATALOG = small(("x", "A100-80GB-SXM", 18.0), ("y", "H100-SXM", 20.0), ("z<b>", "H100-SXM", 25.0))


@pytest.fixture(scope="module")
def found() -> Plan:
    return planned(catalog=CATALOG)


def test_baseline_choice_and_runner_up_are_named_and_stand_once(found: Plan) -> None:
    traces = _figure(found, "--html").data

    names = [t.name for t in traces]
    assert names[:2] == [
        "chosen: H100-SXM:8 on_demand at y",
        "the file as it stands: A100-80GB-SXM:8 on_demand at x",
    ]
    assert sum(len(t.x) for t in traces) == len(found.options)
    assert all("<b>" not in text.replace("<br>", "") for t in traces for text in t.hovertext)


def test_a_plan_without_costs_has_no_picture_and_says_what_to_do(found: Plan, tmp_path: Path) -> None:
    unknown = tuple(replace(o, expected_cost_usd=None) for o in found.options)
    with pytest.raises(BadInput, match="--png: without `work`"):
        write_png(replace(found, options=unknown), tmp_path / "plan.png")
    with pytest.raises(BadInput, match="--html: nothing can be run"):
        write_page(replace(found, options=()), tmp_path / "plan.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    importlib.util.find_spec("kaleido") is None or find_browser() is None,
    reason="needs kaleido and a Chromium",
)
def test_an_image_is_a_whole_png_or_nothing(found: Plan, tmp_path: Path) -> None:
    write_png(found, tmp_path / "plan.png")

    assert (tmp_path / "plan.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(BadInput, match="--png"):
        write_png(found, tmp_path / "nowhere" / "plan.png")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.png"]
