"""Prices read from public pages after the collection of facts: newer rows, and second sources for old ones.

``catalog/updates.csv`` holds offers in the collection's columns; ``*`` as region means all that the collection
has. ``catalog/second_sources.csv`` holds what another source says of the same type, region and market. Only
numbers were taken. One trap met on the way: a page of November 2026 gave Azure's NC48ads_A100_v4 9.554 $/h,
NC96ads 19.108 and NC80adis_H100_v5 17.64; each is the Linux price plus 0.046 $ per vCPU, the Windows licence.
Those were not used.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

Row = dict[str, str]

HERE = Path(__file__).parent / "catalog"
AGREES_WITHIN = 0.1
RAISED = {
    ("nebius", "H100-SXM"),
    ("nebius", "H200-SXM"),
    ("nebius", "B200"),
}  # on-demand, +24..30 % by 2026-09
AWS_CUT = "2025-06-23"  # p4d, p4de, p5 and p5en became 33 to 44 % cheaper: older second sources don't count
# GCP's pages say "up to 53 %" below on-demand for flex-start, and seven days at most. The shares are those that
# commitments.csv infers from public price lists, capped at the official figure: estimates, and marked so.
FLEX_DISCOUNT = {"A100-40GB-SXM": 0.45, "A100-80GB-SXM": 0.53, "H100-SXM": 0.53, "H200-SXM": 0.51}
FLEX_SOURCE = (
    "inferred: on-demand less the flex-start discount (up to 53 % by cloud.google.com; commitments.csv)"
)


def brought_up_to_date(offers: Iterable[Row]) -> list[Row]:
    """The offers with newer ones in place of old ones, and with what second sources say in their flags."""
    rows = {_key(row): row for row in offers}
    for update in _read("updates.csv"):
        same = [key for key in rows if _means(update, key)]
        for key in same:
            old = rows[key]
            kept = {name: update[name] or old[name] for name in ("vcpus", "memory_gib")}
            rows[key] = update | kept | {"region": old["region"], "zone": old["zone"]}
        if not same and update["region"] != "*":
            rows[_key(update)] = update
    found = [*rows.values(), *_flex_start(rows.values())]
    _judge(found)
    return found


def newer_billing_rules(rules: Iterable[Row]) -> list[Row]:
    """The billing rules with newer ones of the same provider and service in place of old ones."""
    found = {(row["provider"], row["service"]): row for row in rules}
    return list(
        (found | {(row["provider"], row["service"]): row for row in _read("billing_rules.csv")}).values()
    )


def _read(name: str) -> list[Row]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("provider", "instance_type", "region", "zone", "market"))


def _means(update: Row, key: tuple[str, ...]) -> bool:
    provider, instance_type, region, _, market = key
    same = (update["provider"], update["instance_type"], update["market"]) == (
        provider,
        instance_type,
        market,
    )
    return same and update["region"] in ("*", region)


def _flex_start(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        discount = FLEX_DISCOUNT.get(row["accelerator"])
        if row["provider"] == "gcp" and row["market"] == "on_demand" and discount is not None:
            usd = round(float(row["price_usd_per_hour"]) * (1 - discount), 6)
            yield row | {
                "market": "flex_start", "price_usd_per_hour": str(usd), "kind": "estimate",
                "source": FLEX_SOURCE, "as_of_kind": "latest", "flag": "estimate",
            }  # fmt: skip


def _judge(rows: list[Row]) -> None:
    """Add to each row's flags whether a second source confirms or contradicts it."""
    others = _second_sources(rows)
    for row in rows:
        words = set(row["flag"].split())
        usd = float(row["price_usd_per_hour"])
        told = [
            other
            for region in (row["region"], "*")
            for other, source in others.get(
                (row["provider"], row["instance_type"], region, row["market"]), ()
            )
            if _origin(source) != _origin(row["source"]) and not _before_the_cut(row, source)
        ]
        if told:
            agree = all(abs(usd - other) <= AGREES_WITHIN * max(usd, other) for other in told)
            words.add("confirmed" if agree else "sources_disagree")
        if row["region"] in ("most regions", "no capacity listed"):
            words.add("place_uncertain")
        if (row["provider"], row["accelerator"]) in RAISED and row["market"] == "spot":
            words.add("pre_price_change")
        row["flag"] = " ".join(sorted(words))


def _second_sources(rows: Iterable[Row]) -> dict[tuple[str, str, str, str], list[tuple[float, str]]]:
    found: dict[tuple[str, str, str, str], list[tuple[float, str]]] = {}
    for row in _read("second_sources.csv"):
        place = (row["provider"], row["instance_type"], row["region"], row["market"])
        found.setdefault(place, []).append((float(row["price_usd_per_hour"]), row["source"]))
    for row in rows:  # notes of reserved rows name the on-demand price of their own source
        told = re.search(r"on-demand then (\d+(?:\.\d+)?)", row.get("note") or "")
        if told:
            place = (row["provider"], row["instance_type"], row["region"], "on_demand")
            found.setdefault(place, []).append((float(told[1]), row["source"]))
    return found


def _before_the_cut(row: Row, source: str) -> bool:
    newer = row["as_of"] > AWS_CUT and "ec2.shop" in source
    return newer and re.match(r"p[45]", row["instance_type"]) is not None


def _origin(source: str) -> str:
    """The body of a source's name: two files of one repository are one source."""
    return re.split(r"[ @]", source.removeprefix("github "))[0]
