"""From the book and the market to a FleetView: all that a policy may know, from facts and measurements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shoestring.domain.fleet import Allowance, Bounds, FleetView, RunView
from shoestring.domain.offer import Offer
from shoestring.domain.run import CheckpointFact, RunState
from shoestring.domain.units import SECONDS_PER_HOUR, seconds_between
from shoestring.domain.workload import HoursOf, Steps
from shoestring.supervisor.attempts import attempt_view, unsaved_s
from shoestring.supervisor.book import RunBook

SETTLED_S = 1.0  # a measured speed is believed from so many of the fleet's seconds on


STATED = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What is assumed until it is measured, in the fleet's seconds.

    Attributes:
        restart_s: from launch to the first new step.
        bounds: the stated worst cases of the deadline guarantee; measured times replace smaller ones.
        margin: factor on measured restart and save times when they become bounds.
        egress_usd_per_gib: (from region, to region) -> price; a pair that is missing costs nothing known.
    """

    restart_s: float = 300.0
    bounds: Bounds = STATED
    margin: float = 1.5
    egress_usd_per_gib: Mapping[tuple[str, str], float] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Steps are None until the job has told one; ``total`` until job or file says it."""

    step: int | None
    total: int | None
    saved_step: int
    trained_s: float  # time spent on kept and running work, for jobs that tell no steps


def fleet_view(runs: Iterable[RunView], offers: Mapping[str, Offer], now: datetime) -> FleetView:
    """The whole view. Pools join it when somebody provides them."""
    return FleetView(now=now, runs=tuple(runs), offers=offers)


def run_view(
    run: RunBook,
    offers: Mapping[str, Offer],
    eligible: tuple[str, ...],
    *,
    now: datetime,
    spent_usd: float,
    assumptions: Assumptions,
    allowances: tuple[Allowance, ...] = (),
    unwatched_s: float = 0.0,
) -> RunView:
    """One run as the policy may see it.

    Args:
        eligible: ids of offers that passed the re-check's rules.
        spent_usd: rated so far, with storage and egress.
        allowances: what the budgets that cover the run leave it.
        unwatched_s: since anybody looked at it.
    """
    checkpoints = run.checkpoints()
    progress = progress_of(run, checkpoints)
    accelerators = {(offers[i].accelerator or "cpu") for i in eligible if i in offers}
    live = run.live
    if live is not None:
        accelerators.add(live.offer.accelerator or "cpu")
    total, left = {}, {}
    for accelerator in sorted(accelerators):
        known = work_on(run, progress, accelerator)
        if known is not None:
            total[accelerator], left[accelerator] = known
    newest = checkpoints[0] if checkpoints else None
    place, region = _where(run)
    profile = run.submitted.profile
    restarts = _restarts_s(run)
    if restarts:
        restart_s = sum(restarts) / len(restarts)
    else:
        restart_s = _expected_restart_s(run, offers, eligible, assumptions)
    saves = [c.save_s for c in checkpoints]
    save_s = (
        max(saves) if saves else (profile.save_s if profile else run.submitted.workload.checkpoint.save_s)
    )
    size = newest.size_bytes if newest else (profile.checkpoint_bytes if profile else None)
    return RunView(
        run_id=run.run_id,
        state=run.state,
        submitted_at=run.submitted.at,
        work_total_s=total,
        work_left_s=left,
        deadline=run.deadline,
        spent_usd=spent_usd,
        budget_usd=None if run.budget_usd is None else float(run.budget_usd),
        goal=run.submitted.workload.goal,
        num_nodes=run.submitted.workload.num_nodes,
        eligible=eligible,
        attempt=None if live is None else attempt_view(live, now, restart_s),
        restart_s=restart_s,
        save_s=save_s,
        restore_s=profile.restore_s if profile else run.submitted.workload.checkpoint.restore_s,
        checkpoint_bytes=size,
        checkpoint_age_s=0.0 if live is None else unsaved_s(live, now),
        checkpoint_place=place,
        move_usd=_move_usd(region, size, offers, eligible, assumptions),
        p_capacity={
            i: chance for i in eligible if i in offers and (chance := offers[i].p_capacity) is not None
        },
        bounds=_bounds(max(restarts, default=restart_s), save_s, assumptions),
        allowances=allowances,
        fresh=all(a.observation.launched_at is None for a in run.attempts),
        unwatched_s=unwatched_s,
    )


def progress_of(run: RunBook, checkpoints: tuple[CheckpointFact, ...] | None = None) -> Progress:
    """Where the run stands: live step while it trains, the newest durable step while it does not.

    Args:
        checkpoints: the run's, if the caller has them at hand.
    """
    if checkpoints is None:
        checkpoints = run.checkpoints()
    total = None
    work = run.submitted.workload.work
    if isinstance(work, Steps):
        total = work.steps
    saved = checkpoints[0].step if checkpoints else 0
    step: int | None = saved if saved else None
    trained_s = 0.0
    for attempt in run.attempts:
        seen = attempt.observation
        beat = seen.heartbeat
        if beat is not None and total is None:
            total = beat.total_steps
        if seen.nodes_missing:  # the job will go on from what is saved
            continue
        if beat is not None and (not attempt.ended or run.state is RunState.SUCCEEDED):
            step = beat.step
        elif beat is not None and step is None:
            step = 0
        trained_s += sum(seconds_between(s.start, s.end) for s in seen.spans)
    return Progress(step=step, total=total, saved_step=saved, trained_s=trained_s)


def work_on(run: RunBook, progress: Progress, accelerator: str) -> tuple[float, float] | None:
    """Seconds of work in total and left on an accelerator; None if its speed is unknown (never a guess).

    What was measured in this run comes first, then its profile, then what the file declares.
    """
    work = run.submitted.workload.work
    step = progress.step or 0
    speed = steps_per_s(run, accelerator)
    if speed is None and isinstance(work, Steps):
        speed = next((v for k, v in work.steps_per_s.items() if k.lower() == accelerator.lower()), None)
    if speed is not None and speed > 0 and progress.total is not None:
        return progress.total / speed, max(0.0, (progress.total - step) / speed)
    if isinstance(work, HoursOf) and work.accelerator.lower() == accelerator.lower():
        total = work.hours * SECONDS_PER_HOUR
        if progress.total and progress.step is not None:
            return total, total * max(0.0, 1 - step / progress.total)
        return total, max(0.0, total - progress.trained_s)
    return None


def steps_per_s(run: RunBook, accelerator: str) -> float | None:
    """Measured speed on an accelerator in this run, else in its profile; None before either."""
    steps, seconds = 0, 0.0
    for attempt in run.attempts:
        if (attempt.offer.accelerator or "cpu") == accelerator:
            for span in attempt.observation.spans:
                steps += span.step_to - span.step_from
                seconds += seconds_between(span.start, span.end)
    if steps > 0 and seconds >= SETTLED_S:
        return steps / seconds
    profile = run.submitted.profile
    if profile is not None and (profile.accelerator or "cpu") == accelerator:
        return profile.steps_per_s
    return None


def _restarts_s(run: RunBook) -> list[float]:
    """Seconds from launch to the first new step, of each attempt that got there."""
    return [
        seconds_between(seen.launched_at, seen.spans[0].start)
        for attempt in run.attempts
        if (seen := attempt.observation).launched_at is not None and seen.spans
    ]


def _where(run: RunBook) -> tuple[str | None, str | None]:
    """Place and region of the newest durable checkpoint."""
    for attempt in reversed(run.attempts):
        if attempt.observation.checkpoints:
            return attempt.offer.place, attempt.offer.region
    return None, None


def _move_usd(
    region: str | None,
    size_bytes: int | None,
    offers: Mapping[str, Offer],
    eligible: tuple[str, ...],
    assumptions: Assumptions,
) -> dict[str, float]:
    table = assumptions.egress_usd_per_gib
    if region is None or not size_bytes or not table:
        return {}
    gib = size_bytes / 2**30
    places = {offers[i].place: offers[i].region for i in eligible if i in offers}
    return {
        place: gib * table[(region, there)] for place, there in places.items() if table.get((region, there))
    }


def _expected_restart_s(
    run: RunBook, offers: Mapping[str, Offer], eligible: tuple[str, ...], assumptions: Assumptions
) -> float:
    boots = [boot for i in eligible if i in offers and (boot := offers[i].boot_s) is not None]
    profile = run.submitted.profile
    restore = (profile.restore_s if profile else run.submitted.workload.checkpoint.restore_s) or 0.0
    return max(boots) + restore if boots else assumptions.restart_s


def _bounds(slowest_restart_s: float, save_s: float | None, assumptions: Assumptions) -> Bounds:
    base, margin = assumptions.bounds, assumptions.margin
    boot_s, save_s = margin * slowest_restart_s, margin * (save_s or 0.0)
    if boot_s <= base.boot_s and save_s <= base.save_s:
        return base
    return replace(base, boot_s=max(base.boot_s, boot_s), save_s=max(base.save_s, save_s))
