"""Writes the catalog's tables from a folder of facts: ``python scripts/build_catalog.py FACTS_DIR``.

Same facts, same bytes: rows are sorted and gzip carries no time. A row that can't be true stops the build.
"""

import csv
import gzip
import io
import sys
from collections.abc import Iterable
from pathlib import Path

from newer_prices import brought_up_to_date, newer_billing_rules

HERE = Path(__file__).parent
TARGET = HERE.parent / "src/shoestring/catalog/tables"
START_RULES = ("provider", "market", "shortest_h", "step_h", "long_after_h", "long_step_h", "longest_h",
               "starts_at_utc_h", "ends_early_h", "wait_max_h", "most_instances", "paid_whole", "source", "as_of",
               "as_of_kind")  # fmt: skip
MARKETS = {"on_demand", "spot", "reserved_1y", "reserved_3y", "capacity_block", "flex_start", "managed"}
TABLES = {
    "accelerators": ("accelerator", "vendor", "family", "memory_gib", "memory_bandwidth_gb_s", "fp32_tflops",
                     "fp16_tflops", "bf16_tflops", "fp8_tflops", "tdp_w", "interconnect", "interconnect_gb_s",
                     "year", "source", "as_of", "note"),
    "offers": ("provider", "instance_type", "accelerator", "accelerator_count", "vcpus", "memory_gib",
               "region", "zone", "market", "price_usd_per_hour", "source", "as_of", "as_of_kind", "kind",
               "flag"),
    "egress": ("provider", "region", "scope", "from_gib_per_month", "to_gib_per_month", "usd_per_gib",
               "source", "as_of", "as_of_kind", "kind"),
    "storage": ("provider", "region", "type", "class", "usd_per_gib_month", "source", "as_of", "as_of_kind",
                "kind"),
    "grid_carbon": ("provider", "region", "gco2e_per_kwh", "pue", "method", "year", "source"),
    "spot_interruption": ("provider", "instance_type", "region", "band_index", "source", "as_of",
                          "as_of_kind"),
    "billing_rules": ("provider", "service", "granularity_s", "minimum_s", "spot_notice_s", "source", "as_of",
                      "as_of_kind", "note"),
    "commitments": ("provider", "product", "family", "region", "term", "payment", "discount_mean",
                    "discount_min", "discount_max", "source", "as_of", "as_of_kind", "kind"),
    "price_history_aws": ("provider", "instance_type", "region", "first_seen", "on_demand_usd_per_hour",
                          "source"),
    "price_history_gcp": ("provider", "instance_type", "region", "date", "on_demand_usd_per_hour",
                          "spot_usd_per_hour", "source"),
}  # fmt: skip


def main() -> int:
    """Build every table; the exit code is 2 without a folder of facts."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print("usage: build_catalog.py FACTS_DIR", file=sys.stderr)
        return 2
    facts = Path(sys.argv[1])
    rows = {name: _read(facts / f"{name}.csv", columns) for name, columns in TABLES.items()}
    accelerators = {row["accelerator"] for row in rows["accelerators"]}
    _check_offers(rows["offers"], accelerators)
    rows["offers"] = _sorted(brought_up_to_date(rows["offers"]), TABLES["offers"])
    _check_offers(rows["offers"], accelerators)
    rows["billing_rules"] = _sorted(newer_billing_rules(rows["billing_rules"]), TABLES["billing_rules"])
    rows["start_rules"] = _read(HERE / "catalog/start_rules.csv", START_RULES)
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, columns in (TABLES | {"start_rules": START_RULES}).items():
        size = _write(TARGET / f"{name}.csv.gz", columns, rows[name])
        print(f"{name:20} {len(rows[name]):6} rows {size:8} bytes")
    return 0


def _read(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise SystemExit(f"{path}: column {', '.join(sorted(missing))} is missing")
        return _sorted(reader, columns)


def _sorted(rows: Iterable[dict[str, str]], columns: tuple[str, ...]) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: tuple(row[c] for c in columns))


def _check_offers(offers: list[dict[str, str]], accelerators: set[str]) -> None:
    seen = set()
    for row in offers:
        key = tuple(row[c] for c in ("provider", "instance_type", "region", "zone", "market"))
        price = float(row["price_usd_per_hour"])
        wrong = [
            text
            for text, bad in (
                ("is there twice", key in seen),
                (f"has no accelerator we know: {row['accelerator']}", row["accelerator"] not in accelerators),
                (f"is in no market we know: {row['market']}", row["market"] not in MARKETS),
                (f"costs {price} $/h", not 0 < price < 10_000),
                ("has no source or date", not (row["source"] and row["as_of"] and row["as_of_kind"])),
            )
            if bad
        ]
        if wrong:
            raise SystemExit(f"offers.csv: {'/'.join(key)} {wrong[0]}")
        seen.add(key)


def _write(path: Path, columns: tuple[str, ...], rows: list[dict[str, str]]) -> int:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[c] for c in columns] for row in rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
