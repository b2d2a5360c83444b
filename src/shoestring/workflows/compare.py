"""``shoestring catalog compare``: accelerators side by side, by device, at the lowest sound price of each market."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from shoestring.catalog.load import Catalog
from shoestring.catalog.sanity import flags, suspect
from shoestring.domain.errors import BadInput

MARKETS = ("on_demand", "spot", "reserved_1y")


def compare(
    catalog: Catalog,
    names: Sequence[str],
    *,
    today: date,
    provider: str | None = None,
    region: str | None = None,
) -> list[dict[str, Any]]:
    """A row for each accelerator that the names mean, in their order; None for what nobody sells or knows.

    Returns:
        of each market the lowest price of one device that is not suspect, with offer and age, and the dollars of
        a dense bf16 PFLOP/s hour on demand: list figures, not a training's speed.

    Raises:
        BadInput: fewer than two accelerators, or a name or place that the catalog does not know.
    """
    keys = list(dict.fromkeys(key for name in names for key in _keys(catalog, name)))
    if len(keys) < 2:
        raise BadInput(
            "compare what with what?", next_step="shoestring catalog compare H100 A100-80GB MI300X"
        )
    for option, value in (("provider", provider), ("region", region)):
        if value is not None and value not in catalog.columns[option]:
            raise BadInput(
                f"--{option} {value}: not in the catalog", next_step=f"shoestring catalog --{option} NAME"
            )
    words = flags(catalog, np.datetime64(today.isoformat()))
    return [_row(catalog, key, words, today, provider, region) for key in keys]


def _keys(catalog: Catalog, name: str) -> list[str]:
    found = [key for key, _ in catalog.names.keys_of(name)]
    if not found:
        raise BadInput(
            f"{name!r} is no accelerator of the catalog", next_step="shoestring catalog --hardware"
        )
    return found


def _row(
    catalog: Catalog,
    key: str,
    words: Sequence[tuple[str, ...]],
    today: date,
    provider: str | None,
    region: str | None,
) -> dict[str, Any]:
    device, c = catalog.accelerators[key], catalog.columns
    mine = [
        i
        for i in np.flatnonzero(catalog.arrays["accelerator"] == key).tolist()
        if catalog.count[i] > 0
        and not suspect(words[i])
        and provider in (None, c["provider"][i])
        and region in (None, c["region"][i])
    ]
    row: dict[str, Any] = {
        "accelerator": key,
        "memory_gib": device.memory_gib,
        "bandwidth_gb_s": device.bandwidth_gb_s,
        "bf16_tflops": device.bf16_tflops,
        "tdp_w": device.tdp_w,
    }
    for market in MARKETS:
        sold = [i for i in mine if c["market"][i] == market]
        best = min(
            sold, key=lambda i: (catalog.price[i] / catalog.count[i], catalog.offer_id(i)), default=None
        )
        row[market] = None if best is None else _price(catalog, best, len(sold), today)
    usd, speed = row["on_demand"], device.bf16_tflops
    row["usd_per_bf16_pflops_hour"] = (
        None if usd is None or not speed else round(usd["usd_per_device_hour"] / speed * 1000, 4)
    )
    return row


def _price(catalog: Catalog, index: int, offers: int, today: date) -> dict[str, Any]:
    day = catalog.columns["as_of"][index]
    return {
        "usd_per_device_hour": round(float(catalog.price[index] / catalog.count[index]), 6),
        "offer_id": catalog.offer_id(index),
        "offers": offers,
        "as_of": day,
        "age_days": (today - date.fromisoformat(day)).days,
        "source": catalog.columns["source"][index],
        "layer": catalog.origin[index],
    }
