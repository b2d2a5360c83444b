"""The machine and versions that a figure was measured on; every benchmark's JSON carries it."""

import os
import platform
from importlib import metadata
from pathlib import Path


def describe(*packages: str) -> dict[str, object]:
    """Processor, cores, memory, Python, and the versions of shoestring and ``packages`` (None: absent)."""
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")), None)
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in ("shoestring", *packages)},
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
