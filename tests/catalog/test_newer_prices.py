"""What was read after the first collection: newer prices win, second sources confirm or contradict, traps stay out."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from shoestring.catalog.load import embedded
from shoestring.catalog.sanity import flags, suspect

TODAY = np.datetime64("2026-11-24")
SCRIPT = Path(__file__).parents[2] / "scripts/newer_prices.py"


@pytest.fixture(scope="module")
def newer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("newer_prices", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def offer(
    provider: str, instance_type: str, market: str = "on_demand", region: str | None = None
) -> tuple[float, tuple[str, ...]]:
    """Price and flags of the first embedded offer like that."""
    catalog = embedded()
    c = catalog.columns
    found = flags(catalog, TODAY)
    for i in range(len(catalog)):
        if (c["provider"][i], c["instance_type"][i], c["market"][i]) == (
            provider,
            instance_type,
            market,
        ) and (region in (None, c["region"][i])):
            return float(catalog.price[i]), found[i]
    raise AssertionError(f"no offer {provider} {instance_type} {market}")


@pytest.mark.parametrize(
    ("provider", "instance_type", "usd"),
    [
        ("runpod", "secure:H100-SXM", 3.99),  # the first collection held the community price, 2.69
        ("hyperstack", "n3-H100-SXM5x8", 25.60),  # was 19.20
        ("nebius", "gpu-h100-sxm_8gpu-128vcpu-1600gb", 30.80),  # was 23.60
        ("coreweave", "hgx-b200", 68.80),
        ("lambda", "gpu_1x_h100_sxm5", 4.29),
    ],
)
def test_newer_pages_win(provider: str, instance_type: str, usd: float) -> None:
    price, words = offer(provider, instance_type)

    assert price == usd and not suspect(words)


def test_windows_prices_are_not_taken_for_linux() -> None:
    price, _ = offer("azure", "Standard_NC48ads_A100_v4", region="eastus")

    assert price == 7.346
    assert pytest.approx(price + 48 * 0.046) == 9.554  # what another page gives is this with the licence


@pytest.mark.parametrize(
    ("provider", "instance_type", "region"),
    [
        ("aws", "p5.48xlarge", "us-east-1"),
        ("azure", "Standard_ND96isr_H100_v5", "eastus"),
        ("gcp", "a2-highgpu-1g", "us-central1"),
    ],
)  # fmt: skip
def test_a_second_source_that_agrees_confirms(provider: str, instance_type: str, region: str) -> None:
    _, words = offer(provider, instance_type, region=region)

    assert "confirmed" in words and "single_source" not in words


@pytest.mark.parametrize(
    ("provider", "instance_type"),
    [("verda", "1H100.80S.32V"), ("runpod", "1x_A100-80GB_SECURE")],
)
def test_sources_that_disagree_make_a_price_suspect(provider: str, instance_type: str) -> None:
    _, words = offer(provider, instance_type)

    assert "sources_disagree" in words and suspect(words)


@pytest.mark.parametrize(
    ("provider", "instance_type", "market", "word"),
    [
        ("gcp", "a3-highgpu-8g", "flex_start", "estimate"),
        ("nebius", "gpu-h100-sxm_8gpu-128vcpu-1600gb", "spot", "pre_price_change"),
        ("runpod", "community:H100-SXM", "on_demand", "community_host"),
        ("aws", "p5e.48xlarge", "capacity_block", "place_uncertain"),
    ],
)
def test_prices_with_a_catch_are_never_chosen_by_themselves(
    provider: str, instance_type: str, market: str, word: str
) -> None:
    region = "most regions" if word == "place_uncertain" else None
    _, words = offer(provider, instance_type, market, region)

    assert word in words and suspect(words)


def row(**more: str) -> dict[str, str]:
    base = {
        "provider": "p", "instance_type": "t", "accelerator": "L4", "accelerator_count": "1", "vcpus": "4",
        "memory_gib": "16", "region": "r", "zone": "", "market": "on_demand", "price_usd_per_hour": "1.0",
        "source": "github a/b file@1", "as_of": "2026-01-01", "as_of_kind": "exact", "kind": "list", "flag": "",
        "note": "",
    }  # fmt: skip
    return base | more


def test_an_update_keeps_the_place_and_the_shape_that_it_does_not_know(newer: ModuleType) -> None:
    old = row(
        provider="nebius",
        instance_type="gpu-h100-sxm_1gpu-16vcpu-200gb",
        accelerator="H100-SXM",
        region="eu-north1",
        vcpus="16",
    )

    updated = [r for r in newer.brought_up_to_date([old]) if r["instance_type"] == old["instance_type"]]

    assert [(r["price_usd_per_hour"], r["region"], r["vcpus"]) for r in updated] == [
        ("3.85", "eu-north1", "16")
    ]


def test_two_files_of_one_repository_are_one_source(newer: ModuleType) -> None:
    listed = row(source="github a/b on_demand@1")
    reserved = row(
        market="reserved_1y", source="github a/b reserved@2", note="standard; on-demand then 1.0000"
    )

    found = {
        r["market"]: r["flag"] for r in newer.brought_up_to_date([listed, reserved]) if r["provider"] == "p"
    }

    assert "confirmed" not in found["on_demand"]


def test_another_repository_confirms_or_contradicts(newer: ModuleType) -> None:
    reserved = row(
        market="reserved_1y", source="github c/d reserved@2", note="standard; on-demand then 1.0500"
    )

    def judged(usd: str) -> str:
        rows = newer.brought_up_to_date([row(price_usd_per_hour=usd), reserved])
        return str(next(r["flag"] for r in rows if r["provider"] == "p" and r["market"] == "on_demand"))

    assert judged("1.0") == "confirmed"
    assert judged("1.3") == "sources_disagree"


def test_what_was_said_before_the_price_cut_of_2025_does_not_count_against_newer_prices(
    newer: ModuleType,
) -> None:
    now = row(
        provider="aws",
        instance_type="p5.48xlarge",
        region="x",
        price_usd_per_hour="55.04",
        as_of="2026-07-20",
    )
    then = row(
        provider="aws", instance_type="p5.48xlarge", region="x", market="reserved_1y",
        source="github yeo/ec2.shop data@1", note="standard; on-demand then 98.3200",
    )  # fmt: skip

    found = {r["market"]: r["flag"] for r in newer.brought_up_to_date([now, then]) if r["region"] == "x"}

    assert found["on_demand"] == ""


def test_billing_rules_of_smaller_clouds_are_known() -> None:
    catalog = embedded()
    rules = {p: catalog.billing_rule(p) for p in ("lambda", "coreweave", "runpod", "hyperstack", "oci")}

    assert {p: (r.granularity_s, r.minimum_s) for p, r in rules.items()} == {
        "lambda": (60, 60), "coreweave": (60, 0), "runpod": (1, 0), "hyperstack": (60, 60), "oci": (1, 60),
    }  # fmt: skip
