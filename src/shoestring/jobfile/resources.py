"""Resources: what a node of the job may be, as one shape, `any_of` several, or `ordered` by preference."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from shoestring.domain.units import GIB, parse_usd
from shoestring.domain.workload import Backend, ResourceRequest
from shoestring.jobfile import read
from shoestring.jobfile.accelerators import read_accelerators
from shoestring.jobfile.infra import read_place
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.recovery import Recovery, read_recovery
from shoestring.jobfile.report import Report
from shoestring.jobfile.skypilot import RESOURCE_KEYS, check_passed_on_resources

MAX_CANDIDATES = 64
MAX_REQUESTS = 1000  # candidates times accelerators

# SkyPilot counts in powers of two whatever the unit is called.
_UNIT_BYTES = {"": GIB, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40, "pb": 2**50}
_INSTANCE_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/ -]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Everything under ``resources:``. ``labels`` go on the cloud's bill, so the ledger takes them too."""

    requests: tuple[ResourceRequest, ...] = (ResourceRequest(),)
    recovery: Recovery = field(default_factory=Recovery)
    labels: Mapping[str, str] = field(default_factory=dict)


def read_resources(node: Node | None, report: Report, *, backend: Backend | None) -> Resources:
    """``resources:``; missing means one node of any kind without an accelerator."""
    if node is None:
        return Resources()
    if node.kind is not Kind.MAPPING:
        read.error(
            node, report, f"expected a mapping, found {node.shown}", allowed="keys such as accelerators"
        )
        return Resources()
    any_of, ordered = node.get("any_of"), node.get("ordered")
    if any_of and ordered:
        read.error(ordered, report, "given beside `any_of`", allowed="any_of or ordered, not both")
    shapes = [_shape(entry, report, backend) for entry in _entries(node, any_of or ordered, report)]
    requests: list[ResourceRequest] = []
    for shape in shapes:
        ranked = bool(ordered) or (shape.ordered and not any_of)
        first = len(requests)
        requests += (_ranked(r, first + i) if ranked else r for i, r in enumerate(shape.requests))
    if len(requests) > MAX_REQUESTS:
        read.error(node, report, f"{len(requests):,} combinations", allowed=f"at most {MAX_REQUESTS:,}")
        requests = requests[:1]
    return Resources(
        requests=tuple(dict.fromkeys(requests)) or (ResourceRequest(),),
        recovery=next((s.recovery for s in shapes if s.recovery != Recovery()), Recovery()),
        labels=shapes[0].labels if shapes else {},
    )


def _entries(base: Node, candidates: Node | None, report: Report) -> tuple[Node, ...]:
    """The base alone, or the base overridden by each candidate."""
    if candidates is None:
        return (base,)
    if candidates.kind is not Kind.LIST or not candidates.items:
        read.error(
            candidates, report, f"expected a list, found {candidates.shown}", allowed="a list of resources"
        )
        return (base.with_entries({}, without=("any_of", "ordered")),)
    if len(candidates.items) > MAX_CANDIDATES:
        read.error(
            candidates, report, f"{len(candidates.items):,} entries", allowed=f"at most {MAX_CANDIDATES}"
        )
    found = []
    for item in candidates.items[:MAX_CANDIDATES]:
        if item.kind is not Kind.MAPPING:
            read.error(item, report, f"expected a mapping, found {item.shown}", allowed="keys of resources")
            continue
        for nested in ("any_of", "ordered"):
            if nested in item.entries:
                read.error(item.entries[nested], report, "inside a candidate", allowed="one level only")
        found.append(base.with_entries(item.entries, without=("any_of", "ordered")))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    requests: tuple[ResourceRequest, ...]
    ordered: bool
    recovery: Recovery
    labels: Mapping[str, str]


def _shape(node: Node, report: Report, backend: Backend | None) -> _Shape:
    read.check_keys(node, report, RESOURCE_KEYS, unknown_is_error=False)
    check_passed_on_resources(node, report)
    place = read_place(node, report)
    accelerators = node.get("accelerators")
    chosen = (
        read_accelerators(accelerators, report, own_names=place.names_its_own_accelerators, backend=backend)
        if accelerators
        else None
    )
    spot, recovery, labels = node.get("use_spot"), node.get("job_recovery"), node.get("labels")
    request = ResourceRequest(
        accelerators=chosen.requests if chosen else (),
        provider=place.provider,
        region=place.region,
        zone=place.zone,
        instance_type=_instance_type(node.get("instance_type"), report),
        use_spot=read.boolean(spot, report) if spot else None,
        cpus_min=_amount(node.get("cpus"), report, "4, 4+", {"": 1}),
        memory_gib_min=_gib(node.get("memory"), report),
        disk_gib=_gib(node.get("disk_size"), report),
        max_hourly_usd=_hourly(node.get("max_hourly_cost"), report),
    )
    ordered = chosen is not None and chosen.ordered and len(chosen.requests) > 1
    requests = (
        tuple(_with_one(request, i) for i in range(len(request.accelerators))) if ordered else (request,)
    )
    return _Shape(
        requests=requests,
        ordered=ordered,
        recovery=read_recovery(recovery, report) if recovery else Recovery(),
        labels=read.labels(labels, report) if labels else {},
    )


def _with_one(request: ResourceRequest, index: int) -> ResourceRequest:
    return replace(request, accelerators=(request.accelerators[index],))


def _ranked(request: ResourceRequest, rank: int) -> ResourceRequest:
    return replace(request, rank=rank)


def _instance_type(node: Node | None, report: Report) -> str | None:
    written = read.text(node, report) if node else None
    if node and written is not None and not _INSTANCE_TYPE.fullmatch(written):
        read.error(node, report, f"{node.shown} is no instance type", allowed="e.g. p5.48xlarge")
        return None
    return written


def _amount(node: Node | None, report: Report, allowed: str, units: Mapping[str, float]) -> float | None:
    """``32``, ``32+``, ``64GB``: the least that will do (SkyPilot's exact amount is its minimum here)."""
    if node is None:
        return None

    def parse(written: str) -> float:
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]{0,2})\+?", written.strip().casefold())
        if match is None or match[2] not in units:
            raise ValueError(f"{node.shown} is no amount")
        amount = float(match[1]) * units[match[2]]
        if amount <= 0:
            raise ValueError(f"{node.shown} is not above 0")
        return amount

    return read.convert(node, report, parse, allowed=allowed)


def _gib(node: Node | None, report: Report) -> float | None:
    size = _amount(node, report, "32, 32+, 64GB (of 2**30 bytes)", _UNIT_BYTES)
    return None if size is None else size / GIB


def _hourly(node: Node | None, report: Report) -> Decimal | None:
    return (
        read.convert(node, report, parse_usd, allowed="dollars per node and hour, e.g. 12.50")
        if node
        else None
    )
