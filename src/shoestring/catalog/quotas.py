"""Quotas of an account: most accelerators, or vCPUs, at a time, by place and kind of machine, and by market."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shoestring.catalog.load import Catalog
from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Offer
from shoestring.domain.text import printable
from shoestring.planner.feasible import Refusal

_VCPUS = re.compile(r"(\d{1,7})\s*vcpus?", re.IGNORECASE | re.ASCII)
EXAMPLE = "write provider/region/what, e.g. aws/us-east-1/H100, aws/*/p5/spot, aws/us-east-1/Hopper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Limits by ``provider/region/what`` or ``.../what/market``; ``*`` for any region.

    What: an accelerator, a family of accelerators (Hopper), an instance type, or a family of those (p5,
    a3-highgpu). All that fit an offer hold.
    """

    accelerators: Mapping[str, float] = field(default_factory=dict)
    vcpus: Mapping[str, float] = field(default_factory=dict)

    def refusal(self, offer: Offer, family: str, nodes: int) -> Refusal | None:
        """The first limit that a gang of ``nodes`` would pass; None if there is none."""
        needed = (
            (self.accelerators, offer.accelerator_count * nodes, offer.accelerator or "accelerators"),
            (self.vcpus, None if offer.vcpus is None else offer.vcpus * nodes, "vCPUs"),
        )
        for limits, amount, unit in needed:
            for name in _names(offer, family) if limits else ():
                most = limits.get(name)
                if most is None or (amount is not None and amount <= most):
                    continue
                wants = "an unknown number is" if amount is None else f"{amount:g} are"
                return Refusal(
                    code="quota",
                    text=f"quota {name}: {most:g} {unit}, {wants} needed",
                    fix="ask the provider for more, then change `quotas`" if amount is None else
                    f"ask the provider for {amount - most:g} more, then change `quotas`",
                )  # fmt: skip
        return None


def _names(offer: Offer, family: str) -> Iterator[str]:
    """All names of limits that fit an offer, narrow ones first."""
    kinds = (
        offer.accelerator,
        offer.instance_type,
        instance_family(offer.provider, offer.instance_type),
        family,
    )
    for region in (offer.region, "*"):
        for kind in dict.fromkeys(filter(None, kinds)):
            yield f"{offer.provider}/{region}/{kind}/{offer.market}"
            yield f"{offer.provider}/{region}/{kind}"


def instance_family(provider: str, instance_type: str) -> str:
    """The family that providers count by; the type itself where its name shows none.

    >>> instance_family("aws", "p5.48xlarge"), instance_family("gcp", "a3-highgpu-8g")
    ('p5', 'a3-highgpu')
    """
    if provider == "aws":
        return instance_type.removeprefix("ml.").split(".")[0]
    return instance_type.rpartition("-")[0] or instance_type if provider == "gcp" else instance_type


def read_quotas(given: Mapping[str, float | str], catalog: Catalog) -> Quotas:
    """Limits as the settings give them: a number of accelerators, or ``192 vcpus``.

    Raises:
        BadInput: a name that fits nothing in the catalog, or an amount that is none.
    """
    accelerators: dict[str, float] = {}
    vcpus: dict[str, float] = {}
    for name, amount in given.items():
        match = _VCPUS.fullmatch(amount.strip()) if isinstance(amount, str) else None
        if isinstance(amount, str) and match is None:
            raise BadInput(
                f"quotas: {name}: {printable(amount, limit=40)!r} is no amount", next_step="8, or 192 vcpus"
            )
        for key in _keys(name, catalog):
            if match is None:
                accelerators[key] = float(amount)
            else:
                vcpus[key] = float(match[1])
    return Quotas(accelerators=accelerators, vcpus=vcpus)


def _keys(name: str, catalog: Catalog) -> list[str]:
    parts, c = name.split("/"), catalog.columns
    if len(parts) not in (3, 4) or not all(parts):
        raise BadInput(f"quotas: {name!r} names no place and kind", next_step=EXAMPLE)
    provider, region, kind = parts[:3]
    if provider not in c["provider"]:
        raise BadInput(f"quotas: {name!r}: no provider {provider!r} in the catalog",
                       next_step=f"one of {', '.join(sorted(set(c['provider'])))}")  # fmt: skip
    if len(parts) == 4 and parts[3] not in c["market"]:
        raise BadInput(f"quotas: {name!r}: no market {parts[3]!r}",
                       next_step=f"one of {', '.join(sorted(set(c['market'])))}")  # fmt: skip
    kinds = [key for key, _ in catalog.names.keys_of(kind)]
    if not kinds:
        types = {t for p, t in zip(c["provider"], c["instance_type"], strict=True) if p == provider}
        known = types | {instance_family(provider, t) for t in types}
        known |= {device.family for device in catalog.accelerators.values()}
        if kind not in known:
            raise BadInput(
                f"quotas: {name!r} names no accelerator, instance or family of the catalog", next_step=EXAMPLE
            )
        kinds = [kind]
    return ["/".join([provider, region, k, *parts[3:]]) for k in kinds]
