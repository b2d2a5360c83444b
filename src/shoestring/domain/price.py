"""PricePoint: what a source says one offer costs at a moment; and what a source is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shoestring.domain.offer import Market, PriceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """One price. The hardware behind the name of the instance is the catalog's to know.

    Attributes:
        zone: empty where the price holds in the whole region.
        usd_per_hour: of the whole instance.
        as_of: the moment at which the source said so.
        available: False when the source knew that none was to be had then; None when it did not say.
    """

    provider: str
    instance_type: str
    region: str
    zone: str = ""
    market: Market
    usd_per_hour: Decimal
    as_of: datetime
    source: str
    kind: PriceKind = PriceKind.LIST
    available: bool | None = None

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes it one offer's price and no other's."""
        return (self.provider, self.instance_type, self.region, self.zone, str(self.market))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """An instance type as price sources name it.

    Attributes:
        regions: where the catalog knows it to be sold. spot_zones: region and zone where it knows it on spot.
    """

    instance_type: str
    accelerator: str
    accelerator_count: float
    vcpus: float | None = None
    memory_gib: float | None = None
    regions: frozenset[str] = frozenset()
    spot_zones: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PricesWanted:
    """What to ask a source for. ``regions``: None for all that it has."""

    machines: Mapping[str, Machine] = field(default_factory=dict)
    regions: frozenset[str] | None = None

    def has(self, region: str) -> bool:
        """Whether a region was asked for."""
        return self.regions is None or region in self.regions
