"""What a plan leaves out, grouped by reason, each with what would let it in."""

import math
from collections import defaultdict

from shoestring.catalog.candidates import Sorted, asked_keys
from shoestring.catalog.load import Catalog
from shoestring.domain.plan import Rejection
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.planner.feasible import Refusal
from shoestring.planner.frontier import SURE, Rows, Scored, Wishes


def rejection(group: str, s: Scored, rows: Rows, text: str, fix: str | None) -> Rejection:
    """Scored rows left out for one reason; the example is the cheapest of them."""
    best = min(rows.tolist(), key=lambda i: (s.estimates.cost_usd[i], s.ids[i]))
    cost = float(s.estimates.cost_usd[best])
    return Rejection(
        group=group, count=len(rows), reason=text, fix=fix, example=s.ids[best],
        best_usd=round(cost, 4) if math.isfinite(cost) else None,
    )  # fmt: skip


def groups(catalog: Catalog, found: Sorted) -> list[Rejection]:
    """Refused rows by the code of their first reason."""
    by_code: dict[str, list[tuple[int, Refusal]]] = defaultdict(list)
    for row, refusal in found.refused:
        by_code[refusal.code].append((row, refusal))
    return [
        Rejection(
            group=code,
            count=len(rows),
            reason=rows[0][1].text,
            fix=rows[0][1].fix,
            example=catalog.offer_id(rows[0][0]),
        )
        for code, rows in by_code.items()
    ]


def limits(s: Scored, wishes: Wishes, late: Rows, dear: Rows) -> list[Rejection]:
    """What the deadline and the budget leave out, and by how much to loosen them."""
    e, found = s.estimates, []
    if len(late):
        soonest = float(e.p90_finish_h[late].min())
        fix = f"a deadline of {soonest:.1f} h would let the soonest in" if math.isfinite(soonest) else None
        text = (
            f"too late: less than {SURE:.0%} sure to end in time" if wishes.deadline_h else "would never end"
        )
        found.append(rejection("deadline", s, late, text, fix))
    if len(dear):
        text = f"costs more than the budget of {wishes.budget_usd:.2f} $"
        found.append(rejection("budget", s, dear, text, f"a budget of {e.cost_usd[dear].min():.2f} $"))
    return found


def cautions(
    workload: Workload, found: Sorted, absent: tuple[str, ...], profile: Profile | None, *, relative: bool
) -> tuple[str, ...]:
    """What a reader must know before trusting a plan."""
    notes = []
    if not asked_keys(workload):
        notes.append("The job names no accelerator; the catalog holds no prices of machines without one.")
    if absent:
        notes.append(f"Not in the catalog, so left out: {', '.join(absent)}.")
    if relative:
        notes.append(
            "Work unknown: costs are relative to one hour on the first accelerator named; give `work:`."
        )
    if profile is None or profile.boot_s is None:
        notes.append(
            "Boot 300 s, restore 60 s, save 30 s are assumed where nothing was measured or declared."
        )
    if any(u.offer.market.preemptible for u in found.usable):
        notes.append(
            "Simulated rows: the policy falls back on guaranteed capacity; other spot rows wait in their zone. "
            "Preemptions follow a prior from one-V100 zones."
        )
    return tuple(notes)
