"""What people were told and what they do not want to hear again: one sealed line each, in the ledger's folder."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from shoestring.domain.units import require_utc
from shoestring.store.charges_manifest import writing
from shoestring.training.spool import append_sealed, read_sealed

NAME = "notices.jsonl"
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFact:
    """``what``: ``sent``, ``muted`` (say it no more) or ``accepted`` (it is right as it is).

    ``user`` is the operating system's, not authenticated.
    """

    notice_id: str
    what: str
    at: datetime
    user: str
    why: str = ""


def record(folder: Path, fact: NoticeFact) -> None:
    """Write it down, durably."""
    require_utc(fact.at, "a notice")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with writing(folder):
        append_sealed(folder / NAME, asdict(fact) | {"at": fact.at.isoformat()}, durable=True)


def settled(folder: Path) -> dict[str, str]:
    """What became of each notice last, by id. A line that was torn or altered is passed over."""
    return {str(data["notice_id"]): str(data["what"]) for _, data in read_sealed(folder / NAME)}
