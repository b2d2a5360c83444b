"""One's own machine as a row of the catalog, at the price that the reader's question needs."""

from dataclasses import dataclass
from datetime import date

from shoestring.catalog.load import Catalog
from shoestring.domain.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedRow:
    """A machine. ``usd_per_hour``: of all its devices; ``source`` says which of its two prices that is."""

    name: str
    region: str
    accelerator: str
    count: float
    usd_per_hour: float
    source: str
    as_of: date


def with_owned(catalog: Catalog, machine: OwnedRow) -> Catalog:
    """A new catalog with the machine as its last row.

    Raises:
        BadInput: the catalog does not know the machine's accelerator, so nothing says how fast it is.
    """
    keys = catalog.names.keys_of(machine.accelerator)
    if not keys:
        raise BadInput(
            f"machine {machine.name!r}: accelerator {machine.accelerator!r} is not in the catalog",
            next_step="shoestring catalog --hardware",
        )
    key, devices = keys[0]
    row = {
        "provider": "owned",
        "instance_type": machine.name,
        "accelerator": key,
        "accelerator_count": f"{machine.count * devices:g}",
        "region": machine.region,
        "market": "owned",
        "price_usd_per_hour": f"{machine.usd_per_hour:.6f}",
        "source": machine.source,
        "as_of": machine.as_of.isoformat(),
        "as_of_kind": "exact",
        "kind": "estimate",
    }
    columns = {name: (*column, row.get(name, "")) for name, column in catalog.columns.items()}
    return Catalog(columns, catalog.accelerators, (*catalog.origin, machine.source))
