"""`shoestring savings`: realized on the bill, avoided by runs, expected still; three figures never added up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from shoestring.catalog.load import Catalog
from shoestring.domain.lever import LeverVerdict
from shoestring.domain.units import money
from shoestring.ledger.expected import Expected
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.savings import Avoided, BilledSum, Realized, avoided, realized
from shoestring.store.answers import counted_parts, in_usd
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import ident
from shoestring.workflows.levers import levers_in, levers_json
from shoestring.workflows.recommend import recommendations

UNUSED = "(CommitmentDiscountStatus = 'Unused' or CapacityReservationStatus = 'Unused')"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingsReport:
    """The classes side by side. Billed and metered lines are both in ``realized``, each once.

    ``levers`` are avoided too, and not added to ``avoided``: a baseline with declared hours may hold theirs already.
    """

    realized: Realized
    avoided: Avoided
    levers: tuple[LeverVerdict, ...] = ()
    expected: tuple[Expected, ...] = ()


def savings(
    store: ChargeStore,
    receipts: Sequence[Receipt],
    *,
    since: date | None = None,
    until: date | None = None,
    catalog: Catalog | None = None,
    today: date | None = None,
) -> SavingsReport:
    """Savings of a period (by the day of the charge; by the end for runs).

    Args:
        catalog: what spot, commitments, other regions and smaller machines would cost on ``today``; None leaves these
            recommendations out.
    """
    ended = [
        r
        for r in receipts
        if (since is None or r.until.date() >= since) and (until is None or r.until.date() < until)
    ]
    return SavingsReport(
        realized=realized(billed_sums(store, since, until)),
        avoided=avoided(ended),
        levers=levers_in(store, since, until),
        expected=recommendations(store, receipts, since=since, until=until, catalog=catalog, today=today),
    )


def billed_sums(store: ChargeStore, since: date | None, until: date | None) -> list[BilledSum]:
    """The three prices of all use, by how it was priced."""
    return [prices for _, prices in price_sums(store, since, until, ())]


def price_sums(
    store: ChargeStore, since: date | None, until: date | None, by: Sequence[str]
) -> list[tuple[tuple[str | None, ...], BilledSum]]:
    """The three prices of all use by columns of the cube, and by how it was priced. Credits and corrections are
    left out, as refunds of something else are no saving."""
    bounds, values = ["coalesce(ChargeCategory, 'Usage') in ('Usage', 'Purchase')"], []
    if since is not None:
        bounds.append("x_Day >= ?")
        values.append(since)
    if until is not None:
        bounds.append("x_Day < ?")
        values.append(until)
    market = "case x_Market when 'spot' then 'Dynamic' when 'committed' then 'Committed' else 'Standard' end"
    keys = "".join(f"{ident(column)}, " for column in by)
    order = ", ".join(str(n + 1) for n in range(len(by) + 2))
    with store.reading() as engine:
        rows = engine.execute(
            f"""select {keys}{market}, coalesce({UNUSED}, false),
                  sum({in_usd("coalesce(ListCost, ContractedCost, EffectiveCost)")}),
                  sum({in_usd("coalesce(ContractedCost, EffectiveCost)")}), sum({in_usd("EffectiveCost")})
                from {store.days_sql(counted_parts(store.manifest()))}
                where {" and ".join(bounds)} and x_UsdPerUnit is not null group by {order} order by {order}""",  # noqa: S608
            values,
        ).fetchall()
    return [(tuple(row[: len(by)]), _billed_sum(*row[len(by) :])) for row in rows]


def _billed_sum(pricing: str, unused: bool, listed: Any, contracted: Any, effective: Any) -> BilledSum:
    return BilledSum(
        pricing=pricing,
        unused=unused,
        list_usd=money(listed or 0),
        contracted_usd=money(contracted or 0),
        effective_usd=money(effective or 0),
    )


def savings_json(report: SavingsReport) -> dict[str, Any]:
    """All classes as plain data."""
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
            "levers": levers_json(report.levers),
        },
        "expected": [
            {
                "kind": e.kind,
                "subject": e.subject,
                "range_usd": [float(e.low_usd), float(e.high_usd)],
                "reason": e.reason,
            }
            for e in report.expected
        ],
        "note": "realized, avoided and expected overlap and are never added up",
    }
