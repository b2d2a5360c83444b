"""Data: each data set's place, size, way of reading, and where it may go."""

import re

from shoestring.domain.units import parse_bytes
from shoestring.domain.workload import DataSpec, Residency
from shoestring.jobfile import read
from shoestring.jobfile.infra import Infra, read_infra
from shoestring.jobfile.mounts import provider_of
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

KEYS = ("uri", "size", "where", "access", "classification", "residency")
RESIDENCY_KEYS = ("regions", "providers", "owned_only")
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}\*?")
_REGIONS = "regions or their beginnings, e.g. eu-west-1, eu- or eu-*"


def read_data(node: Node, report: Report) -> tuple[DataSpec, ...]:
    """``data:``, one data set or a list of them; a bare text is its uri."""
    items = node.items if node.kind is Kind.LIST else (node,)
    found = (_one(item, report) for item in items)
    return tuple(spec for spec in found if spec is not None)


def _one(node: Node, report: Report) -> DataSpec | None:
    if node.kind is Kind.SCALAR:
        bare = read.location(node, report)
        return DataSpec(uri=bare, provider=provider_of(bare)) if bare else None
    if node.kind is Kind.LIST:
        read.error(node, report, "expected a data set, found a list", allowed=", ".join(KEYS))
        return None
    read.check_keys(node, report, KEYS, unknown_is_error=True)
    uri_node, size, access = node.get("uri"), node.get("size"), node.get("access")
    if uri_node is None:
        read.error(node, report, "a data set without `uri`", allowed="a path or URI")
        return None
    uri = read.location(uri_node, report)
    place = read_infra(where, report) if (where := node.get("where")) else Infra()
    classification, residency = node.get("classification"), node.get("residency")
    how = read.choice(access, report, ("streamed", "staged")) if access else None
    spec = DataSpec(
        uri=uri or "?",
        size_bytes=read.convert(size, report, parse_bytes, allowed="a size, e.g. 300 GB") if size else None,
        provider=place.provider or (provider_of(uri) if uri else None),
        region=place.region,
        streamed=how == "streamed",
        classification=read.text(classification, report) if classification else None,
        residency=read_residency(residency, report) if residency else Residency(),
    )
    return spec if uri else None


def read_residency(node: Node, report: Report) -> Residency:
    """Regions alone, or ``{regions, providers, owned_only}``. A mistake here refuses the file: it binds."""
    if node.kind is not Kind.MAPPING:
        return Residency(regions=_names(node, report, _REGIONS))
    read.check_keys(node, report, RESIDENCY_KEYS, unknown_is_error=True)
    regions, providers, owned = node.get("regions"), node.get("providers"), node.get("owned_only")
    return Residency(
        regions=_names(regions, report, _REGIONS) if regions else (),
        providers=_names(providers, report, "clouds, e.g. aws, gcp, owned") if providers else (),
        owned_only=bool(read.boolean(owned, report)) if owned else False,
    )


def _names(node: Node, report: Report, allowed: str) -> tuple[str, ...]:
    found = []
    for item in node.items if node.kind is Kind.LIST else (node,):
        written = read.text(item, report, allowed=allowed)
        if written is not None and not _REGION.fullmatch(written):
            read.error(item, report, f"{item.shown} is not allowed here", allowed=allowed)
        elif written is not None:
            found.append(written.lower())
    if node.kind is Kind.LIST and not node.items:
        read.error(node, report, "an empty list allows no place, or any: say which", allowed=allowed)
    return tuple(found)
