"""Flags on prices that may not be what they seem. A suspect price is shown but not chosen as cheapest."""

import numpy as np
from numpy.typing import NDArray

from shoestring.catalog.load import Catalog, Floats

SUSPECT = frozenset({"equals_on_demand", "floor_10pct", "out_of_range", "stale", "pre_price_cut", "conflict",
                     "currency_uncertain", "below_1_usd_per_h100", "sources_disagree", "pre_price_change",
                     "spot_above_on_demand", "place_uncertain", "community_host", "estimate"})  # fmt: skip
SPOT_MAX_DAYS, LIST_MAX_DAYS = 180, 450  # list prices of large clouds rarely change; spot does all the time
RANGE = 4.0  # a price per device beyond so many times the median of its accelerator and market is odd
FEWEST = 5  # prices that a median needs
SAME = 2e-4  # shares of on-demand that near are the same: sources round to four digits


def flags(catalog: Catalog, today: np.datetime64) -> tuple[tuple[str, ...], ...]:
    """For every offer the words that a reader must see, from the facts and from checks made now."""
    found = [list(filter(None, text.split())) for text in catalog.columns["flag"]]
    spot = _share_of_on_demand(catalog)
    checks = {
        "equals_on_demand": np.abs(spot - 1.0) < SAME,
        "floor_10pct": np.abs(spot - 0.1) < SAME,
        "spot_above_on_demand": spot >= 1.0 + SAME,
        "out_of_range": _out_of_range(catalog),
        "stale": _stale(catalog, today),
        "date_uncertain": np.array([kind == "latest" for kind in catalog.columns["as_of_kind"]]),
        "secondary_source": catalog.arrays["kind"] == "typical",
        "single_source": np.array(
            [
                o == "embedded" and "confirmed" not in words
                for o, words in zip(catalog.origin, found, strict=True)
            ]
        ),
    }
    for word, rows in checks.items():
        for index in np.flatnonzero(rows):
            if word not in found[index]:
                found[index].append(word)
    return tuple(map(tuple, found))


def suspect(words: tuple[str, ...]) -> bool:
    """Whether an offer with these flags must not be chosen without ``--allow-suspect``."""
    return not SUSPECT.isdisjoint(words)


def _stale(catalog: Catalog, today: np.datetime64) -> NDArray[np.bool_]:
    age = (today - catalog.as_of).astype(int)
    limit = np.where(catalog.arrays["market"] == "spot", SPOT_MAX_DAYS, LIST_MAX_DAYS)
    return np.asarray((age > limit) | (age < -1))


def _share_of_on_demand(catalog: Catalog) -> Floats:
    """Each spot price over the on-demand price of its type and region; NaN for other markets or without one."""
    c = catalog.columns
    keys = list(zip(c["provider"], c["instance_type"], c["region"], strict=True))
    base = {
        k: p for k, m, p in zip(keys, c["market"], catalog.price.tolist(), strict=True) if m == "on_demand"
    }
    ratio = np.array([p / base.get(k, np.nan) for k, p in zip(keys, catalog.price.tolist(), strict=True)])
    return np.where(catalog.arrays["market"] == "spot", ratio, np.nan)


def _out_of_range(catalog: Catalog) -> NDArray[np.bool_]:
    per_device: Floats = catalog.price / np.where(catalog.count > 0, catalog.count, np.nan)
    group = np.char.add(np.char.add(catalog.arrays["accelerator"], "|"), _class_of(catalog.arrays["market"]))
    _, index = np.unique(group, return_inverse=True)
    order = np.argsort(index, kind="stable")
    odd = np.zeros(len(catalog), dtype=bool)
    for rows in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
        values = per_device[rows]
        if len(values) >= FEWEST and np.isfinite(values).all():
            middle = float(np.median(values))
            odd[rows] = (values > RANGE * middle) | (values < middle / RANGE)
    return odd


def _class_of(market: NDArray[np.str_]) -> NDArray[np.str_]:
    return np.where(np.isin(market, ("spot", "owned", "reserved")), market, "firm")
