"""The market file: what is wrong in it is named by key, value and what is allowed."""

from pathlib import Path

import pytest

from shoestring.domain.errors import BadInput
from shoestring.executors.marketfile import load_market
from shoestring.executors.rehearsal import create_rehearsal

ZONE = "zones: {a: {region: r, spot: 1}}\n"


def load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "market.yaml"
    path.write_text(text)
    market = load_market(path)
    create_rehearsal(tmp_path / "market", market)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "valid dictionary"),
        ("zones: {}", "zones"),
        ("zones: {a: {spot: 1}}", "zones.a.region"),
        ("zones: {a: {region: r}}", "zones.a.*give the zone a price"),
        ("zones: {a: {region: r, spot: -1}}", "zones.a.spot.*-1"),
        ("zones: {a: {region: r, spot: .inf}}", "zones.a.spot"),
        ("zones: {a: {region: r, spot: .nan}}", "zones.a.spot"),
        ("zones: {a: {region: r, spott: 1}}", "zones.a.spott"),
        ("zones: {a/b: {region: r, spot: 1}}", "zones.*a/b"),
        ("zones: {'': {region: r, spot: 1}}", "zones"),
        (ZONE + "scale: 0", "scale"),
        (ZONE + "scale: .inf", "scale"),
        (ZONE + "notice_s: .nan", "notice_s"),
        (ZONE + "no_notice_share: 1.5", "no_notice_share.*1.5"),
        (ZONE + "billing: {granularity_s: 0}", "billing.granularity_s"),
        (ZONE + "billing: {free_if_interrupted_within_s: -1}", "billing.free_if"),
        (ZONE + "providers: {aws: {minimum: 1}}", "providers.aws.minimum"),
        (ZONE + "backend: abacus", "backend"),
        ("zones: [", "market.yaml"),
        ("zones: {a: {region: r, spot: 1, trace: nowhere.json}}", "nowhere.json"),
        ("zones: {a: {region: r, spot: 1, trace: market.yaml}}", "no availability trace"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        load(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.yaml: no such market file"):
        load_market(tmp_path / "nowhere.yaml")


def test_traces_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.csv").write_text("timestamp,price\n2026-01-05T00:00:00Z,0.3\n")
    (tmp_path / "market.yaml").write_text("zones: {a: {region: r, trace: prices.csv}}")
    monkeypatch.chdir(tmp_path.parent)

    market = load_market(Path(tmp_path.name) / "market.yaml")
    create_rehearsal(tmp_path / "market", market)
    assert (tmp_path / "market" / "trace-0.csv").exists()
