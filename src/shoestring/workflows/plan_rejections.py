"""What a plan leaves out, grouped by reason, each with what would let it in."""

import math
from collections import defaultdict

from shoestring.catalog.candidates import Sorted, asked_keys
from shoestring.catalog.load import Catalog
from shoestring.domain.plan import Rejection
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.planner.asked import checkpoint_bytes, save_s
from shoestring.planner.feasible import Refusal
from shoestring.planner.frontier import SURE, Rows, Scored, Wishes, surely_by_h


def rejection(group: str, s: Scored, rows: Rows, text: str, fix: str | None) -> Rejection:
    """Scored rows left out for one reason; the example is the cheapest of them."""
    best = min(rows.tolist(), key=lambda i: (s.estimates.cost_usd[i], s.ids[i]))
    cost = float(s.estimates.cost_usd[best])
    return Rejection(
        group=group, count=len(rows), reason=text, fix=fix, example=s.ids[best],
        best_usd=round(cost, 4) if math.isfinite(cost) else None,
    )  # fmt: skip


def groups(catalog: Catalog, found: Sorted) -> list[Rejection]:
    """Refused rows by the code of their first reason; the nearest miss of each speaks for all."""
    by_code: dict[str, list[tuple[int, Refusal]]] = defaultdict(list)
    for row, refusal in found.refused:
        by_code[refusal.code].append((row, refusal))
    grouped = []
    for code, rows in by_code.items():
        row, nearest = min(rows, key=lambda r: (r[1].short, r[0]))
        example = catalog.offer_id(row)
        grouped.append(
            Rejection(group=code, count=len(rows), reason=nearest.text, fix=nearest.fix, example=example)
        )
    return grouped


def limits(s: Scored, wishes: Wishes, late: Rows, dear: Rows) -> list[Rejection]:
    """What the deadline and the budget leave out, and by how much to loosen them."""
    e, found = s.estimates, []
    if len(late):
        text, fix = "waits so long for capacity that it would hardly ever end", None
        if wishes.deadline_h is not None:
            text = f"too late: less than {SURE:.0%} sure to end in time"
            if math.isfinite(soonest := surely_by_h(e, late)):
                fix = f"a deadline of {math.ceil(soonest)} h would let the soonest in"
        found.append(rejection("deadline", s, late, text, fix))
    if len(dear):
        text = f"costs more than the budget of {wishes.budget_usd:.2f} $"
        found.append(rejection("budget", s, dear, text, f"a budget of {e.cost_usd[dear].min():.2f} $"))
    return found


def cautions(
    workload: Workload, found: Sorted, absent: tuple[str, ...], profile: Profile | None, *, relative: bool
) -> tuple[str, ...]:
    """What a reader must know before trusting a plan."""
    notes = [*_large_saves(workload, found, profile)]
    if not asked_keys(workload):
        notes.append("The job names no accelerator; the catalog holds no prices of machines without one.")
    if absent:
        notes.append(f"Not in the catalog, so left out: {', '.join(absent)}.")
    if relative:
        notes.append(
            "Work unknown: costs are relative to one hour on the first accelerator named; give `work:`, or "
            "`shoestring probe` the job where it will run."
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


def _large_saves(workload: Workload, found: Sorted, profile: Profile | None) -> list[str]:
    """A save that can't end within the provider's warning is known before the first preemption."""
    slow = [u.offer for u in found.usable if "save_exceeds_notice" in u.flags]
    seconds, size = save_s(workload, profile), checkpoint_bytes(workload, profile)
    if not slow or seconds is None:
        return []
    of = "" if size is None else f" of {size / 1e9:.0f} GB"
    notice = max(offer.notice_s or 0 for offer in slow)
    return [
        f"A save{of} takes about {seconds:.0f} s; spot gives at most {notice:.0f} s of warning on {len(slow)} offers, "
        "so a preemption there costs the work since the last save."
    ]
