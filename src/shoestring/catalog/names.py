"""One accelerator, several names: what job files write, and the catalog's keys."""

import re

from shoestring.domain.workload import Backend

BACKEND_OF_FAMILY = {"TPU": Backend.TPU, "Trainium": Backend.NEURON, "Inferentia": Backend.NEURON,
                     "Gaudi": Backend.GAUDI, "CDNA2": Backend.ROCM, "CDNA3": Backend.ROCM,
                     "CDNA4": Backend.ROCM}  # fmt: skip

# A name of job files -> catalog keys, the usual one first. Names that only differ by dashes need no entry.
_ALIASES: dict[str, tuple[str, ...]] = {
    "p100": ("P100-SXM2", "P100-16GB"),
    "v100": ("V100-16GB", "V100-PCIe-16GB"),
    "a100": ("A100-40GB-SXM", "A100-40GB-PCIe"),
    "a10040gb": ("A100-40GB-SXM", "A100-40GB-PCIe"),
    "a10080gb": ("A100-80GB-SXM", "A100-80GB-PCIe"),
    "h100": ("H100-SXM", "H100-PCIe"),
    "h10080gb": ("H100-SXM", "H100-PCIe"),
    "h100mega": ("H100-SXM",),
    "h200": ("H200-SXM", "H200-NVL"),
    "gh200": ("GH200-96GB",),
    "rtx6000": ("RTX-6000-Turing",),
    "a4000": ("RTX-A4000",),
    "a5000": ("RTX-A5000",),
    "a6000": ("RTX-A6000",),
    "trainium": ("Trainium1",),
    "inferentia": ("Inferentia2",),
    "gaudihl205": ("Gaudi1",),
}
_SLICE = re.compile(r"tpu-(v\d+(?:e|p|litepod)?)-(\d+)", re.IGNORECASE)
_CORES = ("v2", "v3", "v4", "v5p")  # these slices count cores, two in a chip; the others count chips


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def backend_of(family: str) -> Backend:
    """What code a hardware family runs; every family that is not listed is NVIDIA's."""
    return BACKEND_OF_FAMILY.get(family, Backend.CUDA)


class Names:
    """Translates names for one set of catalog keys."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = {_plain(key): key for key in keys}

    def known(self) -> frozenset[str]:
        """Every name of this set, in small letters and digits only."""
        return frozenset((*self._keys, *_ALIASES))

    def keys_of(self, name: str) -> tuple[tuple[str, int], ...]:
        """Catalog keys of a name and the devices one of it means (a TPU slice is many); empty if unknown."""
        match = _SLICE.fullmatch(name)
        if match:
            kind = match[1].lower().replace("v5litepod", "v5e")
            chips = max(int(match[2]) // 2, 1) if kind in _CORES else int(match[2])
            key = self._keys.get(_plain(f"TPU-{kind}"))
            return ((key, chips),) if key else ()
        plain = _plain(name)
        if plain in _ALIASES:
            return tuple((key, 1) for key in _ALIASES[plain] if _plain(key) in self._keys)
        return ((self._keys[plain], 1),) if plain in self._keys else ()
