"""Accelerators as a job asks for them: names, counts, ranges, and memory instead of a name."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shoestring.domain.text import printable
from shoestring.domain.workload import AcceleratorRequest, Backend
from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report, did_you_mean

# Names that job files use, with memory per device in GiB. Memory: shared facts of 2026-08-22 (vendors' data
# sheets through TechPowerUp and lightning-fabric; per chip for TPUs and Trainium). A new device: a new entry.
_MEMORY_GIB: Mapping[Backend, Mapping[str, float]] = {
    Backend.CUDA: {
        "K80": 12, "P4": 8, "P40": 24, "P100": 16, "P100-16GB": 16, "P100-SXM2": 16, "M60": 8,
        "V100": 16, "V100-16GB": 16, "V100-32GB": 32, "V100-PCIe-16GB": 16, "T4": 16, "T4g": 16,
        "RTX6000": 24, "RTX-6000-Turing": 24, "A10": 24, "A10G": 24, "A16": 16, "A30": 24, "A40": 48,
        "A4000": 16, "RTXA4000": 16, "RTX-A4000": 16, "A5000": 24, "RTXA5000": 24, "RTX-A5000": 24,
        "A6000": 48, "RTXA6000": 48, "RTX-A6000": 48,
        "A100": 40, "A100-40GB": 40, "A100-40GB-PCIe": 40, "A100-40GB-SXM": 40,
        "A100-80GB": 80, "A100-80GB-PCIe": 80, "A100-80GB-SXM": 80,
        "L4": 24, "L40": 48, "L40S": 48, "RTX3090": 24, "RTX-3090": 24, "RTX4090": 24, "RTX-4090": 24,
        "RTX5090": 32, "RTX-5090": 32, "RTX6000-Ada": 48, "RTX-6000-Ada": 48, "RTX-PRO-4500": 32,
        "RTXPRO6000": 96, "RTX-PRO-6000": 96,
        "H100": 80, "H100-SXM": 80, "H100-PCIe": 80, "H100-MEGA": 80, "H100-80GB": 80, "H100-NVL": 94,
        "H200": 141, "H200-SXM": 141, "H200-NVL": 141, "GH200": 96, "GH200-96GB": 96, "GH200-141GB": 141,
        "B200": 180, "GB200": 186, "B300": 288, "GB300": 288,
    },
    Backend.ROCM: {
        "MI210": 64, "MI250": 128, "MI250X": 128, "MI300X": 192, "MI325X": 256, "MI350X": 288, "MI355X": 288,
    },
    Backend.TPU: {
        "TPU-v2": 16, "TPU-v3": 32, "TPU-v4": 32, "TPU-v5e": 16, "TPU-v5p": 95, "TPU-v6e": 32, "TPU-v7": 192,
    },
    Backend.NEURON: {
        "Trainium": 32, "Trainium1": 32, "Trainium2": 96, "Trainium3": 144,
        "Inferentia": 8, "Inferentia2": 32,
    },
    Backend.GAUDI: {"Gaudi1": 32, "Gaudi2": 96, "Gaudi3": 128, "Gaudi HL-205": 32},
}  # fmt: skip

_BACKENDS = {name: backend for backend, names in _MEMORY_GIB.items() for name in names}
_CANONICAL = {name.casefold(): name for name in _BACKENDS}
NAMES = tuple(_BACKENDS)
_MAKERS = {"nvidia": Backend.CUDA, "amd": Backend.ROCM, "google": Backend.TPU, "aws": Backend.NEURON,
           "intel": Backend.GAUDI}  # fmt: skip

_TPU_SLICE = re.compile(
    r"tpu-v\d{1,2}(?:e|p|litepod)?-\d{1,5}", re.IGNORECASE
)  # tpu-v5litepod-8: chips in the name
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]{0,62}")
_MEMORY = re.compile(
    r"(?:(?P<maker>[a-z]+):)?(?P<low>\d{1,4})GB(?:(?P<up>\+)|\.\.(?P<high>\d{1,4})GB)?", re.IGNORECASE
)
_COUNT = re.compile(r"(?P<low>\d{1,5}(?:\.\d{1,4})?)(?P<range>\.\.(?P<high>\d{1,5})?|\+)?")
MAX_ALTERNATIVES = 32
_ALLOWED = "NAME, NAME:COUNT, NAME:1.. or NAME:1..8, 24GB+ or 24GB..80GB, a list or a mapping of these"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Accelerators of one request. ``ordered``: the earlier, the better (a YAML list says so)."""

    requests: tuple[AcceleratorRequest, ...] = ()
    ordered: bool = False


def canonical(name: str) -> str | None:
    """The name as catalogs write it, whatever its case; None if it is no accelerator we know.

    >>> canonical("h100"), canonical("tpu-v5litepod-8"), canonical("H1000")
    ('H100', 'tpu-v5litepod-8', None)
    """
    return name.lower() if _TPU_SLICE.fullmatch(name) else _CANONICAL.get(name.casefold())


def backend_of(name: str) -> Backend | None:
    """What code an accelerator runs; None if it is unknown."""
    return Backend.TPU if _TPU_SLICE.fullmatch(name) else _BACKENDS.get(canonical(name) or "")


def read_accelerators(node: Node, report: Report, *, own_names: bool, backend: Backend | None) -> Choice:
    """``accelerators:`` in any of its forms.

    Args:
        own_names: the request is for a cluster of the user's own, whose labels may name anything; an unknown
            name is then a warning, not an error.
        backend: what the job declares; memory ranges (``24GB+``) mean devices of it (None: CUDA).
    """
    if node.is_null:
        return Choice()
    reader = _Reader(report=report, own_names=own_names, backend=backend or Backend.CUDA)
    if node.kind is Kind.SCALAR:
        return Choice(requests=reader.written(node, read.text(node, report, allowed=_ALLOWED)))
    found: list[AcceleratorRequest] = []
    if max(len(node.items), len(node.entries)) > MAX_ALTERNATIVES:
        read.error(node, report, "too many alternatives", allowed=f"at most {MAX_ALTERNATIVES}")
    elif node.kind is Kind.LIST:
        for item in node.items:
            found += reader.written(item, read.text(item, report, allowed=_ALLOWED))
    else:
        for name, count in node.entries.items():
            found += reader.pair(count, name, None if count.is_null else read.text(count, report))
    return Choice(requests=tuple(dict.fromkeys(found)), ordered=node.kind is Kind.LIST)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    report: Report
    own_names: bool
    backend: Backend

    def written(self, node: Node, written: str | None) -> tuple[AcceleratorRequest, ...]:
        """``H100``, ``H100:8``, ``24GB+:2``."""
        return () if written is None else self.pair(node, written, None)

    def pair(self, node: Node, name: str, count: str | None) -> tuple[AcceleratorRequest, ...]:
        """A name (which may hold its count, as the keys of ``{A100:1, V100:1}`` do) and a count."""
        maker, colon, rest = name.partition(":")
        if colon and maker.casefold() not in _MAKERS:
            name, count = maker, rest
        elif rest.count(":") == 1:
            head, _, count = rest.partition(":")
            name = f"{maker}:{head}"
        bounds = self._count(node, count)
        if bounds is None:
            return ()
        low, high = bounds
        return tuple(
            AcceleratorRequest(name=n, count_min=low, count_max=high) for n in self._names(node, name.strip())
        )

    def _count(self, node: Node, count: str | None) -> tuple[float, float | None] | None:
        if count is None:
            return 1, 1
        match = _COUNT.fullmatch(count.strip())
        if match is None:
            shown = repr(printable(count, limit=40))
            read.error(node, self.report, f"{shown} is no count", allowed="8, 0.5, 1.., 1..8")
            return None
        low = float(match["low"])
        high = float(match["high"]) if match["high"] else math.inf if match["range"] else low
        if not 0 < low <= high:
            read.error(
                node, self.report, f"a count of {count.strip()}", allowed="above 0, first not above last"
            )
            return None
        return low, None if math.isinf(high) else high

    def _names(self, node: Node, name: str) -> tuple[str, ...]:
        if match := _MEMORY.fullmatch(name):
            return self._by_memory(node, match)
        if known := canonical(name):
            return (known,)
        shown = repr(printable(name, limit=40))
        if self.own_names and _NAME.fullmatch(name):
            read.warn(
                node, self.report, f"accelerator {shown} is not in the catalog; your cluster must know it"
            )
            return (name,)
        hint = "" if self.report.full else did_you_mean(name, _BACKENDS)
        read.error(node, self.report, f"unknown accelerator {shown}.{hint}", allowed=_ALLOWED)
        return ()

    def _by_memory(self, node: Node, match: re.Match[str]) -> tuple[str, ...]:
        low = float(match["low"])
        high = math.inf if match["up"] else float(match["high"] or low)
        family = _MAKERS.get((match["maker"] or "").casefold(), self.backend)
        names = tuple(n for n, gib in _MEMORY_GIB.get(family, {}).items() if low <= gib <= high)
        if not names:
            shown = repr(printable(match[0], limit=40))
            read.error(node, self.report, f"no {family.value} accelerator has {shown}", allowed=_ALLOWED)
        return names
