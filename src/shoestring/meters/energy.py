"""Energy: RAPL counters where they can be read, else an estimate from CPU time that says so."""

from dataclasses import dataclass, field
from pathlib import Path

from shoestring.meters.growing import Growing

POWERCAP = Path("/sys/class/powercap")

# Watts per vCPU of an average AWS server, idle and at full load: Cloud Carbon Footprint, methodology, energy
# coefficients of AWS where the processor is unknown (minimum 0.74 W, maximum 3.5 W), read in November 2026.
IDLE_W_PER_VCPU = 0.74
FULL_W_PER_VCPU = 3.5


@dataclass(slots=True)
class Rapl:
    """CPU package counters of the node: whatever else runs there is in them, memory and boards are not.

    They wrap at ``max_energy_range_uj``; one wrap between two looks is seen.
    """

    root: Path = POWERCAP
    _zones: dict[str, Growing] = field(default_factory=dict)

    def energy_j(self) -> float | None:
        """Joules since the first look, of all packages; None where the counters can't be read."""
        packages = [zone for zone in sorted(self.root.glob("intel-rapl:*")) if _is_package(zone)]
        for zone in packages:
            try:
                reading = int((zone / "energy_uj").read_text())
                if zone.name not in self._zones:
                    limit = int((zone / "max_energy_range_uj").read_text())
                    self._zones[zone.name] = Growing(wraps_at=limit)
            except (OSError, ValueError):
                return None
            self._zones[zone.name].see(reading)
        return sum(zone.total for zone in self._zones.values()) / 1e6 if packages else None


def _is_package(zone: Path) -> bool:
    """Not the parts of a package (they are in it), and not the whole platform (packages are in that)."""
    try:
        return zone.name.count(":") == 1 and (zone / "name").read_text().startswith("package")
    except OSError:
        return False


def estimate_cpu_j(*, cpu_s: float, wall_s: float, vcpus: int) -> float:
    """Joules of so many CPU seconds within ``wall_s``, the idle power of ``vcpus`` included.

    Linear between idle and full load, as Cloud Carbon Footprint has it.

    >>> round(estimate_cpu_j(cpu_s=3600, wall_s=3600, vcpus=1))
    12600
    """
    return IDLE_W_PER_VCPU * vcpus * wall_s + (FULL_W_PER_VCPU - IDLE_W_PER_VCPU) * cpu_s
