"""``shoestring plan``: dollars per finished job for every way to run it, and which one to take."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from shoestring.catalog.candidates import Account, Sorted, Usable, asked_keys, columns, sort_out
from shoestring.catalog.layer import layers_used
from shoestring.catalog.load import Catalog
from shoestring.catalog.places import Places
from shoestring.catalog.resolve import absent, resolved
from shoestring.catalog.sanity import flags as price_flags
from shoestring.catalog.sanity import suspect
from shoestring.domain.offer import Market
from shoestring.domain.plan import Option, Plan, Rejection, WorkRange
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.planner.asked import (
    checkpoint_bytes,
    deadline_h,
    memory_of,
    naming_all,
    shapes_asked,
    terms_of,
)
from shoestring.planner.finalists import lived_through
from shoestring.planner.frontier import Scored, Wishes, admissible, frontier, ranked, score, second
from shoestring.planner.measured import measured_work
from shoestring.planner.scaling import Shape
from shoestring.planner.starts import Start, Starts, next_start_h
from shoestring.planner.work import hours_on, known_work
from shoestring.policies.base import Policy
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.workflows.plan_options import OptionMaker, to_json
from shoestring.workflows.plan_reasons import probe_worth_usd, reasons, sensitivity
from shoestring.workflows.plan_rejections import cautions, groups
from shoestring.workflows.plan_standing import doubts, standing

_ALSO = "cheaper or sooner in its kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user allows beyond the file."""

    allow_suspect: bool = False
    allow_unproven_resume: bool = False


def plan(
    workload: Workload,
    catalog: Catalog,
    account: Account,
    *,
    now: datetime,
    profile: Profile | None = None,
    choices: Choices | None = None,
    notes: tuple[str, ...] = (),
    policy: Policy | None = None,
) -> Plan:
    """The plan of one job.

    Args:
        workload: as the job file gives it. now: for price ages and deadlines, UTC.
        policy: who would run it, for the finalists' simulation; None means Uniform Progress.
        profile: what was measured about this code; None if nothing was. notes: of the caller, go first.

    Raises:
        BadInput: an accelerator that the catalog does not know.
    """
    decides = policy or UniformProgress()
    return _Planning(workload, catalog, account, now, profile, choices or Choices(), decides).plan(notes)


__all__ = ["Choices", "plan", "to_json"]


class _Planning:
    """One planning: holds what all steps share."""

    def __init__(
        self,
        workload: Workload,
        catalog: Catalog,
        account: Account,
        now: datetime,
        profile: Profile | None,
        choices: Choices,
        policy: Policy,
    ) -> None:
        self.policy, self.now = policy, now
        self.workload = resolved(workload, catalog.names, catalog.accelerators)
        self.catalog, self.account, self.profile, self.choices = catalog, account, profile, choices
        self.absent = absent(workload, catalog.names)
        self.deadline_h = deadline_h(workload, now)
        self.flags = price_flags(catalog, np.datetime64(now.date().isoformat()))
        asked = shapes_asked(self.workload)
        self.first = next(iter(asked.values()), None)
        work = self.workload.work
        told = known_work(work, self.first, asked) if self.first else ()
        seen = measured_work(work, profile, catalog.names.keys_of) if self.first else ()
        self.known = (*(k for k in told if not (seen and k.unit)), *seen)
        self.relative = bool(self.known) and self.known[0].unit
        self.terms = terms_of(self.workload, profile, None if self.relative else self.deadline_h)
        if self.relative:
            self.terms = replace(self.terms, boot_h=0.0, restore_h=0.0)  # a share of an unknown whole
        self.places = Places(catalog)
        self._hours: dict[Shape, WorkRange | None] = {}
        self._sorted: dict[bool, Sorted] = {}

    def hours(self, shape: Shape) -> WorkRange | None:
        if shape not in self._hours:
            self._hours[shape] = hours_on(
                shape, self.workload.work, self.known, self.catalog.accelerators, self.workload.model
            )
        return self._hours[shape]

    def plan(self, notes: tuple[str, ...]) -> Plan:
        proven = self.choices.allow_unproven_resume or bool(self.profile and self.profile.resume_proven)
        found = self._sort(proven)
        scored, usable = self._score(found.usable)
        maker = OptionMaker.of(
            self.catalog, self.flags, self.workload.num_nodes, self.first if self.relative else None
        )
        wishes = self._wishes()
        doubtful = self._doubtful(found.usable)
        scored, usable = self._simulated(scored, usable, doubtful, wishes)
        stands = standing(scored, usable, doubtful, wishes, simulates=not self.relative)
        order = ranked(scored, stands.open, wishes.goal)
        chosen = order[0] if order else None
        runner_up = second(scored, order) if len(order) > 1 else None
        baseline = self._baseline(maker)
        shown = list(dict.fromkeys([*order[:1], *([runner_up] if runner_up is not None else []),
                                    *frontier(scored, stands.open)]))  # fmt: skip
        rows = sorted(shown, key=lambda i: (scored.estimates.cost_usd[i], scored.ids[i]))
        why = reasons(scored, order, runner_up, baseline, wishes, self.workload.goal)
        options = {
            i: maker.option(scored, i, usable[i], self._with_rule(scored, i, why.get(i, _ALSO))) for i in rows
        }
        rejected = [self._with_best_beyond(r, proven) for r in groups(self.catalog, found)]
        rejected += stands.left_out(scored, wishes, doubts(usable, doubtful, self.flags))
        known_id = baseline.offer_id if baseline else None
        others = [o for o in options.values() if o.offer_id != known_id]
        everything = (*([baseline] if baseline else []), *others)
        return Plan(
            options=everything,
            baseline=baseline,
            chosen=options[chosen] if chosen is not None else None,
            runner_up=options[runner_up] if runner_up is not None else None,
            rejected=tuple(sorted(rejected, key=lambda r: -r.count)),
            work_kind=self._kind(),
            work_range_h=self._range(),
            prices_as_of=_span([o.price_as_of for o in everything]),
            sensitivity=() if self.relative else sensitivity(scored, stands.open, chosen, self.terms, wishes),
            probe_saves_usd=None
            if self.relative
            else probe_worth_usd(scored, stands.open, chosen, usable, self.terms),
            prices=layers_used(self.catalog),
            notes=(
                *notes,
                *cautions(self.workload, found, self.absent, self.profile, relative=self.relative),
            ),
        )

    def _sort(self, proven: bool) -> Sorted:
        if proven not in self._sorted:
            self._sorted[proven] = self._sort_out(proven, self.workload)
        return self._sorted[proven]

    def _sort_out(self, proven: bool, workload: Workload) -> Sorted:
        return sort_out(
            self.catalog,
            workload,
            self.account,
            hours=self.hours,
            profile=self.profile,
            resume_proven=proven,
            now=self.now,
        )

    def _score(self, usable: tuple[Usable, ...]) -> tuple[Scored, tuple[Usable, ...]]:
        """Estimates, and the rows with flags for what is unknown about their places."""
        size = checkpoint_bytes(self.workload, self.profile)
        candidates, words = columns(self.catalog, self.places, self.workload, usable, size)
        ids = [u.offer.id for u in usable]
        kinds = [
            f"{u.offer.provider}/{u.offer.accelerator}:{u.offer.accelerator_count:g}/{u.offer.market}"
            for u in usable
        ]
        flagged = tuple(replace(u, flags=(*u.flags, *w)) for u, w in zip(usable, words, strict=True))
        return score(ids, kinds, candidates, self.terms, self._starts(usable)), flagged

    @staticmethod
    def _with_rule(s: Scored, i: int, reason: str) -> str:
        told = "" if s.starts is None else s.starts.told(i)
        return f"{reason}; {told}" if told else reason

    def _starts(self, usable: tuple[Usable, ...]) -> Starts | None:
        """Rows of markets with rules about their start; without work there is nothing to apply them to."""
        if self.relative:
            return None
        found = []
        for i, u in enumerate(usable):
            rule = self.catalog.start_rules.get((u.offer.provider, str(u.offer.market)))
            if rule is not None:
                at = rule.starts_at_utc_h
                wait_h = 0.0 if at is None else next_start_h(self.now, at)
                found.append(Start(row=i, rule=rule, wait_h=wait_h))
        return Starts(tuple(found)) if found else None

    def _simulated(
        self, scored: Scored, usable: tuple[Usable, ...], doubtful: Any, wishes: Wishes
    ) -> tuple[Scored, tuple[Usable, ...]]:
        """Finalists that may be taken away are lived through by the policy, and flagged."""
        if self.relative:
            return scored, usable
        rows = np.setdiff1d(np.arange(len(usable)), doubtful).tolist()
        offers, work = [u.offer for u in usable], [u.work for u in usable]
        lived = lived_through(scored, offers, work, rows, self.terms, wishes, self.policy)
        simulated = set() if lived.lived is None else set(lived.lived.rows.tolist())
        flagged = tuple(
            replace(u, flags=(*u.flags, "simulated")) if i in simulated else u for i, u in enumerate(usable)
        )
        return lived, flagged

    def _baseline(self, maker: OptionMaker) -> Option | None:
        """The file as it stands: what an engine that minimizes $/h launches, on-demand unless spot is asked."""
        spot = any(r.use_spot for r in self.workload.resources)
        markets = (Market.ON_DEMAND, Market.SPOT) if spot else (Market.ON_DEMAND,)
        found = [u for u in self._sort(True).usable if u.offer.market in markets]
        sound = [u for u in found if not self._suspect(u)] or found
        if not sound:
            return None
        lowest = min(sound, key=lambda u: (u.offer.price.usd_per_hour or 0, u.offer.id))
        one, flagged = self._score((lowest,))
        return maker.option(
            one, 0, flagged[0], "the file as it stands: the lowest $/h it allows, for comparison"
        )

    def _suspect(self, u: Usable) -> bool:
        return suspect(self.flags[u.row])

    def _wishes(self) -> Wishes:
        budget = self.workload.budget_usd
        return Wishes(
            goal=self.workload.goal,
            deadline_h=None if self.relative else self.deadline_h,
            budget_usd=None if budget is None or self.relative else float(budget),
        )

    def _doubtful(self, usable: tuple[Usable, ...]) -> Any:
        """Rows whose price may not win."""
        if self.choices.allow_suspect:
            return np.array([], dtype=np.intp)
        return np.array([i for i, u in enumerate(usable) if self._suspect(u)], dtype=np.intp)

    def _with_best_beyond(self, group: Rejection, proven: bool) -> Rejection:
        """What a refusal costs: the best offer behind it, where the job's owner could open the door."""
        if group.group not in ("accelerator", "resume_unproven") or self.first is None or self.relative:
            return group
        elsewhere = group.group == "accelerator"
        hidden = self._others(proven) if elsewhere else self._sort(True).usable
        usable = tuple(u for u in hidden if not self._suspect(u))
        if not usable:
            return group
        scored, _ = self._score(usable)
        if not elsewhere:  # spot meets a deadline only with the policy that falls back in time
            scored, _ = self._simulated(scored, usable, np.array([], dtype=np.intp), self._wishes())
        order = [
            i
            for i in ranked(scored, admissible(scored, self._wishes())[0], self.workload.goal)
            if elsewhere or usable[i].offer.market.preemptible
        ]
        if not order:
            return group
        offer, cost = usable[order[0]].offer, float(scored.estimates.cost_usd[order[0]])
        if elsewhere:
            name = f"{offer.accelerator}:{offer.accelerator_count:g}"
            fix = f"with {name} among `accelerators`: about {cost:.2f} $ on {offer.id}; unvalidated"
        else:
            fix = f"{group.fix}: about {cost:.2f} $ on {offer.id}"
        return replace(group, example=offer.id, best_usd=round(cost, 4), fix=fix)

    def _others(self, proven: bool) -> list[Usable]:
        """Other accelerators than the file names: of the same backend, and with no less memory."""
        assert self.first is not None
        asked = asked_keys(self.workload)
        least = memory_of(self.first, self.catalog.accelerators)
        wide = naming_all(self.workload, self.catalog.accelerators)
        return [
            u
            for u in self._sort_out(proven, wide).usable
            if u.offer.accelerator not in asked
            and memory_of(_shape(u, self.workload), self.catalog.accelerators) >= least
        ]

    def _kind(self) -> str:
        work = None if self.first is None else self.hours(self.first)
        return "unknown" if self.relative or work is None else work.basis

    def _range(self) -> tuple[float, float] | None:
        work = None if self.first is None or self.relative else self.hours(self.first)
        return None if work is None else (round(work.low_h, 6), round(work.high_h, 6))


def _shape(u: Usable, workload: Workload) -> Shape:
    return Shape(
        accelerator=u.offer.accelerator or "", count=u.offer.accelerator_count, nodes=workload.num_nodes
    )


def _span(days: list[str]) -> tuple[str, str] | None:
    return (min(days), max(days)) if days else None
