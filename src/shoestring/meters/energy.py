"""Energy: RAPL counters where they can be read, else an estimate from CPU time that says so."""

from dataclasses import dataclass, field
from pathlib import Path

RAPL = Path("/sys/class/powercap")

# Watts per vCPU of an average AWS server, idle and at full load. Source: Cloud Carbon Footprint methodology,
# appendix "AWS instances", averages over all processors (min 0.74 W, max 3.5 W), read 2026-11.
IDLE_W_PER_VCPU = 0.74
FULL_W_PER_VCPU = 3.5


@dataclass(slots=True)
class Rapl:
    """CPU package counters. They wrap at ``max_energy_range_uj``; one wrap between two looks is seen."""

    root: Path = RAPL
    _last: dict[str, int] = field(default_factory=dict)
    _total_uj: int = 0

    def energy_j(self) -> float | None:
        """Joules since the first look, of all packages; None where the counters can't be read."""
        seen = {}
        for zone in sorted(self.root.glob("intel-rapl:[0-9]")):
            try:
                seen[zone.name] = int((zone / "energy_uj").read_text())
                limit = int((zone / "max_energy_range_uj").read_text())
            except (OSError, ValueError):
                return None
            step = seen[zone.name] - self._last.get(zone.name, seen[zone.name])
            self._total_uj += step if step >= 0 else step + limit
        self._last = seen
        return self._total_uj / 1e6 if seen else None


def estimate_cpu_j(cpu_s: float, wall_s: float, vcpus: int) -> float:
    """Joules of so many CPU seconds on a node of ``vcpus``, idle power of the whole node included.

    >>> round(estimate_cpu_j(cpu_s=3600, wall_s=3600, vcpus=1))
    12600
    """
    return IDLE_W_PER_VCPU * vcpus * wall_s + (FULL_W_PER_VCPU - IDLE_W_PER_VCPU) * cpu_s
