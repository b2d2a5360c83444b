"""Accelerators side by side: given the catalog, when compared, then each market's lowest sound price stands there."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from shoestring.catalog.load import embedded
from shoestring.catalog.sanity import flags, suspect
from shoestring.domain.errors import BadInput
from shoestring.workflows.compare import compare
from tests.app.test_live_prices import run

TODAY = date(2026, 11, 24)


def test_each_has_its_lowest_sound_price_by_device_with_age_and_seller() -> None:
    catalog = embedded()
    words = flags(catalog, np.datetime64(TODAY))

    rows = compare(catalog, ["H100", "MI300X", "a100-80gb"], today=TODAY)

    assert [r["accelerator"] for r in rows] == [
        "H100-SXM",
        "H100-PCIe",
        "MI300X",
        "A100-80GB-SXM",
        "A100-80GB-PCIe",
    ]
    for row in rows:
        for market in ("on_demand", "spot", "reserved_1y"):
            each = [
                float(catalog.price[i] / catalog.count[i])
                for i in range(len(catalog))
                if catalog.columns["accelerator"][i] == row["accelerator"]
                and catalog.columns["market"][i] == market and not suspect(words[i])
            ]  # fmt: skip
            if not each:
                assert row[market] is None
            else:
                assert row[market]["usd_per_device_hour"] == pytest.approx(min(each), abs=1e-6)
                assert row[market]["age_days"] >= 0 and row[market]["source"]
        usd = row["on_demand"]["usd_per_device_hour"]
        assert row["usd_per_bf16_pflops_hour"] == pytest.approx(usd / row["bf16_tflops"] * 1000, abs=1e-3)


def test_a_place_narrows_it_and_what_nobody_sells_there_is_unknown() -> None:
    rows = {r["accelerator"]: r for r in compare(embedded(), ["H100", "MI300X"], today=TODAY, provider="gcp")}

    assert rows["MI300X"]["on_demand"] is None and rows["MI300X"]["usd_per_bf16_pflops_hour"] is None
    assert rows["H100-SXM"]["on_demand"]["offer_id"].startswith("gcp/")


@pytest.mark.parametrize(
    ("names", "place"),
    [([], {}), (["L4"], {}), (["H100", "H1000"], {}), (["L4", "L4"], {}), (["L4", "T4"], {"provider": "nobody"}),
     (["L4", "T4"], {"region": "mars"})],
)  # fmt: skip
def test_what_cant_be_compared_is_refused_with_a_next_step(names: list[str], place: dict[str, str]) -> None:
    with pytest.raises(BadInput) as refused:
        compare(embedded(), names, today=TODAY, **place)
    assert refused.value.next_step


def test_the_verb_shows_it_for_people_and_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shown, data, changed = (
        run(capsys, monkeypatch, "catalog", *words)[1]
        for words in (("compare", "L4", "T4"), ("compare", "L4", "T4", "--json"), ("diff", "now", "--json"))
    )

    assert "lowest sound price" in shown
    assert [r["accelerator"] for r in json.loads(data)["accelerators"]] == ["L4", "T4"]
    assert json.loads(changed) == []
