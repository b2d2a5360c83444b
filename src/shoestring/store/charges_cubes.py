"""Cubes: the sums of a file of charges, written beside it, so that a question need not read every line.

A cube has what its grain keeps apart and adds up the rest. It is made when charges come in, is as exact as its lines
(decimals add up exactly), and is not kept where it would hardly be smaller.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoestring.store.charges_engine import PARQUET, ident, literal
from shoestring.store.charges_schema import CUBE_KEYS, CUBE_SUMS, RESOURCE_KEYS, STORE_COLUMNS

CUBE_WORTH = 0.5  # a cube with more than this share of its part's rows saves nothing and is not kept
CUBE_LEAST = 20_000  # below so many rows the rows themselves are as quick


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """What a cube keeps apart.

    Attributes:
        name: which file it is: the suffix of its path.
        day: SQL of the column ``x_Day``: the first day of what is kept apart in time.
        keys: columns that are kept apart; those of `CUBE_SUMS` are added up, and ``x_Rows`` counts.
    """

    name: str
    day: str
    keys: tuple[str, ...]

    @property
    def types(self) -> dict[str, str]:
        """Column -> SQL type."""
        own = {name: STORE_COLUMNS[name] for name in (*self.keys, *CUBE_SUMS)}
        return {"x_Day": "DATE", "x_Rows": "BIGINT"} | own

    @property
    def columns(self) -> str:
        """SQL of the keys and sums."""
        return ", ".join(ident(name) for name in (*self.keys, *CUBE_SUMS))


DAYS = Grain(name="cube", day="cast(ChargePeriodStart as date)", keys=CUBE_KEYS)
RESOURCES = Grain(
    name="resources", day="cast(date_trunc('month', ChargePeriodStart) as date)", keys=RESOURCE_KEYS
)


def write_cubes(engine: Any, file: Path, rows: int) -> dict[str, Path]:
    """Sum ``file`` (of ``rows`` rows) by every grain; grain's name -> its file, of those that are a gain."""
    if rows < CUBE_LEAST:
        return {}
    same = constants(engine, file)
    described = engine.execute(f"describe select * from {literal(file)}").fetchall()
    present = {name for name, *_ in described if same.get(name) != "null"}  # readers see nulls
    made = {}
    for grain in (DAYS, RESOURCES):
        cube = file.with_suffix(f".{grain.name}")
        (count,) = engine.execute(
            f"copy ({_summed(grain, file, present, same)}) to {literal(cube)} {PARQUET}"
        ).fetchone()
        if count > CUBE_WORTH * rows:
            cube.unlink()
        else:
            made[grain.name] = cube
    return made


def _summed(grain: Grain, file: Path, present: set[str], same: dict[str, str]) -> str:
    keys = [k for k in grain.keys if k in present]
    named = [f"cast({same[k]} as {STORE_COLUMNS[k]}) as {ident(k)}" if k in same else ident(k) for k in keys]
    sums = [f"sum({ident(s)}) as {ident(s)}" for s in CUBE_SUMS if s in present]
    varying = ["1", *(ident(k) for k in keys if k not in same)]
    return (
        f"select {', '.join([f'{grain.day} as x_Day', *named, 'count(*) as x_Rows', *sums])} "
        f"from {literal(file)} group by {', '.join(varying)}"
    )


def constants(engine: Any, file: Path) -> dict[str, str]:
    """Columns that are the same, null or not there in every row, as the file's own statistics say -> SQL of it.

    A bill has many (currency, issuer, account, month); grouping by them takes time and tells nothing.
    """
    rows = engine.execute(
        f"""select path_in_schema, min(stats_min_value), max(stats_max_value), sum(stats_null_count),
              sum(num_values), bool_and(min_is_exact and max_is_exact), count(stats_min_value), count(*)
            from parquet_metadata({literal(file)}) group by 1"""
    ).fetchall()
    found = dict.fromkeys(STORE_COLUMNS.keys() - {name for name, *_ in rows}, "null")
    for name, low, high, nulls, values, exact, with_stats, groups in rows:
        if nulls is not None and nulls == values:
            found[name] = "null"
        elif low is not None and low == high and nulls == 0 and exact and with_stats == groups:
            found[name] = literal(low)
    return found
