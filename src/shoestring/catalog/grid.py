"""The catalog's table of grids: what a kilowatt hour emits, by provider and region."""

from datetime import date
from functools import cache

from shoestring.catalog.load import number, read_rows
from shoestring.ledger.carbon import Grid, GridFactor


@cache
def grid() -> Grid:
    """Every region whose grid is known; its PUE may still not be."""
    found = {}
    for row in read_rows("grid_carbon"):
        grams, year = number(row["gco2e_per_kwh"]), number(row["year"])
        if grams is not None and year is not None:
            found[row["provider"], row["region"]] = GridFactor(
                kg_per_kwh=grams / 1000,
                pue=number(row["pue"]),
                source=row["source"],
                as_of=date(int(year), 12, 31),
            )
    return found
