"""GPUs through NVML (nvidia-ml-py), only the devices of this job; absent library or driver gives None."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """Of the job's devices at one moment: mean utilization 0..1, memory in use, energy since driver load."""

    utilization: float
    memory_bytes: int
    energy_j: float | None


class Nvml:
    """Reads the devices named in CUDA_VISIBLE_DEVICES (indexes or UUIDs), or all."""

    def __init__(self) -> None:
        self._library, self._handles = _open()

    @property
    def present(self) -> bool:
        return bool(self._handles)

    def sample(self) -> GpuSample | None:
        """One look; None without GPUs or when the driver stops answering."""
        nvml = self._library
        if nvml is None or not self._handles:
            return None
        try:
            rates = [nvml.nvmlDeviceGetUtilizationRates(h).gpu for h in self._handles]
            memory = sum(int(nvml.nvmlDeviceGetMemoryInfo(h).used) for h in self._handles)
        except nvml.NVMLError:
            return None
        try:
            energy = sum(nvml.nvmlDeviceGetTotalEnergyConsumption(h) for h in self._handles) / 1000.0
        except nvml.NVMLError:
            energy = None  # older than Volta: no counter
        return GpuSample(utilization=sum(rates) / len(rates) / 100, memory_bytes=memory, energy_j=energy)


def _open() -> tuple[Any, list[Any]]:
    if not Path("/dev/nvidiactl").exists():  # the import alone would cost more than this look
        return None, []
    try:
        import pynvml
    except ImportError:
        return None, []
    try:
        pynvml.nvmlInit()
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        if visible is None:
            handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        else:
            handles = [_handle(pynvml, name.strip()) for name in visible.split(",") if name.strip()]
    except pynvml.NVMLError:
        return None, []
    return pynvml, handles


def _handle(nvml: Any, name: str) -> Any:
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)
