"""The charge store: Parquet files, one for each billing period and source, named by a manifest."""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.charges_check import damages, digest_of
from shoestring.store.charges_cubes import CUBE_LEAST, DAYS, RESOURCES, Grain, constants, write_cubes
from shoestring.store.charges_engine import (
    PARQUET,
    connect,
    engine_errors,
    explain_engine_error,
    ident,
    literal,
    literals,
)
from shoestring.store.charges_files import alive, explaining, slug, sync_file
from shoestring.store.charges_manifest import (
    Delivery,
    Manifest,
    Part,
    read_manifest,
    write_manifest,
    writing,
)
from shoestring.store.charges_schema import STORE_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a file holds: its rows, and billed and effective cost by currency, as decimal text."""

    rows: int
    billed: dict[str, str]
    effective: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A Parquet file waiting to become the charges of one period and source. ``sums``: if they are known."""

    period: str
    source: str
    kind: str
    path: Path
    sums: Sums | None = None


class ChargeStore:
    """The ledger's charges. Readers see one manifest, whole; writers replace it under a lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def manifest(self) -> Manifest:
        """What is in the ledger now."""
        return read_manifest(self.folder)

    def connect(self, *, alone: bool = False) -> Any:
        """A connection that spills inside the ledger's folder; ``alone``: with an engine of its own."""
        with explaining(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return connect(self.folder / "spill", alone=alone)

    @contextlib.contextmanager
    def reading(self, *, alone: bool = False) -> Iterator[Any]:
        """A connection to ask with; where the engine stumbles over a damaged file, the error names it.

        Raises:
            BadInput: a file of the ledger is damaged or gone, or was swept by a change made meanwhile.
        """
        before = self.manifest().generation
        with self.connect(alone=alone) as engine:
            try:
                yield engine
            except engine_errors() as error:
                manifest = self.manifest()
                for damage in damages(self.folder, manifest):
                    raise damage.error() from error
                if manifest.generation != before:
                    raise BadInput(
                        f"{self.folder}: changed while it was read", next_step="ask again"
                    ) from error
                raise

    def rows_sql(self, parts: Sequence[Part]) -> str:
        """SQL that gives the charges of ``parts``, with every store column (null where a file has none)."""
        return self._read([p.file for p in parts])

    def rows_of_files(self, paths: Sequence[str], *, numbered: bool = False) -> str:
        """The same for files; with ``filename`` and ``file_row_number`` if ``numbered``."""
        listed = literals([str(self._schema_file()), *paths])
        numbers = ", filename=true, file_row_number=true" if numbered else ""
        return f"read_parquet({listed}, union_by_name=true, hive_partitioning=false{numbers})"

    def steady_rows_sql(self, engine: Any, parts: Sequence[Part], columns: Sequence[str]) -> str:
        """The same, with those of ``columns`` spelled out that are the same in all of a large part.

        Grouping by what never changes takes as much time as by what does, unless the engine knows.
        """
        large = [p for p in parts if p.rows >= CUBE_LEAST]
        small = [p for p in parts if p.rows < CUBE_LEAST]
        pieces = [f"select * from {self.rows_sql(small)}"] if small or not large else []
        for part in large:
            same = constants(engine, self.folder / part.file)
            told = [f"cast({same[c]} as {STORE_COLUMNS[c]}) as {ident(c)}" for c in columns if c in same]
            steady = f" replace ({', '.join(told)})" if told else ""
            pieces.append(f"select *{steady} from {self.rows_sql([part])}")
        return f"({' union all by name '.join(pieces)})"

    def days_sql(self, parts: Sequence[Part]) -> str:
        """SQL that gives the charges of ``parts`` by day (``x_Day``) and cube keys, with ``x_Rows``.

        Parts without a cube give their rows as they are: the same sums, only more rows.
        """
        return self._summed_sql(DAYS, [(p.file, p.cube) for p in parts])

    def resources_sql(self, parts: Sequence[Part]) -> str:
        """The same by month (``x_Day`` is its first day), resource and `RESOURCE_KEYS`."""
        return self._summed_sql(RESOURCES, [(p.file, p.resources) for p in parts])

    def _summed_sql(self, grain: Grain, files: Sequence[tuple[str, str | None]]) -> str:
        plain = self._read([file for file, cube in files if cube is None])
        halves = [f"select {grain.day} as x_Day, 1 as x_Rows, {grain.columns} from {plain}"]
        cubes = [cube for _, cube in files if cube is not None]
        if cubes:
            halves.append(f"select x_Day, x_Rows, {grain.columns} from {self._read(cubes, grain)}")
        return f"({' union all '.join(halves)})"

    def stage_folder(self) -> Path:
        """A new folder for files in the making; those of writers that died are swept."""
        staging = self.folder / "staging"
        mine = staging / f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        with explaining(self.folder):
            staging.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in staging.iterdir():
                if not alive(left.name.partition("-")[0]):
                    shutil.rmtree(left, ignore_errors=True)
            mine.mkdir(mode=0o700)
        return mine

    @contextlib.contextmanager
    def change(self) -> Iterator["Change"]:
        """Hold the ledger for a change; nothing is changed unless ``commit`` is called."""
        with explaining(self.folder), writing(self.folder):
            manifest = self.manifest()
            if manifest.generation == 0:  # so that charges without one have always lost theirs
                manifest = write_manifest(self.folder, manifest)
            yield Change(self, manifest)

    def _read(self, files: Sequence[str], grain: Grain | None = None) -> str:
        paths = [str(self._schema_file(grain)), *(str(self.folder / f) for f in files)]
        return f"read_parquet({literals(paths)}, union_by_name=true, hive_partitioning=false)"

    def _schema_file(self, grain: Grain | None = None) -> Path:
        """An empty Parquet file with every column: what makes the columns that a bill lacks null."""
        types = STORE_COLUMNS if grain is None else grain.types
        digest = hashlib.sha256(repr(types).encode()).hexdigest()[:12]
        path = self.folder / f"schema-{'rows' if grain is None else grain.name}-{digest}.parquet"
        if not path.exists():
            nothing = ", ".join(f"cast(null as {sql}) as {ident(name)}" for name, sql in types.items())
            made = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                with self.connect() as engine:
                    engine.execute(f"copy (select {nothing} where false) to {literal(made)} {PARQUET}")
            except engine_errors() as error:
                raise explain_engine_error(error, str(path)) from error
            with explaining(self.folder):
                sync_file(made)
                made.replace(path)
        return path


class Change:
    """A change in the making, under the ledger's lock. Everything becomes visible at once, or nothing."""

    def __init__(self, store: ChargeStore, manifest: Manifest) -> None:
        self.store, self.manifest = store, manifest
        self.engine = store.connect()

    def put(self, staged: Staged, import_id: str) -> Part:
        """Take a staged file in, in the place of what was there for its period, source and kind."""
        name = f"charges/period={staged.period}/source={slug(staged.source)}/{uuid.uuid4().hex}.parquet"
        target = self.store.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.path.replace(target)
        sync_file(target)
        sums = staged.sums or self._sums(target)
        cubes = self._cubes(target, sums.rows)
        part = Part(
            period=staged.period,
            source=staged.source,
            kind=staged.kind,
            file=name,
            cube=cubes.get(DAYS.name),
            resources=cubes.get(RESOURCES.name),
            rows=sums.rows,
            import_id=import_id,
            billed=sums.billed,
            effective=sums.effective,
            sha256={file: digest_of(self.store.folder / file) for file in (name, *cubes.values())},
        )
        self.drop(staged.period, staged.source, staged.kind)
        self.manifest = replace(self.manifest, parts=(*self.manifest.parts, part))
        return part

    def drop(self, period: str, source: str, kind: str) -> None:
        """Leave out the charges of a period, source and kind."""
        kept = tuple(p for p in self.manifest.parts if (p.period, p.source, p.kind) != (period, source, kind))
        self.manifest = replace(self.manifest, parts=kept)

    def forget_delivery(self, import_id: str) -> None:
        """Leave out the record of a delivery that is being replaced by one of the same id."""
        kept = tuple(d for d in self.manifest.deliveries if d.id != import_id)
        self.manifest = replace(self.manifest, deliveries=kept)

    def keep_quarantine(self, path: Path) -> str:
        """Move a quarantine file into the ledger; its name there."""
        name = f"quarantine/{uuid.uuid4().hex}.csv"
        target = self.store.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        sync_file(target)
        return name

    def close(self, period: str, source: str | None, note: str) -> None:
        """Close a month, for one source or all: later restatements become adjustments."""
        key = period if source is None else f"{period} {source}"
        self.manifest = replace(self.manifest, closed={**self.manifest.closed, key: note})

    def record(self, delivery: Delivery) -> None:
        """Keep a delivery on record."""
        self.manifest = replace(self.manifest, deliveries=(*self.manifest.deliveries, delivery))

    def commit(self, delivery: Delivery | None = None) -> Manifest:
        """Make it the ledger. Files that nothing names any more are swept afterwards."""
        if delivery is not None:
            self.record(delivery)
        self.manifest = write_manifest(self.store.folder, self.manifest)
        self._sweep()
        return self.manifest

    def _cubes(self, file: Path, rows: int) -> dict[str, str]:
        made = write_cubes(self.engine, file, rows)
        for cube in made.values():
            sync_file(cube)
        return {grain: str(cube.relative_to(self.store.folder)) for grain, cube in made.items()}

    def _sums(self, file: Path) -> Sums:
        rows = self.engine.execute(
            "select coalesce(BillingCurrency, '?'), count(*), coalesce(sum(BilledCost), 0), "
            f"coalesce(sum(EffectiveCost), 0) from {literal(file)} group by 1 order by 1"
        ).fetchall()
        return Sums(
            rows=sum(count for _, count, _, _ in rows),
            billed={currency: str(total) for currency, _, total, _ in rows},
            effective={currency: str(total) for currency, _, _, total in rows},
        )

    def _sweep(self) -> None:
        named = self.manifest.files()
        for root in ("charges", "quarantine"):
            for path in (self.store.folder / root).rglob("*"):
                if path.is_file() and str(path.relative_to(self.store.folder)) not in named:
                    path.unlink(missing_ok=True)
