"""Which up-front fees are spread over which terms, and who said so: one sealed line each, in the ledger's folder."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from shoestring.domain.units import require_utc
from shoestring.store.charges_files import explaining
from shoestring.store.charges_manifest import writing
from shoestring.training.spool import append_sealed, read_sealed

NAME = "fees.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTerm:
    """An up-front fee of a reservation, capacity block or commitment, and the time it pays for.

    Attributes:
        id: CapacityReservationId, CommitmentDiscountId or ResourceId of the purchase. user: not authenticated.
        start, end: the term; ``end`` None: the fee is spread no more. machines: how many it holds ready.
        resources: machines of ours that ran under it, where the bill has no lines of their use.
    """

    at: datetime
    user: str
    id: str
    start: datetime
    end: datetime | None
    machines: int = 1
    resources: tuple[str, ...] = ()
    why: str = ""


def record(folder: Path, term: FeeTerm) -> None:
    """Write it down, durably."""
    require_utc(term.at, "a fee's term")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with writing(folder):
        data = asdict(term) | {
            "at": term.at.isoformat(),
            "start": term.start.isoformat(),
            "end": None if term.end is None else term.end.isoformat(),
            "resources": list(term.resources),
        }
        append_sealed(folder / NAME, data, durable=True)


def fee_terms(folder: Path) -> tuple[FeeTerm, ...]:
    """The terms in force, by id; the last word on each id counts. A torn line is passed over."""
    found: dict[str, FeeTerm] = {}
    with explaining(folder):
        told = list(read_sealed(folder / NAME))
    for _, data in told:
        moments = {key: datetime.fromisoformat(data[key]) for key in ("at", "start")}
        end = None if data["end"] is None else datetime.fromisoformat(data["end"])
        found[data["id"]] = FeeTerm(**(data | moments | {"end": end, "resources": tuple(data["resources"])}))
    return tuple(found[name] for name in sorted(found) if found[name].end is not None)
