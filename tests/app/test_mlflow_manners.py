"""Given a tracker that others write to, when it is read back, then what comes is bounded and kept as data."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from shoestring.app.trackers import mlflow
from shoestring.domain.errors import ShoestringError
from shoestring.ledger.tracking import NAME_MOST, TEXT_MOST, VALUES_MOST, bounded
from shoestring.store.tracked_book import NAME, keep, tracked_runs


class Page(list):
    def __init__(self, items, token):
        super().__init__(items)
        self.token = token


def of_mlflow(params=None, metrics=None, tags=None):
    data = SimpleNamespace(params=params or {}, metrics=metrics or {}, tags=tags or {})
    return mlflow._tracked("r1", SimpleNamespace(info=SimpleNamespace(run_id="m1"), data=data))


def test_pages_end_where_the_server_says_so_and_a_circle_is_refused():
    pages = {None: Page([1], "a"), "a": Page([2], "b"), "b": Page([3], None)}
    assert list(mlflow._pages(lambda max_results, page_token: pages[page_token])) == [1, 2, 3]
    circle = {None: Page([1], "a"), "a": Page([2], "b"), "b": Page([3], "a")}
    with pytest.raises(ShoestringError, match="no end"):
        list(mlflow._pages(lambda max_results, page_token: circle[page_token]))


def test_pages_without_end_are_given_up(monkeypatch):
    monkeypatch.setattr(mlflow, "PAGES_MOST", 5)
    tokens = iter(range(1, 100))
    with pytest.raises(ShoestringError, match="no end"):
        list(mlflow._pages(lambda max_results, page_token: Page([], str(next(tokens)))))
    assert next(tokens) == 6


def test_what_is_longer_than_trackers_allow_is_left_out_and_the_rest_is_bounded():
    told = of_mlflow(
        params={"fits": "x" * TEXT_MOST, "long": "x" * (TEXT_MOST + 1), "n" * (NAME_MOST + 1): "1"},
        metrics={"loss": 0.5, "n" * (NAME_MOST + 1): 1.0, "endless": float("inf"), "none": float("nan")},
    )
    assert set(told.params) == {"fits"} and told.metrics == {"loss": 0.5}
    assert len(bounded({str(n): "1" for n in range(VALUES_MOST + 100)})) == VALUES_MOST


HOSTILE = ["'; drop table runs; --", "</script><script>alert(1)</script>", "=cmd|' /C calc'!A0", "\x1b]0;x\x07",
           "a\r\nSet-Cookie: b", "\u202e", "\ud800", "{}{0}{__class__}", "../../etc/passwd", "\x00"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_texts_come_back_as_they_were_and_on_one_line(tmp_path, text):
    told = of_mlflow(params={text: text}, metrics={text: 1.5}, tags={text: text, "shoestring.cost_on": text})
    assert told.tags == {"shoestring.cost_on": text}
    keep(tmp_path, "mlflow", [told], now=datetime(2026, 1, 1, tzinfo=UTC))
    back = tracked_runs(tmp_path)["r1"]
    assert (back.params, back.metrics) == ({text: text}, {text: 1.5})
    assert len((tmp_path / NAME).read_bytes().splitlines()) == 1
