"""The embedded tables as columns: read once, screened as numpy arrays, made into Offers only when needed."""

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property, lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from shoestring.catalog.names import Names, backend_of
from shoestring.domain.offer import BillingRule, Market, Offer, Price, PriceKind, StartRule
from shoestring.domain.plan import Accelerator

Floats = NDArray[np.float64]
Row = Mapping[str, str]
_SERVICES = ("ec2_on_demand_and_spot", "compute_engine", "virtual_machines", "pods")


def number(text: str) -> float | None:
    """A figure of a table; None for an empty cell, which means unknown."""
    return float(text) if text else None


def read_table(name: str) -> dict[str, tuple[str, ...]]:
    """A table of the package by column."""
    packed = resources.files("shoestring.catalog").joinpath(f"tables/{name}.csv.gz").read_bytes()
    rows = csv.reader(io.StringIO(gzip.decompress(packed).decode()))
    header = next(rows)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def read_rows(name: str) -> list[Row]:
    """A small table by row."""
    columns = read_table(name)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@dataclass(frozen=True, eq=False)
class Catalog:
    """Offers by column, and the hardware they are made of.

    Attributes:
        columns: text of each column of the offers; ``flag`` holds words separated by blanks.
        origin: of each row: ``embedded`` or the name of the overlay that gave its price.
    """

    columns: Mapping[str, tuple[str, ...]]
    accelerators: Mapping[str, Accelerator]
    origin: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.columns["provider"])

    @cached_property
    def price(self) -> Floats:
        """$/h of the whole instance."""
        return np.array(self.columns["price_usd_per_hour"], dtype=np.float64)

    @cached_property
    def count(self) -> Floats:
        """Accelerators per instance."""
        return np.array([float(c or 0) for c in self.columns["accelerator_count"]])

    @cached_property
    def names(self) -> Names:
        return Names(tuple(self.accelerators))

    @cached_property
    def as_of(self) -> NDArray[np.datetime64]:
        return np.array(self.columns["as_of"], dtype="datetime64[D]")

    @cached_property
    def arrays(self) -> Mapping[str, NDArray[np.str_]]:
        """The columns that rows are picked by."""
        picked = ("provider", "instance_type", "accelerator", "region", "zone", "market", "kind")
        return {name: np.array(self.columns[name]) for name in picked}

    @cached_property
    def interruption(self) -> Mapping[tuple[str, str], int]:
        """Band of the share reclaimed in a month, 0 (< 5 %) to 4 (> 20 %), by AWS instance type and region."""
        return {
            (r["instance_type"], r["region"]): int(r["band_index"]) for r in read_rows("spot_interruption")
        }

    @cached_property
    def billing(self) -> Mapping[str, Row]:
        return {r["provider"]: r for r in read_rows("billing_rules") if r["service"] in _SERVICES}

    @cached_property
    def start_rules(self) -> Mapping[tuple[str, str], StartRule]:
        """When capacity can be had and for how long, by provider and market."""
        return {(r["provider"], r["market"]): _start_rule(r) for r in read_rows("start_rules")}

    @cached_property
    def carbon(self) -> Mapping[tuple[str, str], Row]:
        return {(r["provider"], r["region"]): r for r in read_rows("grid_carbon")}

    def row(self, index: int) -> Row:
        return {name: column[index] for name, column in self.columns.items()}

    def offer_id(self, index: int) -> str:
        """Stable name of an offer: provider/region/zone/instance type/market, ``-`` for no zone."""
        c = self.columns
        place = f"{c['provider'][index]}/{c['region'][index]}/{c['zone'][index] or '-'}"
        return f"{place}/{c['instance_type'][index]}/{c['market'][index]}"

    def billing_rule(self, provider: str, market: Market = Market.ON_DEMAND) -> BillingRule:
        """How a provider rounds; where no rule was found, per second with a minute at least."""
        if market.ours:
            return BillingRule(granularity_s=1, minimum_s=0)
        row = self.billing.get(provider, {})
        return BillingRule(
            granularity_s=int(row.get("granularity_s") or 1),
            minimum_s=int(row.get("minimum_s") or 60),
            free_if_interrupted_within_s=3600 if provider == "aws" else None,
        )

    def offer(self, index: int) -> Offer:
        """A row as the house's Offer."""
        row = self.row(index)
        hardware = self.accelerators.get(row["accelerator"])
        market = Market(row["market"])
        notice = self.billing.get(row["provider"], {}).get("spot_notice_s")
        return Offer(
            id=self.offer_id(index),
            executor="local" if market is Market.OWNED else "skypilot",
            provider=row["provider"],
            region=row["region"],
            zone=row["zone"] or None,
            market=market,
            instance_type=row["instance_type"],
            price=Price(
                usd_per_hour=Decimal(row["price_usd_per_hour"]),
                source=row["source"],
                as_of=moment(row["as_of"]),
                kind=PriceKind(row["kind"]),
            ),
            accelerator=row["accelerator"] or None,
            accelerator_count=float(row["accelerator_count"] or 0),
            vcpus=number(row["vcpus"]),
            memory_gib=number(row["memory_gib"]),
            backend=hardware.backend if hardware else backend_of(""),
            billing=self.billing_rule(row["provider"], market),
            notice_s=float(notice) if notice and market.preemptible else None,
        )


def moment(day: str) -> datetime:
    """The beginning of a day, UTC."""
    return datetime.combine(date.fromisoformat(day), time(), UTC)


@lru_cache(maxsize=1)
def embedded() -> Catalog:
    """The catalog in the package."""
    hardware = {row["accelerator"]: _accelerator(row) for row in read_rows("accelerators")}
    columns = read_table("offers")
    return Catalog(columns, hardware, ("embedded",) * len(columns["provider"]))


def _start_rule(row: Row) -> StartRule:
    most = number(row["most_instances"])
    return StartRule(
        shortest_h=number(row["shortest_h"]),
        step_h=number(row["step_h"]),
        long_after_h=number(row["long_after_h"]),
        long_step_h=number(row["long_step_h"]),
        longest_h=number(row["longest_h"]),
        starts_at_utc_h=number(row["starts_at_utc_h"]),
        ends_early_h=number(row["ends_early_h"]) or 0.0,
        wait_max_h=number(row["wait_max_h"]),
        most_instances=None if most is None else int(most),
        paid_whole=row["paid_whole"] == "yes",
        source=row["source"],
    )


def _accelerator(row: Row) -> Accelerator:
    return Accelerator(
        name=row["accelerator"],
        vendor=row["vendor"],
        family=row["family"],
        backend=backend_of(row["family"]),
        memory_gib=number(row["memory_gib"]),
        bandwidth_gb_s=number(row["memory_bandwidth_gb_s"]),
        fp32_tflops=number(row["fp32_tflops"]),
        fp16_tflops=number(row["fp16_tflops"]),
        bf16_tflops=number(row["bf16_tflops"]),
        fp8_tflops=number(row["fp8_tflops"]),
        tdp_w=number(row["tdp_w"]),
        interconnect_gb_s=number(row["interconnect_gb_s"]),
        source=row["source"],
        as_of=row["as_of"],
    )
