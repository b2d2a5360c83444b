"""The page: whatever people called their things, it is shown as written and runs nowhere."""

import html.parser
import json
import re
from collections import Counter

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("plotly")
pytest.importorskip("jinja2")

from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.app.report.page import json_block, own_script, printable_values, render
from shoestring.workflows.report import report
from tests.app.browser import Browser, find_browser
from tests.app.report_making import NOW, PERIOD, ledger, run, runs

RUNS_CODE = "window.hacked=1"
HOSTILE = {
    "team": f"</script><script>{RUNS_CODE}</script>",
    "project": f"<img src=x onerror={RUNS_CODE}>",
    "experiment": f'"><svg/onload={RUNS_CODE}>',
    "model": f'<a href="javascript:{RUNS_CODE}">model</a><b>bold</b>',
    "dataset": "%{x}{{7*7}}{% raw %}$&\\u003cscript>",
}
FORMULA = '=HYPERLINK("http://example.invalid","x")'
NAMES = {"run_id": "run-'\"<!--", "name": "a\r\nSet-Cookie: b=1\u202egnp.exe", "user": FORMULA}
HANDLERS = ("onerror", "onload", "onclick", "onfocus", "onmouseover", "ontoggle")
TEMPLATES = (
    "<script>{code}</script>", "</script><script>{code}</script>", "<img src=x {on}={code}>", "'{on}='{code}",
    "<svg {on}={code}>", "</title><script>{code}</script>", "<!--<script>{code}", "]]><script>{code}</script>",
    "<iframe srcdoc='<script>{code}</script>'>", "<math><mi xlink:href='javascript:{code}'>", "javascript:{code}",
    "</template><script>{code}</script>", "<style>@import 'http://example.invalid'</style>", "&lt;script&gt;{code}",
    "{{{{ {code} }}}}", "${{{code}}}", '" autofocus {on}="{code}', "<base href='http://example.invalid'>",
    "\x00<script>{code}",
    "<details open {on}={code}>",
    "<marquee {on}={code}>", "<meta http-equiv=refresh content='0;url=javascript:{code}'>",
    "\u2028{code}//", "={code}",
)  # fmt: skip


CODES = (RUNS_CODE, "window.hacked=fetch('http://example.invalid')", "document.title='hacked'", "alert(1)")
OPENINGS = ("", "=", "+", "@", "\t-", "\r\nLocation: x\r\n\r\n", "'; drop table charges;--", "\u202e")


def payloads():
    """Markup that runs, in every dress: as a formula, a header, a statement, a text that runs backwards."""
    return sorted(
        {o + t.format(code=c, on=on) for t in TEMPLATES for on in HANDLERS for c in CODES for o in OPENINGS}
    )


class Audit(html.parser.HTMLParser):
    """What a browser would make of the page: its elements, and whatever could run or load something."""

    def __init__(self):
        super().__init__()
        self.tags, self.suspects, self.text, self.policy, self.inside = [], [], [], "", None

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag
        given = dict(attrs)
        if tag in ("img", "iframe", "object", "embed", "base", "link", "svg", "form"):
            self.suspects.append(tag)
        self.suspects += [k for k in given if k.startswith("on") or k in ("src", "style", "srcdoc")]
        if given.get("href", "#")[0] != "#":
            self.suspects.append(given["href"])
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.text.append(data)


def audit(page):
    found = Audit()
    found.feed(page)
    return found


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    made = [run(1, HOSTILE, **NAMES), *runs(3)[1:]]
    page = render(report(ledger(folder, made), made, PERIOD, now=NOW, grid_kg_per_kwh=0.4))
    path = folder / "hostile.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    made = runs()
    path = folder / "page.html"
    path.write_text(
        render(report(ledger(folder, made), made, PERIOD, now=NOW, grid_kg_per_kwh=0.4)), encoding="utf-8"
    )
    return path


def test_hostile_names_are_text_and_nothing_else(hostile_page):
    found = audit(hostile_page.read_text(encoding="utf-8"))
    assert found.suspects == []
    assert found.tags.count("script") == 3
    text = "".join(found.text)
    assert all(label in text for key, label in HOSTILE.items() if key in ("team", "experiment", "model"))
    assert "a\\r\\nSet-Cookie: b=1\\u202egnp.exe" in text


@pytest.fixture(scope="module")
def plain_document(tmp_path_factory):
    return report(ledger(tmp_path_factory.mktemp("plain"), []), [], PERIOD, now=NOW)


@pytest.fixture(scope="module")
def tricked_page(tmp_path_factory, plain_document):
    """Every trick as a label, a run, a budget, a source, a file and a currency; some as movers, with bars."""
    d, tricks = plain_document, payloads()
    budget, source = d["budgets"][0], d["sources"]["bills"][0]
    keys = ("run", *d["costs"]["dimensions"])
    told = {
        **d,
        "costs": {**d["costs"], "cells": [{**dict.fromkeys(keys, t), "usd": 1.0} for t in tricks]},
        "runs": [{**dict.fromkeys(keys, t), "usd": 1.0, "basis": "LEDGER"} for t in tricks],
        "budgets": [{**budget, "scope": t} for t in tricks],
        "sources": {"bills": [{**source, "source": t, "files": [t]} for t in tricks], "prices": []},
        "totals": {**d["totals"], "unconverted": dict.fromkeys(tricks, "1")},
        "movers": {
            **d["movers"],
            "lines": [
                {"dimension": t, "key": t, "before_usd": 0.0, "now_usd": 1.0, "change_usd": 1.0}
                for t in tricks[::40]
            ],
        },
    }
    path = tmp_path_factory.mktemp("tricks") / "tricks.html"
    path.write_text(render(told), encoding="utf-8")
    return path


def test_1500_tricks_at_once_make_no_element_of_their_own(tricked_page, plain_document):
    assert len(payloads()) >= 1500
    plain, attacked = audit(render(plain_document)), audit(tricked_page.read_text(encoding="utf-8"))
    assert attacked.suspects == []
    known = {"tr", "td", "th", "bdi", "br", "span", "meter", "div", "dt", "dd", "p", "code", "table", "tbody",
             "thead", "label", "input"}  # fmt: skip
    assert set(Counter(attacked.tags) - Counter(plain.tags)) <= known
    assert attacked.tags.count("script") == 3


@settings(max_examples=40)
@given(
    st.recursive(st.text() | st.none() | st.integers(), lambda c: st.dictionaries(st.text(), c) | st.lists(c))
)
def test_the_data_block_holds_no_markup_and_loses_nothing(value):
    block = json_block(value)
    assert not set(block) & set("<>&\u2028\u2029")
    assert json.loads(block) == value


@given(st.text())
def test_no_text_of_the_page_moves_or_hides_its_neighbors(text):
    shown = printable_values({"k": [text]})["k"][0]
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


def test_the_policy_names_the_scripts_and_lets_nothing_out(hostile_page):
    found = audit(hostile_page.read_text(encoding="utf-8"))
    rules = dict(rule.split(" ", 1) for rule in found.policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert len(rules["script-src"].split()) == 2
    assert all(
        word.startswith("'sha256-") for key in ("script-src", "style-src") for word in rules[key].split()
    )
    assert "unsafe" not in found.policy


def test_our_script_writes_text_never_markup():
    script = own_script()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script
    )


browsing = pytest.mark.skipif(find_browser() is None, reason="no Chromium here: scripts/install_chromium.sh")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    there = Browser(tmp_path_factory.mktemp("browser"))
    yield there
    there.close()


@browsing
def test_in_a_browser_nothing_hostile_runs_loads_or_is_lost(browser, hostile_page):
    browser.open(hostile_page)
    assert browser.value("window.hacked") is None
    assert browser.complaints == []
    assert (
        browser.value(
            "Math.max(...[...document.querySelectorAll('#runs-table bdi')].map(b => b.clientWidth))"
        )
        < 300
    )
    assert browser.requests == [hostile_page.as_uri()]
    assert browser.value("document.querySelectorAll('img, iframe, svg a, [onerror], [onload]').length") == 0
    labels = browser.value("[...document.querySelectorAll('#chart-costs .ytick')].map(t => t.textContent)")
    assert HOSTILE["team"][:20] in " ".join(labels)


@browsing
def test_in_a_browser_1500_tricks_do_nothing(browser, tricked_page):
    browser.open(tricked_page)
    assert browser.value("window.hacked") is None
    assert browser.value("document.title").startswith("Cost report")
    assert browser.complaints == []
    assert browser.requests == [tricked_page.as_uri()]


@browsing
def test_drilling_into_hostile_names_runs_nothing_either(browser, hostile_page):
    browser.open(hostile_page)
    for depth in range(4):
        browser.value(
            "[...document.querySelectorAll('#drill-table button')].find(b => /[<>%]/.test(b.textContent)).click()"
        )
        assert browser.value("document.querySelectorAll('#drill-path li').length") == depth + 2
    assert HOSTILE["dataset"] in browser.value("document.getElementById('drill-table').textContent")
    assert browser.value("window.hacked") is None
    assert browser.complaints == []


@browsing
def test_the_policy_stops_a_script_and_a_request_that_slipped_in(browser, page):
    browser.open(page)
    browser.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1';"
        "document.body.append(s); const i = new Image(); i.src = 'http://127.0.0.1:9/x'; })()"
    )
    browser.wait("true")
    assert browser.value("window.hacked") is None
    assert len([c for c in browser.complaints if "Content Security Policy" in c]) == 2


@browsing
def test_every_chart_is_drawn_in_light_and_dark_and_narrow(browser, page):
    inks = set()
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 400)):
        browser.open(page, scheme=scheme, width=width)
        assert browser.complaints == []
        browser.wait("[...document.querySelectorAll('.chart')].every(c => c.querySelector('.trace path'))")
        assert browser.value("document.querySelectorAll('.chart').length") == 7
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        inks.add(
            (
                browser.value("getComputedStyle(document.body).backgroundColor"),
                browser.value("getComputedStyle(document.querySelector('.xtick text')).fill"),
            )
        )
    assert len(inks) == 2


@browsing
def test_keys_alone_drill_sort_and_reach_a_timeline(browser, page):
    browser.open(page)
    browser.press("Tab", code=9)
    assert browser.value("document.activeElement.className") == "skip"
    browser.value("document.querySelector('input[name=drill-by]').focus()")
    for _ in range(20):
        browser.press("Tab", code=9)
        if browser.value("!!document.activeElement.closest('#drill-table button')"):
            break
    browser.press("Enter", code=13, text="\r")
    assert browser.value("document.getElementById('drill-head').textContent") == "project"
    assert browser.value("!!document.activeElement.closest('#drill-table button')")
    browser.value("document.querySelectorAll('#runs-table thead button')[10].focus()")
    browser.press("Enter", code=13, text="\r")
    costs = browser.value(
        "[...document.querySelectorAll('#runs-table tbody tr')].map(r => +r.cells[10].dataset.sort)"
    )
    assert costs == sorted(costs, reverse=True)
    assert browser.value("document.querySelectorAll('#runs-table thead th')[10].ariaSort") == "descending"
    browser.value("document.querySelector('#runs-table tbody button').focus()")
    browser.press("Enter", code=13, text="\r")
    assert browser.value("document.activeElement.id") == "life"


@browsing
def test_the_drill_down_adds_up_and_finds_its_way_back(browser, page):
    browser.open(page)
    cells = "[...document.querySelectorAll('#drill-table tbody td.n:nth-child(2)')]"
    cost = f"{cells}.reduce((s, c) => s + parseFloat(c.textContent.replace(/,/g, '')), 0)"
    everything = browser.value(cost)
    first = browser.value("parseFloat(document.querySelector('#drill-table tbody td').textContent)")
    browser.value("document.querySelector('#drill-table button').click()")
    assert browser.value(cost) == pytest.approx(first, abs=0.02)
    browser.value("document.querySelector('#drill-path button').click()")
    assert browser.value(cost) == pytest.approx(everything)


@browsing
def test_it_prints_light_unfolded_and_within_the_paper(browser, page, tmp_path):
    browser.open(page, scheme="dark")
    browser.value("dispatchEvent(new Event('beforeprint'))")
    assert browser.value("document.querySelectorAll('details:not([open])').length") == 0
    assert (
        browser.value("getComputedStyle(document.documentElement).getPropertyValue('--bg').trim()")
        == "#f6f7f9"
    )
    assert (
        browser.value("Math.max(...[...document.querySelectorAll('.main-svg')].map(s => s.clientWidth))")
        <= 690
    )
    browser.value("dispatchEvent(new Event('afterprint'))")
    assert browser.value("document.querySelectorAll('details[open]').length") == 0
    browser.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
