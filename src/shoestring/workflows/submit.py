"""`shoestring run`, first half: from a workload and the offers of its engine to a frozen RunSubmitted.

What can be known to fail is refused here, with the numbers, before anything is paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shoestring.domain.errors import BadInput, ResumeNotProven
from shoestring.domain.facts import Baseline, RunSubmitted
from shoestring.domain.offer import Market, Offer
from shoestring.domain.run import Profile
from shoestring.domain.units import SECONDS_PER_HOUR, describe_duration, seconds_between
from shoestring.domain.workload import Workload, work_hours
from shoestring.planner.feasible import Refusal, feasible


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What would be submitted: the fact, the offers it may use, and the refusals by offer id."""

    fact: RunSubmitted
    usable: tuple[Offer, ...]
    refused: dict[str, tuple[Refusal, ...]]
    warnings: tuple[str, ...]


def prepare(
    workload: Workload,
    offers: Sequence[Offer],
    *,
    run_id: str,
    executor: str,
    policy: str,
    code_sha256: str,
    now: datetime,
    user: str,
    profile: Profile | None = None,
    allow_unproven_resume: bool = False,
    secrets_from: str | None = None,
) -> Submission:
    """Check a workload against what can be launched, and freeze what the run will be compared with.

    Raises:
        BadInput: no offer may be used, or the deadline or the budget can't be kept by any of them.
        ResumeNotProven: the file asks for spot alone and the job has not shown that it resumes.
    """
    proven = allow_unproven_resume or (profile is not None and profile.resume_proven)
    refused = {o.id: feasible(workload, o, resume_proven=proven) for o in offers}
    usable = tuple(o for o in offers if not refused[o.id])
    if not usable:
        raise _no_offer(workload, offers, refused)
    warnings = [
        *_deadline_warnings(workload, usable, profile, now),
        *_budget_warnings(workload, usable, profile),
    ]
    unproven = [o for o in offers if o.market.preemptible and _unproven_alone(refused[o.id])]
    if unproven:
        warnings.append(
            f"spot is left out: nothing proves that {workload.name} resumes "
            f"(shoestring rehearse, or --allow-unproven-resume)"
        )
    fact = RunSubmitted(
        run_id=run_id,
        at=now,
        workload=workload,
        executor=executor,
        policy=policy,
        code_sha256=code_sha256,
        allow_unproven_resume=allow_unproven_resume,
        profile=profile,
        baselines=baselines(workload, offers, profile),
        user=user,
        secrets_from=secrets_from,
    )
    return Submission(fact=fact, usable=usable, refused=refused, warnings=tuple(warnings))


def baselines(workload: Workload, offers: Sequence[Offer], profile: Profile | None) -> tuple[Baseline, ...]:
    """The job as its file asked for it, and uninterrupted on-demand: both at today's prices, frozen.

    A file that does not ask for spot asks for on-demand (SkyPilot's default), at the lowest price per hour
    (SkyPilot's rule). Baselines ignore whether resume is proven: that is our rule, not the file's.
    """
    allowed = [o for o in offers if not feasible(workload, o, resume_proven=True)]
    spot = all(r.use_spot is True for r in workload.resources)
    asked = _cheapest([o for o in allowed if o.market.preemptible is spot])
    on_demand = _cheapest([o for o in allowed if o.market in (Market.ON_DEMAND, Market.OWNED)])
    kind = "spot, never interrupted" if spot else "on-demand"
    rows = [
        ("as_asked", asked, f"the job as its file asked for it ({kind}), at the lowest price per hour"),
        ("on_demand", on_demand, "the same work on uninterrupted on-demand capacity"),
    ]
    return tuple(_baseline(name, offer, method, workload, profile) for name, offer, method in rows)


def hours_on(workload: Workload, offer: Offer, profile: Profile | None) -> tuple[float | None, str]:
    """Hours of the whole job on an offer, and how they are known: ``profile``, ``declared``, ``measured``.

    ``measured`` with None means: the run itself will tell.
    """
    accelerator = offer.accelerator or "cpu"
    steps = getattr(workload.work, "steps", None)
    if (
        profile is not None
        and steps
        and profile.steps_per_s
        and (profile.accelerator or "cpu") == accelerator
    ):
        return steps / profile.steps_per_s / SECONDS_PER_HOUR, "profile"
    declared = work_hours(workload.work, accelerator)
    return (declared, "declared") if declared is not None else (None, "measured")


def _baseline(
    name: str, offer: Offer | None, method: str, workload: Workload, profile: Profile | None
) -> Baseline:
    hours, source = (None, "measured") if offer is None else hours_on(workload, offer, profile)
    return Baseline(name=name, offer=offer, hours=hours, hours_source=source, method=method)


def _cheapest(offers: list[Offer]) -> Offer | None:
    priced = [o for o in offers if o.price.usd_per_hour is not None]
    pool = priced or offers
    return min(pool, key=lambda o: (o.price.usd_per_hour or Decimal(0), o.id)) if pool else None


def _unproven_alone(refusals: Sequence[Refusal]) -> bool:
    return len(refusals) == 1 and refusals[0].code == "resume_unproven"


def _no_offer(
    workload: Workload, offers: Sequence[Offer], refused: dict[str, tuple[Refusal, ...]]
) -> BadInput | ResumeNotProven:
    if (
        offers
        and all(_unproven_alone(refused[o.id]) for o in offers if o.market.preemptible)
        and any(o.market.preemptible for o in offers)
    ):
        others = {r.code for o in offers if not o.market.preemptible for r in refused[o.id]}
        if others <= {"spot_only"}:
            return ResumeNotProven(
                f"{workload.name} asks for spot, and nothing proves that it resumes after a preemption",
                next_step="shoestring rehearse JOB, or --allow-unproven-resume to take the risk",
            )
    counts: dict[tuple[str, str | None], int] = {}
    for refusals in refused.values():
        for refusal in refusals:
            key = (refusal.text, refusal.fix)
            counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][0]))
    detail = "; ".join(f"{text} ({count} of {len(offers)} offers)" for (text, _), count in ranked[:4])
    fix = next((fix for (_, fix), _ in ranked if fix), None)
    return BadInput(f"{workload.name}: no offer fits: {detail or 'the engine offers nothing'}", next_step=fix)


def _deadline_warnings(
    workload: Workload, usable: Sequence[Offer], profile: Profile | None, now: datetime
) -> list[str]:
    allowed_s = workload.deadline_s
    if workload.deadline_at is not None:
        allowed_s = seconds_between(now, workload.deadline_at)
    if allowed_s is None:
        return []
    if allowed_s <= 0:
        raise BadInput(
            f"deadline {workload.deadline_at} lies {describe_duration(-allowed_s)} in the past",
            next_step="give a later deadline, e.g. --deadline 36h",
        )
    times = [hours for o in usable if (hours := hours_on(workload, o, profile)[0]) is not None]
    if not times:
        return ["how long the work takes is unknown, so the deadline is guarded by staying on safe capacity"]
    needed_s = min(times) * SECONDS_PER_HOUR
    if needed_s > allowed_s:
        raise BadInput(
            f"deadline {describe_duration(allowed_s)}: the work alone takes {describe_duration(needed_s)} "
            f"on the fastest offer that may be used",
            next_step=f"give at least {describe_duration(1.1 * needed_s)}, or faster accelerators",
        )
    return []


def _budget_warnings(workload: Workload, usable: Sequence[Offer], profile: Profile | None) -> list[str]:
    if workload.budget_usd is None:
        return []
    costs = [
        float(price) * hours * workload.num_nodes
        for o in usable
        if (price := o.price.usd_per_hour) is not None
        and (hours := hours_on(workload, o, profile)[0]) is not None
    ]
    budget = float(workload.budget_usd)
    if budget == 0 and costs and min(costs) > 0:
        raise BadInput("budget 0 $: nothing can be launched", next_step="give a budget, e.g. --budget 25")
    if costs and min(costs) > budget:
        share = budget / min(costs)
        return [
            f"the cheapest way costs about {min(costs):.2f} $, the budget is {budget:.2f} $: the run will be "
            f"suspended, saved, at about {share:.0%} of the work"
        ]
    return []
