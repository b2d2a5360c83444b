"""GPUs through NVML (nvidia-ml-py), only the devices of this job; absent library or driver gives None."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DRIVER = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # Linux; Windows' subsystem for Linux


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSample:
    """Of the job's devices at one moment; None where a device has no such sensor.

    Attributes:
        utilization: mean share of time in which a kernel ran, 0..1.
        memory_bytes: in use on all of them together.
        energy_j: since the driver was loaded. power_w: at this moment.
    """

    utilization: float | None
    memory_bytes: int | None
    energy_j: float | None
    power_w: float | None


class Nvml:
    """Reads the devices named in CUDA_VISIBLE_DEVICES (indexes, UUIDs, MIG UUIDs), or all.

    Indexes count as NVML counts, by PCI bus; set CUDA_DEVICE_ORDER=PCI_BUS_ID on nodes of mixed GPUs.
    A part of a GPU (MIG) has a memory figure but neither utilization nor energy of its own.

    Args:
        library: nvidia-ml-py's module, or a stand-in; None finds it, if there is a driver.
        env: where CUDA_VISIBLE_DEVICES is looked up.
    """

    def __init__(self, library: Any = None, env: Mapping[str, str] = os.environ) -> None:
        self._library = _find() if library is None else library
        self._handles: Sequence[Any] = ()
        if self._library is not None:
            self._handles = _devices(self._library, env.get("CUDA_VISIBLE_DEVICES"))

    @property
    def present(self) -> bool:
        return bool(self._handles)

    def devices(self) -> tuple[str, ...] | None:
        """Their UUIDs; empty without GPUs, None where a driver does not tell them."""
        try:
            return tuple(str(self._library.nvmlDeviceGetUUID(handle)) for handle in self._handles)
        except self._library.NVMLError:
            return None

    def sample(self) -> GpuSample | None:
        """One look; None without GPUs."""
        nvml = self._library
        if not self._handles:
            return None
        busy = self._each(lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu)
        memory = self._each(lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used)
        energy_mj = self._each(nvml.nvmlDeviceGetTotalEnergyConsumption)  # Volta and newer
        power_mw = self._each(nvml.nvmlDeviceGetPowerUsage)
        return GpuSample(
            utilization=None if busy is None else sum(busy) / len(busy) / 100,
            memory_bytes=None if memory is None else int(sum(memory)),
            energy_j=None if energy_mj is None else sum(energy_mj) / 1000,
            power_w=None if power_mw is None else sum(power_mw) / 1000,
        )

    def _each(self, ask: Any) -> list[float] | None:
        """One figure of every device; None if any of them has none: a part would look like the whole."""
        try:
            return [float(ask(handle)) for handle in self._handles]
        except self._library.NVMLError:
            return None


def _find() -> Any:
    if not any(path.exists() for path in _DRIVER):  # the import alone would cost more than this look
        return None
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


def _devices(nvml: Any, visible: str | None) -> list[Any]:
    try:
        nvml.nvmlInit()
        if visible is None:
            return [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        return [_device(nvml, name.strip()) for name in visible.split(",") if name.strip()]
    except nvml.NVMLError:
        return []


def _device(nvml: Any, name: str) -> Any:
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)
