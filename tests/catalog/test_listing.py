"""What `shoestring catalog` answers."""

from datetime import date
from pathlib import Path

import pytest

from shoestring.app.cli import catalog as verb
from shoestring.catalog.history import history
from shoestring.catalog.load import Catalog, embedded
from shoestring.domain.errors import BadInput, NotFound
from shoestring.workflows.catalog import Filter, difference, hardware, listing

TODAY = date(2026, 11, 24)


def test_offers_are_filtered_by_any_name_of_an_accelerator_and_sorted_by_price() -> None:
    rows = listing(embedded(), Filter(accelerator="h100", market="spot"), sort="price", today=TODAY)

    assert rows and {r["market"] for r in rows} == {"spot"}
    assert {r["accelerator"] for r in rows} <= {"H100-SXM", "H100-PCIe"}
    assert [r["price_usd_per_hour"] for r in rows] == sorted(r["price_usd_per_hour"] for r in rows)
    assert all(r["source"] and r["age_days"] >= 0 and isinstance(r["suspect"], bool) for r in rows)


@pytest.mark.parametrize(
    ("wanted", "sort"),
    [
        (Filter(accelerator="H1000"), "price"),
        (Filter(provider="nowhere"), "price"),
        (Filter(region="mars"), "price"),
        (Filter(market="black"), "price"),
        (Filter(), "beauty"),
    ],
)
def test_unknown_words_are_refused_with_what_there_is(wanted: Filter, sort: str) -> None:
    with pytest.raises(BadInput) as refused:
        listing(embedded(), wanted, sort=sort, today=TODAY)
    assert refused.value.next_step


def test_a_difference_names_what_came_went_and_changed() -> None:
    before = embedded()
    prices = list(before.columns["price_usd_per_hour"])
    prices[0] = str(float(prices[0]) * 1.5)
    columns = {k: v[:-1] for k, v in (before.columns | {"price_usd_per_hour": tuple(prices)}).items()}
    after = Catalog(columns, before.accelerators, before.origin[:-1])

    changed, gone = sorted(difference(before, after), key=lambda r: r["change"] is None)
    assert changed["change"] == pytest.approx(0.5) and changed["offer_id"] == before.offer_id(0)
    assert gone["after_usd"] is None and gone["offer_id"] == before.offer_id(len(before) - 1)
    assert difference(before, before) == []


def test_history_tells_the_price_cut_of_2025() -> None:
    prices = history("p5.48xlarge", "us-east-1")

    assert [p.since for p in prices] == sorted(p.since for p in prices)
    assert prices[0].on_demand_usd_per_hour == pytest.approx(98.32)
    assert prices[-1].on_demand_usd_per_hour == pytest.approx(55.04)
    with pytest.raises(NotFound):
        history("p5.48xlarge", "mars")


def test_unknown_figures_of_hardware_stay_unknown() -> None:
    devices = {d["name"]: d for d in hardware(embedded())}

    assert devices["T4"]["bf16_tflops"] is None
    assert devices["H100-SXM"]["memory_gib"] == 80


def test_the_verb_refuses_words_it_does_not_understand(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not understood"):
        verb.command(words=["difference"])
