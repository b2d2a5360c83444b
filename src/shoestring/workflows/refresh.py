"""``shoestring catalog refresh``: ask providers for their prices, keep what can be trusted, tell what came.

One provider's silence or nonsense never touches another's prices, nor what was known before.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from shoestring.catalog.feeds.cache import read_points, write_points
from shoestring.catalog.layer import Known, Layer, checked
from shoestring.catalog.load import Catalog
from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.price import PricePoint
from shoestring.ports import PriceFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What came of asking one provider.

    Attributes:
        points: prices of hardware that the catalog knows. new: offers that had no price before.
        changed: prices that are not what they were. problem, next_step: why nothing came; None if it did.
    """

    provider: str
    host: str
    points: tuple[PricePoint, ...] = ()
    new: int = 0
    changed: int = 0
    problem: str | None = None
    next_step: str | None = None


def refresh(
    feeds: Sequence[PriceFeed],
    catalog: Catalog,
    folder: Path,
    *,
    now: datetime,
    regions: frozenset[str] | None = None,
    accelerators: Iterable[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[Refreshed, ...]:
    """Ask each provider once, and lay what it says into the cache.

    Args:
        catalog: the embedded one, for what to ask and to check against. folder: of the cache.
        regions, accelerators: ask for these only; what is cached of others stays. progress: told whom we ask.
    """
    known = Known(catalog)
    keys = None if accelerators is None else tuple(accelerators)

    def asked(feed: PriceFeed) -> Refreshed:
        if progress is not None:
            progress(feed.host)
        try:
            return _refreshed(feed, known, folder, now, regions, keys)
        except ShoestringError as error:
            return Refreshed(provider=feed.provider, host=feed.host, problem=str(error),
                             next_step=error.next_step)  # fmt: skip

    with ThreadPoolExecutor(max_workers=max(len(feeds), 1)) as pool:  # they wait for the network, not for us
        return tuple(pool.map(asked, feeds))


def _refreshed(
    feed: PriceFeed,
    known: Known,
    folder: Path,
    now: datetime,
    regions: frozenset[str] | None,
    accelerators: tuple[str, ...] | None,
) -> Refreshed:
    wanted = replace(known.machines(feed.provider, accelerators), regions=regions)
    if not wanted.machines:
        return Refreshed(provider=feed.provider, host=feed.host)
    points = checked(feed.points(wanted), known, now=now, whose=feed.host)
    file = cache_file(folder, feed.provider)
    try:
        before = {p.key: p for p in read_points(file)}
    except BadInput:
        before = {}  # a damaged cache is what this replaces
    catalog = known.catalog
    was = {
        p.key: float(before[p.key].usd_per_hour)
        if p.key in before
        else (float(catalog.price[known.rows[p.key]]) if p.key in known.rows else None)
        for p in points
    }
    problem = None
    try:
        write_points(file, feed.provider, {**before, **{p.key: p for p in points}}.values())
    except OSError as error:
        problem = f"{len(points)} prices came, but can't be kept in {folder}: {error.strerror or error}"
    return Refreshed(
        problem=problem,
        provider=feed.provider,
        host=feed.host,
        points=points,
        new=sum(was[p.key] is None for p in points),
        changed=sum(was[p.key] not in (None, float(p.usd_per_hour)) for p in points),
    )


def cache_file(folder: Path, provider: str) -> Path:
    """Where a provider's prices are kept."""
    return folder / f"{provider}.json"


def cached(folder: Path, known: Known, *, now: datetime) -> tuple[Layer, tuple[str, ...]]:
    """All cached prices as a layer, and a sentence for each file that was refused."""
    points: list[PricePoint] = []
    refused = []
    for file in sorted(folder.glob("*.json")):
        try:
            points += checked(read_points(file), known, now=now, whose=f"cached prices in {file.name}")
        except BadInput as error:
            refused.append(f"Not used: {error}. Ask again: shoestring catalog refresh {file.stem}")
    return Layer(name="cache", points=tuple(points)), tuple(refused)


def refreshed_json(found: Iterable[Refreshed]) -> list[dict[str, Any]]:
    """As plain data."""
    return [
        {
            "provider": r.provider,
            "host": r.host,
            "prices": len(r.points),
            "new": r.new,
            "changed": r.changed,
            "problem": r.problem,
            "next_step": r.next_step,
        }
        for r in found
    ]
