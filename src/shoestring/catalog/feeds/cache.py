"""What providers said last, on disk: one file for each, written whole, read without trust."""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from shoestring.catalog.feeds.http import strict_json
from shoestring.catalog.feeds.reply import Reply
from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Market, PriceKind
from shoestring.domain.price import PricePoint

VERSION, MAX_BYTES = 1, 16 << 20


def read_points(file: Path) -> tuple[PricePoint, ...]:
    """The points in a cache file; none where there is no file.

    Raises:
        BadInput: damaged, changed by hand, too large, or of another version; nothing of it is to be used.
    """
    try:
        if file.stat().st_size > MAX_BYTES:
            raise BadInput(f"{file.name}: more than {MAX_BYTES} bytes")
        data = strict_json(file.read_bytes(), file.name)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise BadInput(f"{file.name}: {error.strerror or error}") from None
    reply = Reply(file.name)
    table = reply.table(data, "the file")
    if table.get("version") != VERSION:
        raise reply.bad("version", table.get("version"), str(VERSION))
    provider = reply.text(table, "provider")
    return tuple(_point(reply, provider, row) for row in reply.rows(table.get("points"), "points"))


def write_points(file: Path, provider: str, points: Iterable[PricePoint]) -> None:
    """Replace the file, durably and at once."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = [
        {
            "instance_type": p.instance_type,
            "region": p.region,
            "zone": p.zone,
            "market": str(p.market),
            "usd_per_hour": str(p.usd_per_hour),
            "as_of": p.as_of.isoformat(),
            "source": p.source,
            "kind": str(p.kind),
            "available": p.available,
        }
        for p in sorted(points, key=lambda p: p.key)
    ]
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as out:
        json.dump({"version": VERSION, "provider": provider, "points": rows}, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)


def _point(reply: Reply, provider: str, row: Any) -> PricePoint:
    market, kind, available = row.get("market"), row.get("kind"), row.get("available")
    if market not in [str(m) for m in Market if not m.ours]:
        raise reply.bad("market", market, "a market")
    if kind not in [str(k) for k in PriceKind]:
        raise reply.bad("kind", kind, "list or observed")
    if available not in (True, False, None):
        raise reply.bad("available", available, "true, false or null")
    try:
        as_of = datetime.fromisoformat(row.get("as_of"))
    except (TypeError, ValueError):
        raise reply.bad("as_of", row.get("as_of"), "a moment") from None
    if as_of.tzinfo is None:
        raise reply.bad("as_of", row.get("as_of"), "a moment with its offset")
    return PricePoint(
        provider=provider,
        instance_type=reply.text(row, "instance_type"),
        region=reply.text(row, "region"),
        zone=reply.text(row, "zone"),
        market=Market(market),
        usd_per_hour=reply.usd(row.get("usd_per_hour"), "usd_per_hour"),
        as_of=as_of,
        source=reply.text(row, "source"),
        kind=PriceKind(kind),
        available=available,
    )
