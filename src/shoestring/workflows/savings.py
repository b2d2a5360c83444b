"""`shoestring savings`: realized on the bill, avoided by runs; two figures that are never added up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from shoestring.domain.units import money
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.savings import Avoided, BilledSum, Realized, avoided, realized
from shoestring.store.answers import counted_parts, in_usd
from shoestring.store.charges import ChargeStore

UNUSED = "(CommitmentDiscountStatus = 'Unused' or CapacityReservationStatus = 'Unused')"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsReport:
    """The classes side by side. Billed and metered lines are both in ``realized``, each once."""

    realized: Realized
    avoided: Avoided


def savings(
    store: ChargeStore, receipts: Sequence[Receipt], *, since: date | None = None, until: date | None = None
) -> SavingsReport:
    """Savings of a period (by the day of the charge; by the end for runs)."""
    ended = [
        r
        for r in receipts
        if (since is None or r.until.date() >= since) and (until is None or r.until.date() < until)
    ]
    return SavingsReport(realized=realized(billed_sums(store, since, until)), avoided=avoided(ended))


def billed_sums(store: ChargeStore, since: date | None, until: date | None) -> list[BilledSum]:
    """The three prices of all use, by how it was priced. Credits and corrections are left out, as refunds
    of something else are no saving."""
    bounds, values = ["coalesce(ChargeCategory, 'Usage') in ('Usage', 'Purchase')"], []
    if since is not None:
        bounds.append("x_Day >= ?")
        values.append(since)
    if until is not None:
        bounds.append("x_Day < ?")
        values.append(until)
    market = "case x_Market when 'spot' then 'Dynamic' when 'committed' then 'Committed' else 'Standard' end"
    with store.connect() as engine:
        rows = engine.execute(
            f"""select {market}, coalesce({UNUSED}, false),
                  sum({in_usd("coalesce(ListCost, ContractedCost, EffectiveCost)")}),
                  sum({in_usd("coalesce(ContractedCost, EffectiveCost)")}), sum({in_usd("EffectiveCost")})
                from {store.days_sql(counted_parts(store.manifest()))}
                where {" and ".join(bounds)} and x_UsdPerUnit is not null group by 1, 2 order by 1, 2""",  # noqa: S608
            values,
        ).fetchall()
    return [
        BilledSum(
            pricing=pricing,
            unused=unused,
            list_usd=money(listed or 0),
            contracted_usd=money(contracted or 0),
            effective_usd=money(effective or 0),
        )
        for pricing, unused, listed, contracted, effective in rows
    ]


def savings_json(report: SavingsReport) -> dict[str, Any]:
    """Both classes as plain data."""
    r, a = report.realized, report.avoided
    return {
        "realized": {
            "list_usd": float(r.list_usd),
            "negotiated_usd": float(r.negotiated_usd),
            "commitment_usd": float(r.commitment_usd),
            "spot_usd": float(r.spot_usd),
            "other_usd": float(r.other_usd),
            "unused_commitment_usd": float(r.unused_commitment_usd),
            "paid_usd": float(r.paid_usd),
            "total_usd": float(r.total_usd),
        },
        "avoided": {
            "usd": float(a.usd),
            "range_usd": [float(a.low_usd), float(a.high_usd)],
            "runs": a.runs,
            "runs_without_baseline": a.without_baseline,
            "lost_work_usd": float(a.lost_work_usd),
            "checkpoint_usd": float(a.checkpoint_usd),
            "baselines": list(a.baselines),
        },
        "note": "realized and avoided overlap and are never added up",
    }
