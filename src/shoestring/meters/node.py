"""The node's one sampler: looks at all sensors now and then and keeps totals that only grow."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shoestring.domain.run import MeterTotals
from shoestring.meters.energy import Rapl, estimate_cpu_j
from shoestring.meters.nvml import Nvml
from shoestring.meters.process import ProcessTree

BUSY_SHARE = 0.05  # of one core or of the GPUs: below it a stretch counts as idle


@dataclass(slots=True)
class NodeMeter:
    """ports.Meter for all descendants of this process.

    Durations come from the monotonic clock, so a jump of the wall clock changes no total.
    """

    monotonic: Callable[[], float] = time.monotonic
    tree: ProcessTree = field(default_factory=ProcessTree)
    rapl: Rapl = field(default_factory=Rapl)
    nvml: Nvml = field(default_factory=Nvml)
    _started: float | None = None
    _last: float = 0.0
    _last_cpu_s: float = 0.0
    _peak: int = 0
    _gpu_busy_s: float = 0.0
    _gpu_peak: int = 0
    _gpu_energy_start: float | None = None
    _busy_s: float = 0.0
    _idle_s: float = 0.0

    def totals(self) -> MeterTotals:
        """Look at every sensor; the totals since the first look."""
        now, use, gpu = self.monotonic(), self.tree.use(), self.nvml.sample()
        if self._started is None:
            self._started = self._last = now
            self._last_cpu_s = use.cpu_s
        step = now - self._last
        cpu_step = max(0.0, use.cpu_s - self._last_cpu_s)
        gpu_share = 0.0 if gpu is None else gpu.utilization
        if step > 0:
            busy = cpu_step / step > BUSY_SHARE or gpu_share > BUSY_SHARE
            self._busy_s += step if busy else 0.0
            self._idle_s += 0.0 if busy else step
            self._gpu_busy_s += gpu_share * step
        self._last, self._last_cpu_s = now, max(use.cpu_s, self._last_cpu_s)
        self._peak = max(self._peak, use.memory_bytes)
        if gpu is not None:
            self._gpu_peak = max(self._gpu_peak, gpu.memory_bytes)
            if self._gpu_energy_start is None:
                self._gpu_energy_start = gpu.energy_j
        energy_j, kind = self._energy(use.cpu_s, now - self._started, None if gpu is None else gpu.energy_j)
        return MeterTotals(
            sampled_s=now - self._started,
            cpu_s=self._last_cpu_s,
            memory_peak_bytes=self._peak,
            disk_read_bytes=use.disk_read_bytes,
            disk_written_bytes=use.disk_written_bytes,
            net_received_bytes=use.net_received_bytes,
            net_sent_bytes=use.net_sent_bytes,
            gpu_busy_s=self._gpu_busy_s if gpu is not None else None,
            gpu_memory_peak_bytes=self._gpu_peak if gpu is not None else None,
            energy_j=energy_j,
            energy_kind=kind,
            busy_s=self._busy_s,
            idle_s=self._idle_s,
        )

    def _energy(self, cpu_s: float, wall_s: float, gpu_j: float | None) -> tuple[float | None, str | None]:
        """Joules and how they are known. A GPU without a counter makes the whole unknown, not just smaller."""
        if self.nvml.present and (gpu_j is None or self._gpu_energy_start is None):
            return None, None
        gpu = 0.0 if gpu_j is None or self._gpu_energy_start is None else gpu_j - self._gpu_energy_start
        measured = self.rapl.energy_j()
        if measured is not None:
            return measured + gpu, "measured"
        return estimate_cpu_j(cpu_s, wall_s, os.cpu_count() or 1) + gpu, "estimate"
