"""The node's one meter: looks at all sensors now and then and keeps totals that only grow."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shoestring.domain.run import MeterTotals
from shoestring.meters.energy import Rapl, estimate_cpu_j
from shoestring.meters.nvml import GpuSample, Nvml
from shoestring.meters.process import ProcessTree, TreeUse

# A stretch between two looks is busy if the job used more than this share of one core, or of its GPUs; else
# it is idle. A process that only waits (for data, for a lock, for a peer) stays below.
BUSY_SHARE = 0.05


def usable_cpus() -> int:
    """Cores that this process may run on; a batch system gives a job fewer than the node has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(slots=True)
class NodeMeter:
    """ports.Meter for all descendants of this process.

    Durations come from the monotonic clock, so a jump of the wall clock changes no total. A node that was
    paused counts as it was before the pause.
    """

    monotonic: Callable[[], float] = time.monotonic
    tree: ProcessTree = field(default_factory=ProcessTree)
    rapl: Rapl = field(default_factory=Rapl)
    open_nvml: Callable[[], Nvml] = Nvml
    cpus: Callable[[], int] = usable_cpus
    _nvml: Nvml | None = None
    _devices: tuple[str, ...] | None = None
    _started: float | None = None
    _last: float = 0.0
    _cpu_s: float = 0.0
    _most: dict[str, int] = field(default_factory=dict)
    _gpu_busy_s: float = 0.0
    _gpu_power_j: float = 0.0
    _gpu_power_whole: bool = True
    _gpu_seen: bool = False
    _gpu_energy_before: float | None = None
    _busy_s: float = 0.0
    _idle_s: float = 0.0

    def totals(self) -> MeterTotals:
        """Look at every sensor; the totals since the first look. May take as long as a driver lets it wait."""
        if self._nvml is None:
            self._nvml = self.open_nvml()
            self._devices = self._nvml.devices()
        now, use, gpu = self.monotonic(), self.tree.use(), self._nvml.sample()
        if self._started is None:
            self._started = self._last = now
        step, cpu_step = max(0.0, now - self._last), max(0.0, use.cpu_s - self._cpu_s)
        self._cpu_s += cpu_step
        self._divide(step, cpu_step, gpu)
        self._last = now
        wall_s = now - self._started
        energy_j, kind = self._energy(wall_s, gpu)
        return MeterTotals(
            sampled_s=wall_s,
            cpu_s=self._cpu_s,
            memory_peak_bytes=self._peak("memory", use.memory_bytes),
            **self._traffic(use),
            gpu_busy_s=self._gpu_busy_s if gpu is not None and gpu.utilization is not None else None,
            gpu_memory_peak_bytes=self._peak("gpu", None if gpu is None else gpu.memory_bytes),
            energy_j=energy_j,
            energy_kind=kind,
            busy_s=self._busy_s,
            idle_s=self._idle_s,
            devices=self._devices,
        )

    def _divide(self, step: float, cpu_step: float, gpu: GpuSample | None) -> None:
        """Put a stretch of time where it belongs."""
        share = 0.0 if gpu is None or gpu.utilization is None else gpu.utilization
        if cpu_step > BUSY_SHARE * step or share > BUSY_SHARE:
            self._busy_s += step
        else:
            self._idle_s += step
        self._gpu_busy_s += share * step
        self._gpu_seen = self._gpu_seen or gpu is not None
        if gpu is not None and gpu.power_w is not None:
            self._gpu_power_j += gpu.power_w * step
        elif self._gpu_seen:
            self._gpu_power_whole = False

    def _peak(self, name: str, value: int | None) -> int | None:
        """The most seen so far, also when the sensor is silent right now; None if it never spoke."""
        if value is not None:
            self._most[name] = max(value, self._most.get(name, 0))
        return self._most.get(name)

    def _traffic(self, use: TreeUse) -> dict[str, int | None]:
        names = ("disk_read_bytes", "disk_written_bytes", "net_received_bytes", "net_sent_bytes")
        return {name: self._peak(name, getattr(use, name)) for name in names}

    def _energy(self, wall_s: float, gpu: GpuSample | None) -> tuple[float | None, str | None]:
        """Joules, and how they are known. A GPU without a figure makes the whole unknown, not just smaller."""
        gpu_j = self._gpu_j(gpu) if self._gpu_seen else 0.0
        if gpu_j is None:
            return None, None
        measured = self.rapl.energy_j()
        if measured is not None:
            return measured + gpu_j, "measured"
        return estimate_cpu_j(cpu_s=self._cpu_s, wall_s=wall_s, vcpus=self.cpus()) + gpu_j, "estimate"

    def _gpu_j(self, gpu: GpuSample | None) -> float | None:
        """By the devices' own counter, or else power readings times time, if none is missing."""
        if gpu is not None and gpu.energy_j is not None:
            if self._gpu_energy_before is None:
                self._gpu_energy_before = gpu.energy_j
            return max(0.0, gpu.energy_j - self._gpu_energy_before)
        return self._gpu_power_j if self._gpu_power_whole and self._gpu_energy_before is None else None
