"""Rows of the catalog that a job may use, as columns for the screen; every other row with its reason."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from shoestring.catalog.layer import NO_CAPACITY
from shoestring.catalog.load import Catalog
from shoestring.catalog.places import Places
from shoestring.catalog.quotas import Quotas
from shoestring.catalog.reserved import Reserved
from shoestring.domain.offer import Market, Offer, StartRule
from shoestring.domain.plan import WorkRange
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.planner.asked import save_s
from shoestring.planner.feasible import Refusal, feasible, memory
from shoestring.planner.hazard import scale_of
from shoestring.planner.scaling import Shape
from shoestring.planner.screen import Candidates

_ANOTHER = Refusal(code="accelerator", text="the job asks for another accelerator", fix="add it to `any_of`")
_NONE_NAMED = Refusal(
    code="accelerator", text="the job names no accelerator", fix="name one: `resources: {accelerators: L4}`"
)
_CONTRACT = Refusal(
    code="commitment",
    text="needs a contract of one year or more",
    fix="list what you have in a price sheet",
)
_NONE_THERE = Refusal(
    code="no_capacity",
    text="the provider said within the hour that it has none there",
    fix="ask again: --live, or shoestring catalog refresh",
)
NOT_BY_THE_HOUR: Mapping[str, Refusal] = {
    "reserved_1y": _CONTRACT,
    "reserved_3y": _CONTRACT,
}
_MANAGED = Refusal(
    code="managed",
    text="runs only as a job of the provider's managed service, with its packaging",
    fix="--managed, if the job can be submitted there",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the user's accounts allow.

    Attributes:
        enabled: providers that may be used; None for all. quotas: what may be had at a time.
        reserved: what is left of reserved capacity, by offer.
        managed: whether jobs may run as jobs of a provider's managed training service.
    """

    enabled: frozenset[str] | None = None
    quotas: Quotas = field(default_factory=Quotas)
    reserved: Mapping[str, Reserved] = field(default_factory=dict)
    managed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """A row that may be used, and its offer, hours, and flags of the estimate."""

    row: int
    offer: Offer
    work: WorkRange
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sorted:
    """Usable rows, and the refused ones with one reason each."""

    usable: tuple[Usable, ...]
    refused: tuple[tuple[int, Refusal], ...]


def asked_keys(workload: Workload) -> frozenset[str]:
    """Catalog keys that the job names; empty if it names none."""
    return frozenset(a.name for r in workload.resources for a in r.accelerators)


def sort_out(
    catalog: Catalog,
    workload: Workload,
    account: Account,
    *,
    hours: Callable[[Shape], WorkRange | None],
    profile: Profile | None,
    resume_proven: bool,
    now: datetime,
) -> Sorted:
    """Each row either usable or refused; cheap looks come first, so that few rows become Offers."""
    keys = asked_keys(workload)
    usable: list[Usable] = []
    refused: list[tuple[int, Refusal]] = []
    c = catalog.columns
    for row, (provider, key, market) in enumerate(
        zip(c["provider"], c["accelerator"], c["market"], strict=True)
    ):
        if key not in keys:
            why = _ANOTHER if keys else _NONE_NAMED
        elif account.enabled is not None and provider not in account.enabled:
            why = Refusal(
                code="account",
                text=f"no account at {provider} is known",
                fix="shoestring check, or --all-clouds",
            )
        elif market in NOT_BY_THE_HOUR:
            why = NOT_BY_THE_HOUR[market]
        elif market == "managed" and not account.managed:
            why = _MANAGED
        elif NO_CAPACITY in c["flag"][row].split():
            why = _NONE_THERE
        else:
            found = _look(catalog, row, workload, account, hours, profile, resume_proven, now)
            if isinstance(found, Usable):
                usable.append(found)
                continue
            why = found
        refused.append((row, why))
    return Sorted(usable=tuple(usable), refused=tuple(refused))


def _look(
    catalog: Catalog,
    row: int,
    workload: Workload,
    account: Account,
    hours: Callable[[Shape], WorkRange | None],
    profile: Profile | None,
    resume_proven: bool,
    now: datetime,
) -> Usable | Refusal:
    offer = catalog.offer(row)
    refusals = feasible(workload, offer, resume_proven=resume_proven)
    if refusals:
        return refusals[0]
    device = catalog.accelerators[offer.accelerator or ""]
    if not offer.market.ours and (
        refusal := account.quotas.refusal(offer, device.family, workload.num_nodes)
    ):
        return refusal
    too_large, words = memory(workload, device, offer.accelerator_count * workload.num_nodes, profile)
    if too_large is not None:
        return too_large
    shape = Shape(accelerator=device.name, count=offer.accelerator_count, nodes=workload.num_nodes)
    work = hours(shape)
    if work is None:
        text = (
            f"no figure supports the speed of {workload.num_nodes}x{offer.accelerator_count:g} {device.name}"
        )
        return Refusal(code="speed_unknown", text=text, fix="measure it: `work: {steps:, steps_per_s:}`")
    mine = account.reserved.get(offer.id)
    if mine is not None and (refusal := mine.refusal(work, workload.num_nodes, now)):
        return refusal
    rule = catalog.start_rules.get((offer.provider, str(offer.market)))
    if rule is not None and (refusal := _against(rule, work, workload.num_nodes)):
        return refusal
    return Usable(
        row=row,
        offer=offer,
        work=work,
        flags=(*_estimate_flags(offer, work, workload, profile, device.bf16_tflops), *words),
    )


def _against(rule: StartRule, work: WorkRange, nodes: int) -> Refusal | None:
    """Why a job can't have this market at all, by how long it runs and how many machines it takes."""
    if rule.most_instances is not None and nodes > rule.most_instances:
        text = f"{rule.most_instances} instances at most are sold together, the job needs {nodes}"
        return Refusal(code="too_many", text=text, fix="fewer nodes with more accelerators")
    if rule.longest_h is not None and rule.bought_h(work.high_h) is None:
        text = f"runs {rule.longest_h:g} h at most, the job may take {work.high_h:.0f} h"
        return Refusal(code="too_long", text=text, fix="more accelerators, or several jobs from checkpoints")
    return None


def _estimate_flags(
    offer: Offer, work: WorkRange, workload: Workload, profile: Profile | None, bf16: float | None
) -> tuple[str, ...]:
    found = ["unvalidated_speed"] if work.basis == "roofline" else []
    if bf16 is None:
        found.append("no_bf16")
    asked = [
        known is None
        for r in workload.resources
        for wanted, known in ((r.cpus_min, offer.vcpus), (r.memory_gib_min, offer.memory_gib))
        if wanted is not None
    ]
    if any(asked):
        found.append("size_unknown")
    if offer.market is Market.CAPACITY_BLOCK:
        found += ["paid_upfront", "start_assumed"]
    if offer.market is Market.FLEX_START:
        found.append("wait_assumed")
    save = save_s(workload, profile)
    if offer.notice_s is not None and save is not None and save > offer.notice_s:
        found.append("save_exceeds_notice")
    return tuple(found)


def columns(
    catalog: Catalog,
    places: Places,
    workload: Workload,
    usable: tuple[Usable, ...],
    checkpoint_bytes: int | None,
) -> tuple[Candidates, tuple[tuple[str, ...], ...]]:
    """The screen's columns, and flags for what is unknown about a place."""
    table: list[tuple[float, ...]] = []
    flags: list[tuple[str, ...]] = []
    for u in usable:
        offer = u.offer
        data = places.data(workload, offer.provider, offer.region)
        storage = places.storage_usd_per_hour(workload, offer.provider, checkpoint_bytes)
        watts = catalog.accelerators[offer.accelerator or ""].tdp_w
        pue = places.pue(offer.provider, offer.region)
        known = watts is not None and pue is not None
        kw = (
            (watts or 0) * (pue or 0) * offer.accelerator_count * workload.num_nodes / 1000
            if known
            else math.nan
        )
        grid = places.co2_kg_per_kwh(offer.provider, offer.region)
        band = (
            catalog.interruption.get((offer.instance_type, offer.region)) if offer.provider == "aws" else None
        )
        scale = scale_of(band, workload.num_nodes) if offer.market.preemptible else 0.0
        table.append(
            (float(offer.price.usd_per_hour or 0), u.work.low_h, u.work.mid_h, u.work.high_h, scale,
             offer.billing.granularity_s, offer.billing.minimum_s,
             offer.billing.free_if_interrupted_within_s or 0.0, data.usd, data.hours, storage or 0.0,
             kw, math.nan if grid is None else grid)
        )  # fmt: skip
        unknown = [
            ("data_cost_unknown", data.unknown),
            ("storage_cost_unknown", checkpoint_bytes and storage is None),
        ]
        flags.append(tuple(word for word, on in unknown if on))
    numbers = np.array(table, dtype=np.float64).reshape(-1, 13).T
    names = ("price_usd_per_hour", "low_h", "mid_h", "high_h", "scale", "granularity_s", "minimum_s",
             "free_s", "data_usd", "data_h", "storage_usd_per_hour", "power_kw", "co2_kg_per_kwh")  # fmt: skip
    return Candidates(**dict(zip(names, numbers, strict=True))), tuple(flags)
