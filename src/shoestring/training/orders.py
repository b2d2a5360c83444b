"""What the supervisor told this attempt through its environment."""

import json
import math
from dataclasses import dataclass

from shoestring.domain.errors import BadInput
from shoestring.training import spool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A checkpoint that the journal knows, with the hash of its manifest."""

    id: str
    uri: str
    manifest_sha256: str
    step: int


def interval_s(text: str | None) -> float | None:
    """Seconds between saves, from the policy; None leaves it to the job. Raises BadInput."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise BadInput(f"{spool.ENV_INTERVAL_S}={text!r}: expected seconds above 0")
    return seconds


def pinned(text: str | None) -> tuple[Pinned, ...] | None:
    """The journal's checkpoints, newest first; None where no journal speaks. Raises BadInput."""
    if text is None or not text.strip():
        return None
    try:
        return tuple(
            Pinned(
                id=str(row["id"]),
                uri=str(row["uri"]),
                manifest_sha256=str(row["manifest_sha256"]),
                step=int(row["step"]),
            )
            for row in json.loads(text)
        )
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            f"{spool.ENV_RESTORE} is no list of checkpoints with id, uri, manifest_sha256 and step: {error!r}"
        ) from error
