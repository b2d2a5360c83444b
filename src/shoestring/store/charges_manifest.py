"""The manifest: which files are the ledger now. Replacing it is the only moment at which anything changes.

A writer puts new files in place under names never used before, then replaces the manifest; a crash before
that leaves the old state whole, after it the new one. Files that no manifest names are swept by the next
writer.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.training.spool import sync_folder

VERSION = 1
NAME = "manifest.json"
WAIT_S = 900.0  # for another writer; the largest import holds the lock for a minute
LOOK_S = 0.02
MEND = "restore it from a backup, or import the bills again into a new folder (--ledger); runs are booked anew there"
ALLOCATION = "allocation"  # the kind of parts whose charges move cost and sum to nothing

FEES = "fees"  # the kind of parts that spread up-front fees over their terms, and sum to nothing as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The charges of one billing period from one source, as one Parquet file with its cubes.

    Attributes:
        period: ``2026-01``. source: e.g. ``aws/123456789012`` or ``shoestring/RUN``.
        kind: ``bill`` | ``metered`` | ``adjusts 2026-01`` (posted after that month was closed) | ``allocation`` |
            ``fees``.
        file, cube, resources: paths inside the ledger's folder, of the charges, their daily cube and their monthly one
            of resources; None for a cube that would be no smaller, or is of an older ledger.
        billed, effective: sums by currency, as decimal text.
        sha256: of file and cubes, by their names here; empty for those written before it was kept.
    """

    period: str
    source: str
    kind: str
    file: str
    cube: str | None
    rows: int
    import_id: str
    billed: Mapping[str, str] = field(default_factory=dict)
    effective: Mapping[str, str] = field(default_factory=dict)
    resources: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_a_bill(self) -> bool:
        """Whether a provider said so: neither our meters nor our allocation."""
        return self.kind not in ("metered", ALLOCATION, FEES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One import, kept for good: what came in, and that nothing of it got lost.

    ``sha256``: of each file. ``unrated``: for runs, uses without a price, outside the charges.
    ``invoice``: what the invoice says, as decimal text; None if nobody gave it.
    """

    id: str
    at: str
    user: str
    files: tuple[str, ...]
    sha256: tuple[str, ...]
    format: str
    rows_in: int
    rows_stored: int
    rows_quarantined: int
    quarantine: str | None = None
    unrated: int = 0
    invoice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that is in the ledger.

    Attributes:
        closed: ``2026-01`` or ``2026-01 SOURCE`` -> when and by whom.
        billed_runs: sources of runs whose bill has come -> the comparison of both; their metered parts stay,
            and count no longer.
        allocated: ``2026-01`` -> the state that its allocation was made from; empty where there is none.
    """

    generation: int = 0
    parts: tuple[Part, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    closed: Mapping[str, str] = field(default_factory=dict)
    billed_runs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    allocated: Mapping[str, str] = field(default_factory=dict)

    def is_closed(self, period: str, source: str) -> bool:
        return period in self.closed or f"{period} {source}" in self.closed

    def files(self) -> set[str]:
        """Every file that this manifest names."""
        cubes = {cube for p in self.parts for cube in (p.cube, p.resources) if cube is not None}
        quarantined = {d.quarantine for d in self.deliveries if d.quarantine is not None}
        return {p.file for p in self.parts} | cubes | quarantined


def read_manifest(folder: Path) -> Manifest:
    """The newest manifest; an empty one where there is no ledger yet.

    Raises:
        BadInput: the file is of another version, damaged, or gone though there are charges.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if next((folder / "charges").rglob("*.parquet"), None) is not None:
            raise BadInput(f"{path}: missing, though there are charges", next_step=MEND) from None
        return Manifest()
    except ValueError as error:
        raise BadInput(f"{path}: damaged ({error})", next_step=MEND) from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}", next_step="see that you may read it") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: damaged (no JSON object)", next_step=MEND)
    if data.get("version") != VERSION:
        raise BadInput(
            f"{path}: version {data.get('version')}, this shoestring knows {VERSION}",
            next_step="use the version of shoestring that wrote it",
        )
    try:
        return Manifest(
            generation=data["generation"],
            parts=tuple(Part(**p) for p in data["parts"]),
            deliveries=tuple(Delivery(**_tuples(d)) for d in data["deliveries"]),
            closed=data["closed"],
            billed_runs=data.get("billed_runs", {}),
            allocated=data.get("allocated") or {},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path}: damaged ({error!r:.200})", next_step=MEND) from None


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Make ``manifest`` the ledger, durably and at once; returns it with its new generation."""
    manifest = replace(manifest, generation=manifest.generation + 1)
    temporary = folder / f".{NAME}.{os.getpid()}.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"version": VERSION, **asdict(manifest)}))  # dump would take ten times as long
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / NAME)
    sync_folder(folder)
    return manifest


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the ledger's lock: one writer at a time; another one waits its turn.

    The kernel takes the lock from a process that dies; the file that stays behind locks nothing.

    Raises:
        ShoestringError: another process has held it for ``WAIT_S``.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("a+") as file:
        _lock(file)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    until = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                break
            time.sleep(LOOK_S)
        else:
            return
    file.seek(0)
    holder = file.read(20).strip() or "unknown"
    raise ShoestringError(
        f"{file.name}: the ledger has been held by another process (id {holder}) for {WAIT_S / 60:.0f} minutes",
        next_step="wait for it, or end it: it leaves the ledger as it was",
    )


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
