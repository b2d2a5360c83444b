"""``shoestring catalog``: what is known about prices and hardware, how old it is and who said so."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np

from shoestring.catalog.load import Catalog
from shoestring.catalog.sanity import flags, suspect
from shoestring.domain.errors import BadInput

SORTS = ("price", "price_per_accelerator", "age", "provider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What to list; None fits all. ``accelerator`` may be any name that job files use."""

    accelerator: str | None = None
    provider: str | None = None
    region: str | None = None
    market: str | None = None


def listing(catalog: Catalog, wanted: Filter, *, sort: str, today: date) -> list[dict[str, Any]]:
    """Offers with price, age, source and flags.

    Raises:
        BadInput: a name that the catalog does not know, or another sort order.
    """
    if sort not in SORTS:
        raise BadInput(f"--sort {sort}: there is no such order", next_step=f"one of {', '.join(SORTS)}")
    keys = _keys(catalog, wanted)
    words = flags(catalog, np.datetime64(today.isoformat()))
    rows = []
    for index in range(len(catalog)):
        row = catalog.row(index)
        if _fits(row, wanted, keys):
            rows.append(_shown(catalog, index, row, words[index], today))
    order = {
        "price": lambda r: (r["price_usd_per_hour"], r["offer_id"]),
        "price_per_accelerator": lambda r: (r["usd_per_accelerator_hour"] or 0, r["offer_id"]),
        "age": lambda r: (r["age_days"], r["offer_id"]),
        "provider": lambda r: (r["offer_id"],),
    }
    return sorted(rows, key=order[sort])


def hardware(catalog: Catalog) -> list[dict[str, Any]]:
    """Every accelerator with its figures; null where no source gives one."""
    return [asdict(catalog.accelerators[name]) for name in sorted(catalog.accelerators)]


def summary(catalog: Catalog) -> dict[str, Any]:
    """How much there is, and between which dates."""
    c = catalog.columns
    return {
        "offers": len(catalog),
        "accelerators": len(catalog.accelerators),
        "providers": sorted(set(c["provider"])),
        "prices_as_of": [min(c["as_of"]), max(c["as_of"])],
    }


def difference(before: Catalog, after: Catalog) -> list[dict[str, Any]]:
    """Offers that came, went, or changed their price, by id."""
    old, new = _prices(before), _prices(after)
    rows: list[dict[str, Any]] = []
    for offer_id in sorted(old.keys() | new.keys()):
        was, now = old.get(offer_id), new.get(offer_id)
        if was != now:
            change = None if was is None or now is None else round(now / was - 1, 6)
            rows.append({"offer_id": offer_id, "before_usd": was, "after_usd": now, "change": change})
    return rows


def _prices(catalog: Catalog) -> dict[str, float]:
    return {catalog.offer_id(i): float(catalog.price[i]) for i in range(len(catalog))}


def _keys(catalog: Catalog, wanted: Filter) -> frozenset[str] | None:
    for name, value in (("provider", wanted.provider), ("region", wanted.region), ("market", wanted.market)):
        known = set(catalog.columns[name])
        if value is not None and value not in known:
            shown = ", ".join(sorted(known)[:20])
            raise BadInput(f"--{name} {value}: not in the catalog", next_step=f"for example {shown}")
    if wanted.accelerator is None:
        return None
    keys = frozenset(key for key, _ in catalog.names.keys_of(wanted.accelerator))
    if not keys:
        raise BadInput(
            f"--accelerator {wanted.accelerator}: not in the catalog",
            next_step="shoestring catalog --hardware",
        )
    return keys


def _fits(row: Mapping[str, str], wanted: Filter, keys: frozenset[str] | None) -> bool:
    return (
        (keys is None or row["accelerator"] in keys)
        and wanted.provider in (None, row["provider"])
        and wanted.region in (None, row["region"])
        and wanted.market in (None, row["market"])
    )


def _shown(
    catalog: Catalog, index: int, row: Mapping[str, str], words: tuple[str, ...], today: date
) -> dict[str, Any]:
    count, price = float(catalog.count[index]), float(catalog.price[index])
    return {
        "offer_id": catalog.offer_id(index),
        "provider": row["provider"],
        "region": row["region"],
        "zone": row["zone"] or None,
        "market": row["market"],
        "instance_type": row["instance_type"],
        "accelerator": row["accelerator"],
        "count": count,
        "price_usd_per_hour": price,
        "usd_per_accelerator_hour": round(price / count, 6) if count else None,
        "age_days": (today - date.fromisoformat(row["as_of"])).days,
        "as_of": row["as_of"],
        "as_of_kind": row["as_of_kind"],
        "kind": row["kind"],
        "source": row["source"],
        "layer": catalog.origin[index],
        "flags": list(words),
        "suspect": suspect(words),
    }
