"""A price sheet is taken whole or refused with a reason: hundreds of wrong ones, none accepted silently."""

import itertools
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from shoestring.catalog.load import embedded
from shoestring.catalog.overlay import overlaid
from shoestring.catalog.sheet import read_sheet
from shoestring.domain.errors import ShoestringError

TODAY = date(2026, 11, 24)
ROW = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1", "usd_per_hour": 18.5}
CUT = {"provider": "gcp", "accelerator": "H100", "percent": 12}
HEAD = {"currency": "USD", "as_of": "2026-11-01", "source": "contract"}

BAD_PRICES: list[Any] = [0, -1, -0.01, 1e9, 5000.01, float("inf"), float("-inf"), float("nan"), True, False, None, "",
    " ", "free", "12,50", "1,250.00", "1.250,00", "12.5 EUR", "€12", "12 USD/h", "1e3", "1e-3", "0x10", "--1", "+5",
    "12.5.1", "١٢", "12 usd usd", "$$5", [5], {"a": 1}, "5\x00", "5\n6", "0.0", "$0", 0.0000001, 2, 1.5, 700, 4999,
    "NaN", "inf", "99999999999999999999"]  # fmt: skip
BAD_NAMES: list[Any] = [None, "", " ", 5, True, 1.5, ["aws"], {"a": 1}, "aws\x1b[2J", "a" * 100, "../../etc", "awss",
    "AWS", " aws", "aws ", "a\nb", "☁", "aws;rm"]  # fmt: skip
BAD_MARKETS: list[Any] = [
    "preemptible",
    "SPOT",
    "",
    None,
    1,
    True,
    "owned",
    ["spot"],
    "on demand",
    "on-demand",
]
BAD_DATES: list[Any] = [None, "", "yesterday", "2026-13-01", "2026-02-30", "01.11.2026", "11/01/2026", "2031-01-01",
    "1999-01-01", 20261101.5, True, "2026-11", "2026-11-26", [], "2014-12-31"]  # fmt: skip
BAD_CURRENCIES: list[Any] = [None, "", "EUR", "usd", "US", "$", "GBP", "CNY", 1, True, ["USD"], "USD "]
BAD_PERCENTS: list[Any] = [
    0,
    -5,
    90.1,
    100,
    150,
    None,
    "",
    "12",
    "12%",
    True,
    [12],
    float("nan"),
    float("inf"),
    1e9,
]
BAD_ROOTS: list[Any] = [[], None, "text", 5, {}, {"currency": "USD"}, {**HEAD}, {**HEAD, "prices": {}},
    {**HEAD, "prices": "x"}, {**HEAD, "prices": [1]}, {**HEAD, "prices": [[]]}, {**HEAD, "prices": []},
    {**HEAD, "discounts": [None]}, {**HEAD, "price": [ROW]}, {**HEAD, "prices": [ROW], "extra": 1}]  # fmt: skip
BAD_TEXTS = ["{", "a: [", "- - :", "currency: USD\ncurrency: USD\n", "\t\tx: 1", "!!python/object:os.system x",
    "a: &x [1]\nb: *x", "prices: !!binary x", "? [", "%YAML 9", "a: b: c", "{a: 1, a: 2}", "\x07",
    "'", '"']  # fmt: skip
BAD_CSVS = [
    "",
    "provider\naws\n",
    "provider,instance_type,region,usd_per_hour\naws,p5.48xlarge,us-east-1,18.5\n",
    *(
        f"currency,as_of,provider,instance_type,region,usd_per_hour\n{row}\n"
        for row in (
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1",
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1,18.5,9",
            "EUR,2026-11-01,aws,p5.48xlarge,us-east-1,18.5",
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1,18;5",
            'USD,2026-11-01,aws,p5.48xlarge,us-east-1,"18,5"',
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1,-18.5",
            "USD,2026-11-01,aws,p5.49xlarge,us-east-1,18.5",
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1,=18.5",
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1,18.5\nEUR,2026-11-01,aws,p5.48xlarge,us-west-2,18.5",
            "USD,2026-11-01,aws,p5.48xlarge,us-east-1,18.5\nUSD,2026-11-01,aws,p5.48xlarge,us-east-1,19.5",
            'USD,2026-11-01,aws,"p5.48xlarge,us-east-1,18.5',
            "USD,,aws,p5.48xlarge,us-east-1,18.5",
        )
    ),
]


def sheet(**changes: Any) -> dict[str, Any]:
    return {**HEAD, "prices": [{**ROW}], **changes}


def without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k != key}


HOSTILE: list[tuple[str, str]] = [
    (".yaml", json.dumps(value))
    for value in itertools.chain(
        (sheet(prices=[{**ROW, "usd_per_hour": v}]) for v in BAD_PRICES),
        (sheet(prices=[{**ROW, key: v}]) for v in BAD_NAMES for key in ("provider", "instance_type")),
        (sheet(prices=[{**ROW, key: v}]) for v in BAD_NAMES[:11] for key in ("region", "zone")),
        (sheet(prices=[{**ROW, "market": v}]) for v in BAD_MARKETS),
        (sheet(as_of=v) for v in BAD_DATES),
        (sheet(currency=v) for v in BAD_CURRENCIES),
        (sheet(discounts=[{**CUT, "percent": v}]) for v in BAD_PERCENTS),
        (sheet(discounts=[{**CUT, "accelerator": v}]) for v in ("H1000", "", None, 5, "MI300X")),
        (sheet(discounts=[{**CUT, "region": v}]) for v in ("mars-*", "", None, "*", "us-*-1")),
        (sheet(prices=[without(ROW, key)]) for key in ROW),
        (without(sheet(), key) for key in ("currency", "as_of")),
        (sheet(prices=[ROW, {**ROW, "usd_per_hour": 20}]), sheet(prices=[ROW, ROW])),
        (sheet(discounts=[CUT, CUT]), sheet(discounts=[CUT, {"provider": "gcp", "percent": 5}])),
        (sheet(prices=[{**ROW, "sure": v}]) for v in ("yes", 7, None, [])),
        (
            sheet(prices=[{**ROW, key: 1}])
            for key in ("price", "currency", "usd", "usd_per_month", "Provider")
        ),
        BAD_ROOTS,
    )
]
HOSTILE += [(".yaml", text) for text in BAD_TEXTS] + [(".csv", text) for text in BAD_CSVS]


def write(folder: Path, ending: str, text: str) -> Path:
    path = folder / f"sheet{ending}"
    path.write_text(text, encoding="utf-8")
    return path


def test_there_are_enough_wrong_sheets() -> None:
    assert len(set(HOSTILE)) >= 200


@pytest.mark.parametrize("number", range(0, len(HOSTILE), 10))
def test_a_wrong_sheet_is_refused_with_a_reason(number: int, tmp_path: Path) -> None:
    for ending, text in HOSTILE[number : number + 10]:
        with pytest.raises(ShoestringError) as refused:
            overlaid(embedded(), read_sheet(write(tmp_path, ending, text), today=TODAY))
            pytest.fail(f"taken: {text[:200]}")
        assert "price sheet" in str(refused.value), text


def test_bytes_that_are_no_text_and_huge_files_are_refused(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\x00a", b"x" * 2_000_001):
        (tmp_path / "sheet.yaml").write_bytes(content)
        with pytest.raises(ShoestringError):
            read_sheet(tmp_path / "sheet.yaml", today=TODAY)
    with pytest.raises(ShoestringError):
        read_sheet(tmp_path / "absent.yaml", today=TODAY)


def test_a_price_of_the_sheet_wins_and_says_where_it_comes_from(tmp_path: Path) -> None:
    path = write(tmp_path, ".yaml", json.dumps(sheet(discounts=[CUT])))
    before, after = embedded(), overlaid(embedded(), read_sheet(path, today=TODAY))
    price = {after.offer_id(i): float(after.price[i]) for i in range(len(after))}
    was = {before.offer_id(i): float(before.price[i]) for i in range(len(before))}
    cut = next(k for k in was if k.startswith("gcp/us-central1/-/a3-highgpu-8g/on_demand"))

    assert price["aws/us-east-1/-/p5.48xlarge/on_demand"] == 18.5
    assert price[cut] == pytest.approx(was[cut] * 0.88)
    changed = {i for i in range(len(after)) if after.origin[i] == "contract"}
    assert changed and all("contract" in after.columns["source"][i] for i in changed)


def test_a_discount_on_a_family_takes_all_its_accelerators(tmp_path: Path) -> None:
    cut = {"provider": "aws", "accelerator": "Hopper", "market": "on_demand", "percent": 10}
    path = write(tmp_path, ".yaml", json.dumps({**HEAD, "discounts": [cut]}))
    after = overlaid(embedded(), read_sheet(path, today=TODAY))
    changed = {after.columns["accelerator"][i] for i in range(len(after)) if after.origin[i] == "contract"}

    assert {"H100-SXM", "H200-SXM"} <= changed
    assert all(after.accelerators[name].family == "Hopper" for name in changed)


def test_a_price_far_from_all_known_ones_needs_the_users_word(tmp_path: Path) -> None:
    row = {**ROW, "usd_per_hour": 0.9, "sure": True}
    after = overlaid(
        embedded(), read_sheet(write(tmp_path, ".yaml", json.dumps(sheet(prices=[row]))), today=TODAY)
    )
    index = next(i for i in range(len(after)) if after.origin[i] == "contract")

    assert after.columns["flag"][index] == "differs_from_list"


def test_csv_says_the_same_as_yaml(tmp_path: Path) -> None:
    text = "currency,as_of,source,provider,instance_type,region,zone,market,usd_per_hour\n"
    text += "USD,2026-11-01,contract,aws,p5.48xlarge,us-east-1,,on_demand,18.5\n"
    yaml_path = write(tmp_path, ".yaml", json.dumps(sheet()))

    a, b = (read_sheet(p, today=TODAY) for p in (write(tmp_path, ".csv", text), yaml_path))
    assert a == b
