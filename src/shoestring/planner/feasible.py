"""Which offers a workload may use at all; for every other, each reason with its fix."""

from dataclasses import dataclass

from shoestring.domain.offer import Market, Offer
from shoestring.domain.plan import Accelerator
from shoestring.domain.run import Profile
from shoestring.domain.units import GIB
from shoestring.domain.workload import AcceleratorRequest, ResourceRequest, Workload
from shoestring.planner.memory import activations, misfit, tight

OWNED = "owned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an offer may not be used.

    Attributes:
        fix: what the user can do about it; None if nothing. short: by how much it misses, to name the nearest
            miss of its kind; 0 where that is no question of more or less.
    """

    code: str
    text: str
    fix: str | None = None
    short: float = 0.0


def _because(code: str, text: str, fix: str | None) -> Refusal:
    return Refusal(code=code, text=text, fix=fix)


def feasible(workload: Workload, offer: Offer, *, resume_proven: bool) -> tuple[Refusal, ...]:
    """Every reason against an offer; empty means it may be used.

    A workload's resource requests are alternatives: an offer that satisfies one of them satisfies the
    workload, else the reasons of the request that it misses by the least are given.

    Args:
        resume_proven: whether the job has shown that it goes on from a checkpoint. Without that no
            preemptible offer may be used: a 34B job on spot without checkpoints took 3,198 h, not 48.5.
    """
    refusals = [*_residency(workload, offer), *_backend(workload, offer), *_price(offer)]
    if offer.market.preemptible and not resume_proven:
        refusals.append(
            Refusal(
                code="resume_unproven",
                text="nothing proves that the job resumes after a preemption",
                fix="shoestring rehearse JOB, or --allow-unproven-resume",
            )
        )
    by_request = [_request(request, offer) for request in workload.resources]
    return (*refusals, *min(by_request, key=len, default=()))


def _residency(workload: Workload, offer: Offer) -> list[Refusal]:
    if workload.allows_place(offer.provider, offer.region):
        return []
    text = f"the job's data may not be at {offer.provider} in {offer.region}"
    return [_because("residency", text, "choose a place that `data: residency` allows")]


def _backend(workload: Workload, offer: Offer) -> list[Refusal]:
    if offer.accelerator is None or offer.backend is workload.backend:
        return []
    return [
        Refusal(
            code="backend",
            text=f"{offer.accelerator} runs {offer.backend}, the job is written for {workload.backend}",
            fix=f"say `backend: {offer.backend}` if the code runs there",
        )
    ]


def _price(offer: Offer) -> list[Refusal]:
    if offer.price.usd_per_hour is not None or offer.market is Market.OWNED:
        return []  # one's own machine may be used without knowing what it costs; the receipt says unknown
    return [_because("price_unknown", f"no price is known for {offer.id}", "give one in a price sheet")]


def _request(request: ResourceRequest, offer: Offer) -> tuple[Refusal, ...]:
    found = [*_accelerators(request, offer), *_sizes(request, offer)]
    if offer.market is not Market.OWNED:
        found += _place(request, offer)
    if not offer.market.ours:
        found += _market(request, offer)
    return tuple(found)


def _accelerators(request: ResourceRequest, offer: Offer) -> list[Refusal]:
    if not request.accelerators or any(_matches(wanted, offer) for wanted in request.accelerators):
        return []
    named = [a for a in request.accelerators if a.name.lower() == (offer.accelerator or "").lower()]
    if named:
        return [_other_count(named[0], offer)]
    names = " or ".join(f"{a.name}:{a.count_min:g}" for a in request.accelerators)
    has = f"{offer.accelerator}:{offer.accelerator_count:g}" if offer.accelerator else "no accelerator"
    return [_because("accelerator", f"{names} is asked for, the offer has {has}", "loosen `accelerators`")]


def _other_count(wanted: AcceleratorRequest, offer: Offer) -> Refusal:
    """The right device in another number: how many there are, and that more nodes may make up for it."""
    has = offer.accelerator_count
    asked = (
        f"{wanted.count_min:g}" if wanted.count_max == wanted.count_min else f"{wanted.count_min:g} or more"
    )
    if has > wanted.count_min:
        asked = f"{wanted.count_max:g} at most" if wanted.count_max is not None else asked
    nodes = wanted.count_min / has if has else 0
    more = f", with `num_nodes` times {nodes:g}" if nodes > 1 and nodes == int(nodes) else ""
    return Refusal(
        code="accelerator_count",
        text=f"{asked} {offer.accelerator} a node are asked for, the offer has {has:g}",
        fix=f"loosen `accelerators` to {offer.accelerator}:{has:g}{more}",
        short=abs(has - wanted.count_min),
    )


def _matches(wanted: AcceleratorRequest, offer: Offer) -> bool:
    if offer.accelerator is None or offer.accelerator.lower() != wanted.name.lower():
        return False
    enough = offer.accelerator_count >= wanted.count_min
    return enough and (wanted.count_max is None or offer.accelerator_count <= wanted.count_max)


def _sizes(request: ResourceRequest, offer: Offer) -> list[Refusal]:
    found = []
    for what, wanted, has in (
        ("cpus", request.cpus_min, offer.vcpus),
        ("memory", request.memory_gib_min, offer.memory_gib),
    ):
        if wanted is not None and has is not None and has < wanted:
            text = f"{wanted:g} {what} are asked for, the offer has {has:g}"
            found.append(
                Refusal(code=what, text=text, fix=f"loosen `{what}` by {wanted - has:g}", short=wanted - has)
            )
    return found


def _place(request: ResourceRequest, offer: Offer) -> list[Refusal]:
    pins = (
        ("provider", request.provider, offer.provider),
        ("region", request.region, offer.region),
        ("zone", request.zone, offer.zone),
        ("instance_type", request.instance_type, offer.instance_type),
    )
    return [
        Refusal(
            code=name,
            text=f"{name} {wanted} is asked for, the offer is {has or 'elsewhere'}",
            fix=f"loosen `{name}`",
        )
        for name, wanted, has in pins
        if wanted is not None
        and wanted != has
        and not (name == "provider" and has == "rehearsal")
        and not (name == "zone" and has is None and wanted.startswith(offer.region))  # sold by the region
    ]


def _market(request: ResourceRequest, offer: Offer) -> list[Refusal]:
    found = []
    if request.use_spot is True and not offer.market.preemptible:
        found.append(_because("spot_only", "the job asks for spot alone", "drop `use_spot: true`"))
    if request.use_spot is False and offer.market.preemptible:
        found.append(_because("no_spot", "the job asks for no spot", "drop `use_spot: false`"))
    cap, price = request.max_hourly_usd, offer.price.usd_per_hour
    if cap is not None and price is not None and price > cap:
        text = f"{price:.4g} $/h is above max_hourly_cost {cap:g}"
        over = float(price - cap)
        fix = f"raise `max_hourly_cost` to {price:.4g}"
        found.append(Refusal(code="max_hourly_cost", text=text, fix=fix, short=over))
    return found


def memory(
    workload: Workload, device: Accelerator, devices: float, profile: Profile | None
) -> tuple[Refusal | None, tuple[str, ...]]:
    """Whether the job fits on devices of this kind: what was measured on an accelerator, else the formulas.

    Returns:
        A refusal or None, and flags: ``tight_memory``, and ``activations_unknown`` where the formulas count none.
    """
    has = device.memory_gib
    if has is None:
        return None, ("memory_unknown",) if workload.model else ()
    if profile is not None and profile.memory_peak_bytes and profile.accelerator != "cpu":
        peak = profile.memory_peak_bytes / GIB
        if peak <= has:
            return None, ()
        text = f"the job used {peak:.1f} GiB, {device.name} has {has:g}"
        fix = f"shard the model, or a smaller batch: {peak - has:.1f} GiB less"
        return Refusal(code="memory_device", text=text, fix=fix, short=peak - has), ()
    if workload.model is None:
        return None, ()
    found = misfit(workload.model, devices, has)
    if found is None:
        words = [("tight_memory", tight(workload.model, devices, has)),
                 ("activations_unknown", activations(workload.model) is None)]  # fmt: skip
        return None, tuple(word for word, on in words if on)
    if found.short_gib <= 0:
        text = f"`tensor_parallel: {workload.model.tensor_parallel}` needs as many devices, the gang has {devices:g}"
        return Refusal(code="memory_device", text=text, fix="ask for more devices", short=1.0), ()
    text = (
        f"{workload.model.params / 1e9:g}B parameters take {found.needed_gib:.0f} GiB on each of {devices:g} "
        f"{device.name} ({found.demand.describe()}), {found.short_gib:.0f} more than its {has:g}"
    )
    return Refusal(code="memory_device", text=text, fix=" or ".join(found.fixes), short=found.short_gib), ()
