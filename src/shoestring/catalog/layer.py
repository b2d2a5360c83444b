"""A layer of prices over a catalog: live ones, cached ones, those learnt from bills. Newer than what lies below.

The order is user sheet and bills, live, cache, embedded. A layer never knows hardware: a type that the catalog
does not know is left out, and counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from shoestring.catalog.load import Catalog
from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Market
from shoestring.domain.plan import PriceLayer
from shoestring.domain.price import Machine, PricePoint, PricesWanted

FAR = 8.0  # a price so many times above or below all that is known of its instance is no price
FIRM_DIFFERS, SPOT_DIFFERS = (
    2.0,
    4.0,
)  # and so many times from the one below it, of the same offer, is doubtful
OF_CAPACITY = timedelta(hours=1)  # how long "none to be had" is believed
NO_CAPACITY = "no_capacity_now"
_KEY = ("provider", "instance_type", "region", "zone", "market")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Prices of one kind of source. ``name``: ``live`` | ``cache`` | ``bill``.

    What a user pays by the bill goes before any list, however new: a contract does not age with the list.
    """

    name: str
    points: tuple[PricePoint, ...]

    @property
    def contracted(self) -> bool:
        return self.name == "bill"


@dataclass(frozen=True, eq=False)
class Known:
    """What a catalog knows by name, for looking points up."""

    catalog: Catalog

    @cached_property
    def rows(self) -> Mapping[tuple[str, ...], int]:
        c = self.catalog.columns
        return {key: i for i, key in enumerate(zip(*(c[name] for name in _KEY), strict=True))}

    @cached_property
    def by_type(self) -> Mapping[tuple[str, str], list[int]]:
        found: dict[tuple[str, str], list[int]] = {}
        c = self.catalog.columns
        for i, key in enumerate(zip(c["provider"], c["instance_type"], strict=True)):
            found.setdefault(key, []).append(i)
        return found

    def machines(self, provider: str, accelerators: Iterable[str] | None = None) -> PricesWanted:
        """What to ask a provider for: its types (with one of these accelerators), where they are sold."""
        keys, found = None if accelerators is None else frozenset(accelerators), {}
        c = self.catalog.columns
        for (owner, name), rows in self.by_type.items():
            first = rows[0]
            if owner == provider and (keys is None or c["accelerator"][first] in keys):
                found[name] = Machine(
                    instance_type=name,
                    accelerator=c["accelerator"][first],
                    accelerator_count=float(c["accelerator_count"][first] or 0),
                    vcpus=float(c["vcpus"][first]) if c["vcpus"][first] else None,
                    memory_gib=float(c["memory_gib"][first]) if c["memory_gib"][first] else None,
                    regions=frozenset(c["region"][i] for i in rows),
                    spot_zones=frozenset(
                        (c["region"][i], c["zone"][i]) for i in rows if c["market"][i] == "spot"
                    ),
                )
        return PricesWanted(machines=found)


def checked(
    points: Iterable[PricePoint], known: Known, *, now: datetime, whose: str
) -> tuple[PricePoint, ...]:
    """The points of hardware that the catalog knows, each offer once.

    Raises:
        BadInput: two prices for one offer, a price far from all known ones of its instance, or a moment that
            has not come yet; nothing of the answer is to be used then.
    """
    found: dict[tuple[str, ...], PricePoint] = {}
    prices, markets = known.catalog.price, known.catalog.columns["market"]
    for point in points:
        rows = known.by_type.get((point.provider, point.instance_type))
        if not rows:
            continue
        name = "/".join(filter(None, point.key))
        if point.as_of.tzinfo is None or point.as_of > now + timedelta(minutes=10):
            raise BadInput(
                f"{whose}: the price of {name} is of {point.as_of.isoformat()}, which has not come yet"
            )
        spot = point.market is Market.SPOT
        alike = [i for i in rows if (markets[i] == "spot") == spot] or rows
        usd, listed = float(point.usd_per_hour), prices[alike]
        if not listed.min() / FAR <= usd <= listed.max() * FAR:
            raise BadInput(
                f"{whose}: {usd:g} $/h for {name}, which is known at {listed.min():g} to {listed.max():g}; all "
                "of it is refused",
                next_step="if this is what it costs now, say so in a price sheet with `sure: true`",
            )
        before = found.setdefault(point.key, point)
        if before.usd_per_hour != point.usd_per_hour:
            raise BadInput(
                f"{whose}: two prices for {name}: {before.usd_per_hour} and {point.usd_per_hour}; all of it is "
                "refused"
            )  # fmt: skip
    return tuple(found.values())


def laid(catalog: Catalog, layer: Layer, *, now: datetime, keep: frozenset[str] = frozenset()) -> Catalog:
    """A new catalog in which the layer's prices stand, where they are not older than what they replace.

    Args:
        layer: checked already. keep: rows from these origins stay as they are (a user's sheet).
    """
    if not layer.points:
        return catalog
    known, columns = Known(catalog), {name: list(column) for name, column in catalog.columns.items()}
    origin = list(catalog.origin)
    for point in layer.points:
        index = known.rows.get(point.key)
        alike = known.by_type.get((point.provider, point.instance_type))
        if alike is None or (index is not None and not _replaces(catalog, index, point, layer, keep)):
            continue
        template = catalog.row(alike[0] if index is None else index)
        row = (
            dict(template)
            | _row(point, layer.name)
            | {"flag": _flag(point, layer, catalog, index, now, template)}
        )
        if index is None:
            for name, column in columns.items():
                column.append(row[name])
            origin.append(layer.name)
        else:
            for name, column in columns.items():
                column[index] = row[name]
            origin[index] = layer.name
    return Catalog({name: tuple(c) for name, c in columns.items()}, catalog.accelerators, tuple(origin))


def _replaces(catalog: Catalog, index: int, point: PricePoint, layer: Layer, keep: frozenset[str]) -> bool:
    if catalog.origin[index] in keep:
        return False
    return layer.contracted or point.as_of.date().isoformat() >= catalog.columns["as_of"][index]


def _row(point: PricePoint, layer: str) -> dict[str, str]:
    return {
        "region": point.region,
        "zone": point.zone,
        "market": str(point.market),
        "price_usd_per_hour": str(point.usd_per_hour),
        "source": f"{layer}: {point.source}",
        "as_of": point.as_of.date().isoformat(),
        "as_of_kind": "exact",
        "kind": str(point.kind),
    }


def _flag(
    point: PricePoint,
    layer: Layer,
    catalog: Catalog,
    index: int | None,
    now: datetime,
    template: Mapping[str, str],
) -> str:
    words = [w for w in template["flag"].split() if w == "community_host"]  # of the host, not of the price
    if index is not None:
        ratio = float(point.usd_per_hour) / float(catalog.price[index])
        limit = SPOT_DIFFERS if point.market is Market.SPOT else FIRM_DIFFERS
        if not 1 / limit <= ratio <= limit:
            words.append("differs_from_list" if layer.contracted else "sources_disagree")
    if point.available is False and now - point.as_of <= OF_CAPACITY:
        words.append(NO_CAPACITY)
    return " ".join(words)


def layers_used(catalog: Catalog) -> tuple[PriceLayer, ...]:
    """What the catalog's prices are made of: the user's own sources first, the embedded rows last."""
    days: dict[str, list[str]] = {}
    for name, day in zip(catalog.origin, catalog.columns["as_of"], strict=True):
        days.setdefault(name, []).append(day)
    order = {"bill": 1, "live": 2, "cache": 3, "embedded": 4}
    return tuple(
        PriceLayer(name=name, offers=len(seen), oldest=min(seen), newest=max(seen))
        for name, seen in sorted(days.items(), key=lambda pair: (order.get(pair[0], 0), pair[0]))
    )
