"""Dated prices of one instance type in one region: what it cost when, for people and for price traces."""

from dataclasses import dataclass
from datetime import date

from shoestring.catalog.load import number, read_rows
from shoestring.domain.errors import NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedPrice:
    """Prices in $/h that held from ``since`` until the next one; None where the source gives none."""

    since: date
    on_demand_usd_per_hour: float | None
    spot_usd_per_hour: float | None
    source: str


def history(instance_type: str, region: str) -> tuple[DatedPrice, ...]:
    """All known changes, oldest first.

    Raises:
        NotFound: no history of this type in this region; names a few that there are.
    """
    tables = (("price_history_aws", "first_seen"), ("price_history_gcp", "date"))
    rows = [(row, row[day]) for name, day in tables for row in read_rows(name)]
    found = sorted(
        (
            DatedPrice(
                since=date.fromisoformat(day),
                on_demand_usd_per_hour=number(row["on_demand_usd_per_hour"]),
                spot_usd_per_hour=number(row.get("spot_usd_per_hour", "")),
                source=row["source"],
            )
            for row, day in rows
            if (row["instance_type"], row["region"]) == (instance_type, region)
        ),
        key=lambda price: price.since,
    )
    if not found:
        regions = sorted({row["region"] for row, _ in rows if row["instance_type"] == instance_type})
        types = sorted({row["instance_type"] for row, _ in rows})
        raise NotFound(
            f"no price history of {instance_type} in {region}",
            next_step=f"it is known in {', '.join(regions)}"
            if regions
            else f"known types: {', '.join(types)}",
        )
    return tuple(found)


def regions_of(instance_type: str) -> tuple[str, ...]:
    """Regions that a type has a history in, sorted; empty for a type without one."""
    rows = (*read_rows("price_history_aws"), *read_rows("price_history_gcp"))
    return tuple(sorted({row["region"] for row in rows if row["instance_type"] == instance_type}))
