"""Which offers are worth a simulation, and what it changes in their estimates.

Only what may be taken away is simulated: for capacity that stays the closed form is exact. A finalist is one
that could beat the best guaranteed offer even if its policy were as good as a perfect mix of spot and fallback.
They are looked at by that bound, best first, until none of the rest could beat what is settled: a row that nobody
looked at is never chosen on the strength of its bound.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.offer import Offer
from shoestring.domain.plan import WorkRange
from shoestring.planner.estimate import Terms
from shoestring.planner.frontier import Scored, Wishes, admissible
from shoestring.planner.lived import Lived
from shoestring.planner.rollout import Outcomes, fallback_for, rollout
from shoestring.planner.screen import Estimates
from shoestring.planner.simulated import Course
from shoestring.policies.base import Policy

Floats = NDArray[np.float64]

MOST, SAMPLES, SEED = 4, 24, 20261124
OFTEN, FEWEST = 40.0, 6  # losses from which on fewer lives do, and how many at least
CHURN = 500.0  # losses above which a job is not worth a look: it would hardly train
PER_KIND = 2  # zones of one kind: the best ones stand for the others
HOPE = 1.05  # a finalist's bound may be so much above the best guaranteed cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A row worth a simulation, what it falls back on, and the least that it could cost."""

    row: int
    fallback: Offer | None
    bound_usd: float


def lived_through(
    s: Scored,
    offers: Sequence[Offer],
    work: Sequence[WorkRange],
    rows: Sequence[int],
    terms: Terms,
    wishes: Wishes,
    policy: Policy,
) -> Scored:
    """The scored rows with finalists' estimates from simulation in place of the closed form's.

    Args:
        offers, work: of each row. rows: those that may be chosen; the others are left as they are.
    """
    simulated: dict[int, Outcomes] = {}
    settled = s
    for f in finalists(s, offers, rows, terms):
        if len(simulated) == MOST or f.bound_usd >= _best_settled(settled, offers, rows, wishes, simulated):
            break  # the rest could not be cheaper, or would take too long to look at
        course = Course(
            offer=offers[f.row],
            fallback=f.fallback,
            work=work[f.row],
            scale=float(s.candidates.scale[f.row]),
            terms=terms,
            goal=wishes.goal,
            budget_usd=wishes.budget_usd,
            data_usd=float(s.candidates.data_usd[f.row]),
            storage_usd_per_hour=float(s.candidates.storage_usd_per_hour[f.row]),
        )
        lost = float(s.estimates.losses[f.row])
        simulated[f.row] = rollout(course, policy, samples=_samples(lost), seed=SEED)
        lived = _lived(s, simulated, terms)
        settled = replace(s, estimates=lived.over(s.estimates), lived=lived)
    return settled


def _best_settled(
    s: Scored, offers: Sequence[Offer], rows: Sequence[int], wishes: Wishes, simulated: Mapping[int, Outcomes]
) -> float:
    """Cost of the best row that needs no further look: one that stays, or that was lived through."""
    known = [i for i in rows if not offers[i].market.preemptible or i in simulated]
    fit = np.intersect1d(admissible(s, wishes)[0], np.array(known, dtype=np.intp))
    return float(s.estimates.cost_usd[fit].min()) if len(fit) else math.inf


def _samples(lost: float) -> int:
    """Fewer lives of a job that is lost often: each is a mean over many losses already, and takes as long."""
    return int(np.clip(SAMPLES * OFTEN / max(lost, 1.0), FEWEST, SAMPLES))


def finalists(s: Scored, offers: Sequence[Offer], rows: Sequence[int], terms: Terms) -> tuple[Finalist, ...]:
    """The rows worth a simulation, most promising first; the best zones of a kind stand for the others."""
    prices = {o.id: float(o.price.usd_per_hour or math.inf) for o in offers}
    stays = [i for i in rows if not offers[i].market.preemptible]
    guaranteed = _by_shape([offers[i] for i in stays if offers[i].market.at_once])
    in_time = [i for i in stays if terms.deadline_h is None or s.estimates.finish_h[i] <= terms.deadline_h]
    best = min((float(s.estimates.cost_usd[i]) for i in in_time), default=math.inf)
    hopeful = []
    for i in rows:
        if offers[i].market.preemptible and s.estimates.losses[i] <= CHURN:
            fallback = fallback_for(offers[i], guaranteed.get(_shape(offers[i]), ()), prices)
            bound = bound_usd(s, i, fallback, terms)
            if math.isfinite(bound) and bound <= HOPE * best:
                hopeful.append(Finalist(row=i, fallback=fallback, bound_usd=bound))
    hopeful.sort(key=lambda f: (f.bound_usd, s.ids[f.row]))
    kept: list[Finalist] = []
    for f in hopeful:
        if sum(s.kinds[k.row] == s.kinds[f.row] for k in kept) < PER_KIND:
            kept.append(f)
    return tuple(kept)


def bound_usd(s: Scored, i: int, fallback: Offer | None, terms: Terms) -> float:
    """Cost of a perfect mix: as much on spot as the deadline lets it wait, the rest on the fallback."""
    cost, finish = float(s.estimates.cost_usd[i]), float(s.estimates.finish_h[i])
    if terms.deadline_h is None or finish <= terms.deadline_h:
        return cost
    if fallback is None or fallback.price.usd_per_hour is None:
        return math.inf
    alone_h = float(s.candidates.mid_h[i]) + terms.boot_h
    if alone_h > terms.deadline_h:
        return math.inf
    share = (terms.deadline_h - alone_h) / (finish - alone_h) if math.isfinite(finish) else 0.0
    there = terms.nodes * float(fallback.price.usd_per_hour) * alone_h
    return (share * cost if share > 0 else 0.0) + (1 - share) * there


def _lived(s: Scored, simulated: Mapping[int, Outcomes], terms: Terms) -> Lived:
    """Outcomes as estimates of their rows."""
    rows = np.array(sorted(simulated), dtype=np.intp)
    outcomes = [simulated[int(row)] for row in rows]
    kw, grid = s.candidates.power_kw[rows], s.candidates.co2_kg_per_kwh[rows]
    energy = kw * np.array([o.up_h.mean() for o in outcomes])
    late_h = math.inf if terms.deadline_h is None else terms.deadline_h
    values = Estimates(
        cost_usd=np.array([o.cost_usd.mean() for o in outcomes]),
        p90_cost_usd=np.array([_p90(o.cost_usd) for o in outcomes]),
        finish_h=np.array([o.finish_h.mean() for o in outcomes]),
        p90_finish_h=np.array([_p90(o.finish_h) for o in outcomes]),
        p_deadline=np.array([np.nan if terms.deadline_h is None else o.p_before(late_h) for o in outcomes]),
        losses=np.array([float(o.losses.mean()) for o in outcomes]),
        energy_kwh=energy,
        co2_kg=energy * grid,
    )
    base = Estimates(**{f.name: getattr(s.estimates, f.name)[rows] for f in fields(Estimates)})
    return Lived(rows=rows, values=values, base=base)


def _p90(values: Floats) -> float:
    """90th percentile; infinite if more than a tenth of the runs never ended."""
    ordered = np.sort(values)
    at = 0.9 * (len(ordered) - 1)
    low, high = float(ordered[math.floor(at)]), float(ordered[math.ceil(at)])
    return high if math.isinf(high) else low + (at - math.floor(at)) * (high - low)


def _by_shape(offers: Sequence[Offer]) -> dict[tuple[str | None, float], list[Offer]]:
    found: dict[tuple[str | None, float], list[Offer]] = {}
    for offer in offers:
        found.setdefault(_shape(offer), []).append(offer)
    return found


def _shape(offer: Offer) -> tuple[str | None, float]:
    return offer.accelerator, offer.accelerator_count
