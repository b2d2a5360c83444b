"""What a place adds to a price: bringing data there, keeping checkpoints, its grid."""

from dataclasses import dataclass
from functools import cached_property

from shoestring.catalog.load import Catalog, number, read_rows
from shoestring.domain.units import GIB, HOURS_PER_MONTH
from shoestring.domain.workload import Workload

STAGING_GBIT_S = 10.0  # assumed, for staging between places; no measured figure is known


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCost:
    """To bring a job's data to a place once. ``unknown``: something of it has no known size, place or rate."""

    usd: float = 0.0
    hours: float = 0.0
    unknown: bool = False


class Places:
    """Answers about places, each asked once; ``None`` where the tables are silent."""

    def __init__(self, catalog: Catalog) -> None:
        self._carbon = catalog.carbon
        self._known: dict[tuple[str, str], DataCost] = {}

    @cached_property
    def _egress(self) -> dict[tuple[str, str], float]:
        """Dearest tier by (provider, scope): free allowances are not counted on."""
        rates: dict[tuple[str, str], float] = {}
        for row in read_rows("egress"):
            key = (row["provider"], row["scope"])
            rates[key] = max(rates.get(key, 0.0), float(row["usd_per_gib"]))
        return rates

    @cached_property
    def _storage(self) -> dict[str, float]:
        """Dearest standard class of object storage by provider."""
        rates: dict[str, float] = {}
        for row in read_rows("storage"):
            usd = number(row["usd_per_gib_month"])
            if row["type"] == "object" and usd is not None and _is_standard(row["class"]):
                rates[row["provider"]] = max(rates.get(row["provider"], 0.0), usd)
        return rates

    def data(self, workload: Workload, provider: str, region: str) -> DataCost:
        """Egress from where the data lies, at list rates; streamed data is counted once."""
        key = (provider, region)
        if key not in self._known:
            self._known[key] = self._data(workload, provider, region)
        return self._known[key]

    def _data(self, workload: Workload, provider: str, region: str) -> DataCost:
        usd = hours = 0.0
        unknown = False
        for data in workload.data:
            here = data.provider == provider and (data.region is None or data.region == region)
            rate = 0.0 if here else self._rate(data.provider, provider)
            if data.size_bytes is None or rate is None:
                unknown = True
                continue
            usd += rate * data.size_bytes / GIB
            hours += data.size_bytes * 8 / (STAGING_GBIT_S * 1e9) / 3600
        return DataCost(usd=usd, hours=hours, unknown=unknown)

    def _rate(self, source: str | None, target: str) -> float | None:
        if source is None:
            return None
        scope = "other_region_same_continent" if source == target else "internet"
        return self._egress.get((source, scope))

    def storage_usd_per_hour(self, workload: Workload, provider: str, size_bytes: int | None) -> float | None:
        """Of the kept checkpoints; None if their size or the provider's rate is unknown."""
        rate = self._storage.get(provider)
        if size_bytes is None or rate is None:
            return None
        return rate * size_bytes / GIB * workload.checkpoint.keep_last / HOURS_PER_MONTH

    def pue(self, provider: str, region: str) -> float | None:
        return number(self._carbon.get((provider, region), {}).get("pue", ""))

    def co2_kg_per_kwh(self, provider: str, region: str) -> float | None:
        """Location-based yearly average of the grid."""
        grams = number(self._carbon.get((provider, region), {}).get("gco2e_per_kwh", ""))
        return None if grams is None else grams / 1000


def _is_standard(name: str) -> bool:
    return any(word in name.lower() for word in ("standard", "hot"))
