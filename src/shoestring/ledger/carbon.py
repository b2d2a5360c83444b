"""From metered energy to CO2: what the grid of a region emits, times what its data centers add for cooling."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class GridFactor:
    """What a kilowatt hour of IT load emits in one provider's region.

    Attributes:
        kg_per_kwh: of the grid, location-based yearly average, kg CO2e.
        pue: power usage effectiveness, 1 or more; None where the provider publishes none for the region.
        as_of: the last day of the year that it is the average of.
    """

    kg_per_kwh: float
    pue: float | None
    source: str
    as_of: date


Grid = Mapping[tuple[str, str], GridFactor]  # by (provider, region)
NO_GRID: Grid = {}


def carbon_kg(kwh: float | None, factor: GridFactor | None) -> float | None:
    """Kilograms of CO2e of metered IT energy; None if the energy, the grid or the PUE is unknown.

    energy x PUE x grid intensity: Green Software Foundation, Software Carbon Intensity (SCI) 1.0, its operational
    part. What making the hardware emitted is not in it.

    >>> carbon_kg(2.0, GridFactor(kg_per_kwh=0.3, pue=1.2, source="x", as_of=date(2024, 12, 31)))
    0.72
    """
    if kwh is None or factor is None or factor.pue is None:
        return None
    return kwh * factor.pue * factor.kg_per_kwh
