"""Which allocation rules are in force, and who put them there: one sealed line each, in the ledger's folder."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from shoestring.domain.units import require_utc
from shoestring.store.charges_files import explaining
from shoestring.store.charges_manifest import writing
from shoestring.training.spool import append_sealed, read_sealed

NAME = "allocations.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationFact:
    """Rules put in force, or taken out of it. ``user`` is the operating system's, not authenticated.

    Attributes:
        rules: the YAML as it was given; None: no rules from now on.
    """

    at: datetime
    user: str
    rules: str | None
    why: str = ""


def record(folder: Path, fact: AllocationFact) -> None:
    """Write it down, durably."""
    require_utc(fact.at, "an allocation")
    with explaining(folder), writing(folder):
        append_sealed(folder / NAME, asdict(fact) | {"at": fact.at.isoformat()}, durable=True)


def in_force(folder: Path) -> AllocationFact | None:
    """The rules that hold now; None where there are none. A torn line is passed over."""
    last: dict[str, Any] | None = None
    with explaining(folder):
        for _, data in read_sealed(folder / NAME):
            last = data
    if last is None or last["rules"] is None:
        return None
    return AllocationFact(**(last | {"at": datetime.fromisoformat(last["at"])}))
