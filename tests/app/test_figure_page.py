"""A picture's page: one policy, two scripts, no request, and names that stay names."""

import re
from pathlib import Path

import pytest

pytest.importorskip("plotly")
pytest.importorskip("jinja2")

from shoestring.app.report.figure import SCRIPT, STYLE, figure_page, write_figure
from shoestring.app.report.page import digest
from shoestring.domain.errors import BadInput
from tests.app.browser import Browser, find_browser

NAME = "</script><script>window.hacked=1</script>"


def figure():
    import plotly.graph_objects as go

    drawn = go.Figure(go.Heatmap(z=[[0, 1], [1, 0]], showscale=False, ygap=3))
    drawn.add_trace(go.Scatter(x=[1, 2], y=[3, 1], name=NAME, text=[NAME, "<img src=x onerror=hacked>"]))
    return drawn.update_layout(title=NAME.replace("<", "&lt;"), template="plotly_white", xaxis_title="hours")


def test_the_policy_names_the_scripts_and_lets_nothing_out(tmp_path: Path) -> None:
    write_figure(figure(), tmp_path / "page.html", f"Plan {NAME}")
    page = (tmp_path / "page.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy.startswith("default-src &#x27;none&#x27;;") and "unsafe" not in policy
    assert digest(SCRIPT) in policy and digest(STYLE) in policy
    assert NAME not in page and page.count("<script>") == 2


def test_what_was_there_stays_when_it_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--html"):
        write_figure(figure(), tmp_path / "nowhere" / "page.html", "Plan")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(find_browser() is None, reason="no Chromium; scripts/install_chromium.sh brings one")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_draws_it_and_nobody_complains(tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(figure_page(figure().to_plotly_json(), "Plan"))
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(path, scheme=scheme)
        browser.wait("document.querySelectorAll('.scatterlayer .point').length === 2")
        assert browser.value("window.hacked") is None
        paper = browser.value("getComputedStyle(document.querySelector('.main-svg')).backgroundColor")
        assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 24, 27)"}[scheme]
        stacked = (
            "[...document.querySelectorAll('.main-svg')].every((s) => s.getBoundingClientRect().top < 5)"
        )
        assert browser.value(stacked), "its layers lie on each other"
        assert browser.value("document.querySelector('.gtitle').getBoundingClientRect().top") < 100
        assert browser.complaints == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
        browser.screenshot(tmp_path / f"{scheme}.png")
    finally:
        browser.close()
