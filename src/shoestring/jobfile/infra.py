"""Infra: where a job may run, as ``cloud/region/zone``, a cluster's context, or the older three keys."""

import re
from dataclasses import dataclass

from shoestring.jobfile import read
from shoestring.jobfile.node import Node
from shoestring.jobfile.report import Report, did_you_mean

# SkyPilot's infra names (0.14.1), and the places that shoestring itself offers.
CLOUDS = frozenset(
    ["aws", "azure", "cudo", "do", "fluidstack", "gcp", "hyperbolic", "hyperstack", "ibm", "lambda",
     "mithril", "nebius", "oci", "paperspace", "primeintellect", "runpod", "scp", "seeweb", "shadeform",
     "vast", "verda", "vsphere", "yotta"]
)  # fmt: skip
CLUSTERS = frozenset(["kubernetes", "slurm", "ssh"])
OWN_PLACES = frozenset(["local", "owned", "rehearsal"])
_ALIASES = {"k8s": "kubernetes", "digitalocean": "do"}
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,199}")
_ALLOWED = "cloud, cloud/region, cloud/region/zone, */region, k8s/context, slurm/cluster/partition, ssh/pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Infra:
    """A place; None means any. For clusters, region is the context or cluster, zone the partition."""

    provider: str | None = None
    region: str | None = None
    zone: str | None = None

    @property
    def names_its_own_accelerators(self) -> bool:
        """Whether GPU names come from a cluster's own labels and not from a cloud's catalog."""
        return self.provider in CLUSTERS | OWN_PLACES


def read_infra(node: Node, report: Report) -> Infra:
    """``infra:`` in any form."""
    written = read.text(node, report, allowed=_ALLOWED)
    if written is None:
        return Infra()
    head, _, rest = written.strip().partition("/")
    provider = _provider(head)
    # A Kubernetes context may hold slashes (EKS names do); a cloud has at most region and zone.
    parts = [rest] if provider in ("kubernetes", "ssh") else rest.split("/") if rest else []
    parts = [p for p in parts if p]
    if len(parts) > 2 or not all(p == "*" or _PART.fullmatch(p) for p in [head, *parts]):
        read.error(node, report, f"{node.shown} is no place", allowed=_ALLOWED)
        return Infra()
    _check_known(node, report, provider)
    region, zone = (*(None if p == "*" else p for p in parts), None, None)[:2]
    return Infra(provider=provider, region=region, zone=zone)


def read_place(resources: Node, report: Report) -> Infra:
    """Where one entry of ``resources`` may run: ``infra``, or the older ``cloud``, ``region``, ``zone``."""
    older = {key: node for key in ("cloud", "region", "zone") if (node := resources.get(key))}
    if infra := resources.get("infra"):
        for node in older.values():
            read.error(
                node, report, "given beside `infra`", allowed="either infra, or cloud, region and zone"
            )
        return read_infra(infra, report)
    found: dict[str, str | None] = {}
    for key, node in older.items():
        written = read.text(node, report)
        if written is not None and written != "*" and not _PART.fullmatch(written):
            read.error(node, report, f"{node.shown} is no {key}", allowed="letters, digits and . _ : / -")
            continue
        found[key] = None if written == "*" else written
    provider = _provider(found["cloud"]) if found.get("cloud") else None
    if "cloud" in older:
        _check_known(older["cloud"], report, provider)
    return Infra(provider=provider, region=found.get("region"), zone=found.get("zone"))


def _provider(name: str | None) -> str | None:
    if name is None or name == "*":
        return None
    return _ALIASES.get(name.casefold(), name.casefold())


def _check_known(node: Node, report: Report, provider: str | None) -> None:
    """Clouds come with plug-ins, so a strange one is only pointed at; a typo matches no offer."""
    known = CLOUDS | CLUSTERS | OWN_PLACES
    if provider is not None and provider not in known:
        read.warn(node, report, f"no cloud known by the name in {node.shown}.{did_you_mean(provider, known)}")
