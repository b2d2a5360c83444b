"""What the ledger and the receipts know of waste: memory nobody touched, commitments nobody used."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from shoestring.catalog.load import Catalog, number
from shoestring.domain.offer import Offer
from shoestring.domain.units import GIB, money
from shoestring.ledger.commitments import CommitmentUse
from shoestring.ledger.receipt import AttemptLine, Receipt
from shoestring.ledger.right_size import MemoryUse, Shape
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_commitments import commitment_hours

Place = tuple[str, str, str, str]


def memory_uses(receipts: Sequence[Receipt], catalog: Catalog) -> list[MemoryUse]:
    """What runs did with each kind of machine whose memory was metered and whose price the catalog knows."""
    groups: dict[Place, list[AttemptLine]] = {}
    for paid in receipts:
        for line in paid.attempts:
            offer = line.attempt.offer
            groups.setdefault(
                (offer.provider, offer.region, offer.market.value, offer.instance_type), []
            ).append(line)
    found = [_memory_use(lines, catalog) for _, lines in sorted(groups.items())]
    return [use for use in found if use is not None]


def commitment_uses(
    store: ChargeStore, *, since: date | None = None, until: date | None = None
) -> list[CommitmentUse]:
    """How each commitment of the bills was used, hour by hour."""
    return [
        CommitmentUse(
            name=name,
            used_usd=used,
            unused_usd=unused,
            ratio=ratio,
        )
        for name, used, unused, ratio in commitment_hours(store, since=since, until=until)
    ]


def _memory_use(lines: Sequence[AttemptLine], catalog: Catalog) -> MemoryUse | None:
    offer = lines[0].attempt.offer
    peaks = [
        meter.memory_peak_bytes
        for line in lines
        if (meter := line.attempt.observation.meter) is not None and meter.memory_peak_bytes is not None
    ]
    shapes = _sisters(offer, catalog)
    own = next((s for s in shapes if s.instance_type == offer.instance_type), None)
    if not peaks or own is None:
        return None
    return MemoryUse(
        subject=f"{offer.provider} {offer.instance_type} in {offer.region}",
        paid_usd=sum((line.cost.rated_usd for line in lines), money(0)),
        peak_gib=max(peaks) / GIB,
        own=own,
        others=[s for s in shapes if s is not own],
    )


def _sisters(offer: Offer, catalog: Catalog) -> list[Shape]:
    """Machines of the same place, market and accelerators with no fewer CPUs; doubtful prices are passed over."""
    wanted = {"provider": offer.provider, "region": offer.region, "market": offer.market.value,
              "accelerator": offer.accelerator or ""}  # fmt: skip
    found: dict[str, Shape] = {}
    for index in range(len(catalog)):
        if any(catalog.columns[name][index] != value for name, value in wanted.items()):
            continue
        row: dict[str, Any] = dict(catalog.row(index))
        memory, usd = number(row["memory_gib"]), number(row["price_usd_per_hour"])
        cpus, count = number(row["vcpus"]), number(row["accelerator_count"]) or 0.0
        enough = offer.vcpus is None or (cpus is not None and cpus >= offer.vcpus)
        if memory is None or usd is None or row["flag"] or count != offer.accelerator_count or not enough:
            continue
        name = str(row["instance_type"])
        if name not in found or usd > found[name].usd_per_hour:  # of several zones the dearest: no false hope
            found[name] = Shape(instance_type=name, memory_gib=memory, usd_per_hour=usd)
    return list(found.values())
