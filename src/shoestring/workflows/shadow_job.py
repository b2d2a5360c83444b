"""The ghost of a live shadow: a job in numbers, and the few offers of a market that it may use."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from shoestring.catalog.candidates import Account, sort_out
from shoestring.catalog.load import Catalog
from shoestring.catalog.resolve import resolved
from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Market, Offer
from shoestring.domain.run import Profile
from shoestring.domain.units import SECONDS_PER_HOUR
from shoestring.domain.workload import Steps, Workload
from shoestring.planner.asked import shapes_asked, terms_of
from shoestring.planner.work import hours_on, known_work
from shoestring.sim.instance import SimJob
from shoestring.workflows.shadow_live import Ghost

WATCHED = 12  # spot offers at most: the cheapest to finish the job, over all places
STAYS = 3  # and offers that stay
STEP_S = 1.0  # a step of the ghost is a second of work on its first accelerator


def offers_for(
    workload: Workload,
    catalog: Catalog,
    account: Account,
    profile: Profile | None,
    *,
    now: datetime,
    all_of_them: bool = False,
) -> tuple[Workload, tuple[Offer, ...], Mapping[str, float]]:
    """The job in the catalog's names, the offers cheapest to finish it on, and hours of work by accelerator.

    Args:
        now: what is billed ahead or ends at a moment is counted from it.
        all_of_them: every offer that the job may use, not the cheapest few.

    Raises:
        BadInput: nothing can be priced, or nothing stays until the job's end.
    """
    job = resolved(workload, catalog.names, catalog.accelerators)
    shapes = shapes_asked(job)
    first = next(iter(shapes.values()), None)
    known = known_work(job.work, first, shapes) if first is not None else ()
    if not known or known[0].unit:
        raise BadInput(
            f"{workload.name}: how long the work takes is unknown",
            next_step="`work:` in the file (shoestring probe measures it)",
        )
    found = sort_out(
        catalog,
        job,
        account,
        hours=lambda shape: hours_on(shape, job.work, known, catalog.accelerators),
        profile=profile,
        resume_proven=True,
        now=now,
    )
    ranked = sorted(
        (u for u in found.usable if u.offer.price.usd_per_hour is not None),
        key=lambda u: (float(u.offer.price.usd_per_hour or 0) * u.work.mid_h, u.offer.id),
    )
    spot = [u for u in ranked if u.offer.market.preemptible]
    stays = [u for u in ranked if u.offer.market is Market.ON_DEMAND or u.offer.owned is not None]
    if not all_of_them:
        spot, stays = spot[:WATCHED], stays[:STAYS]
    if not stays:
        raise BadInput(
            f"{workload.name}: no offer that stays is known, so nothing guards the deadline",
            next_step="shoestring plan says why each offer was left out",
        )
    hours = {u.offer.accelerator or "cpu": u.work.mid_h for u in (*stays, *spot)}
    return job, tuple(u.offer for u in (*spot, *stays)), hours


def ghost(
    workload: Workload,
    offers: Sequence[Offer],
    hours: Mapping[str, float],
    *,
    deadline_s: float | None,
    started_at: datetime,
    every_s: float,
    profile: Profile | None,
) -> Ghost:
    """The job in numbers. One step is a second of work on the accelerator it is fastest on.

    Args:
        hours: of work by accelerator, ``cpu`` for none. deadline_s: from the start; None: the job's own.
    """
    terms = terms_of(workload, profile, None)
    best_s = min(hours.values()) * SECONDS_PER_HOUR
    steps = max(1, round(best_s / STEP_S))
    speeds = {name: steps / (h * SECONDS_PER_HOUR) for name, h in hours.items()}
    job = SimJob(
        steps=steps,
        steps_per_s=speeds,
        boot_s=terms.boot_h * SECONDS_PER_HOUR,
        restore_s=terms.restore_h * SECONDS_PER_HOUR,
        save_s=terms.save_h * SECONDS_PER_HOUR,
    )
    numbered = replace(workload, work=Steps(steps=steps, steps_per_s=speeds), env_names=())
    if deadline_s is not None:
        numbered = replace(numbered, deadline_s=deadline_s, deadline_at=None)
    return Ghost(workload=numbered, job=job, offers=tuple(offers), started_at=started_at, every_s=every_s)
