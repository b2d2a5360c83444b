"""Does what the answers add up equal what the bills brought in? And how much of it names an owner?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from shoestring.domain.units import cents, money
from shoestring.store.answers import counted_parts
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_manifest import Delivery, Part
from shoestring.workflows.bills import sums


@dataclass(frozen=True, slots=True, kw_only=True)
class TieOut:
    """Bills of some months against the charges that every answer is made of.

    Attributes:
        imported: billed cost by currency, as written down at import. charged: added up again, now.
        rows_in, rows_stored, rows_quarantined: of the deliveries these months came with.
        months: billing period -> whether it is closed.
        unallocated: share of the effective cost, credits aside, that names neither team, project nor experiment;
            None of nothing.
        unrated: uses of runs without a known price, outside every sum.
        invoice: what the invoices say of those deliveries that came with one; None if none did.
        invoiced: billed cost of these deliveries, in the currency of each; they are of one invoice each.
    """

    imported: Mapping[str, Decimal]
    charged: Mapping[str, Decimal]
    rows_in: int
    rows_stored: int
    rows_quarantined: int
    months: Mapping[str, bool]
    unallocated: float | None
    unrated: int
    invoice: Decimal | None = None
    invoiced: Decimal | None = None

    @property
    def differences(self) -> dict[str, Decimal]:
        """Charged less imported, by currency; all zero when it ties out."""
        names = sorted({*self.imported, *self.charged})
        return {c: self.charged.get(c, money(0)) - self.imported.get(c, money(0)) for c in names}

    @property
    def holds(self) -> bool:
        """Whether nothing got lost: amounts to the ledger's step, and every row stored or quarantined."""
        return (
            not any(self.differences.values())
            and self.rows_in == self.rows_stored + self.rows_quarantined
            and (self.invoice is None or cents(self.invoice) == cents(self.invoiced or money(0)))
        )


def tie_out_of(
    store: ChargeStore, *, since: date | None, until: date | None, unallocated: float | None
) -> TieOut:
    """Tie out the billing periods that the days touch (``until`` is not included)."""
    manifest = store.manifest()
    low = "" if since is None else f"{since:%Y-%m}"
    high = "9999-12" if until is None else f"{until - timedelta(days=1):%Y-%m}"
    bills = [p for p in counted_parts(manifest) if p.of_a_bill and low <= p.period <= high]
    came = _deliveries(manifest.deliveries, bills)
    told = [d for d in came if d.invoice is not None]
    return TieOut(
        imported=sums(bills, "billed"),
        charged=_charged(store, bills),
        rows_in=sum(d.rows_in for d in came),
        rows_stored=sum(d.rows_stored for d in came),
        rows_quarantined=sum(d.rows_quarantined for d in came),
        months={
            period: all(manifest.is_closed(period, p.source) for p in bills if p.period == period)
            for period in sorted({p.period for p in bills})
        },
        unallocated=unallocated,
        unrated=sum(d.unrated for d in manifest.deliveries),
        invoice=sum((money(d.invoice or 0) for d in told), money(0)) if told else None,
        invoiced=_billed_by(manifest.parts, told) if told else None,
    )


def _deliveries(deliveries: Sequence[Delivery], bills: Sequence[Part]) -> list[Delivery]:
    named = {p.import_id for p in bills}
    return [d for d in deliveries if d.id in named]


def _billed_by(parts: Sequence[Part], told: Sequence[Delivery]) -> Decimal:
    """All that these deliveries billed, in months that are not looked at too: an invoice knows no such bounds."""
    ids = {d.id for d in told}
    return sum(sums([p for p in parts if p.import_id in ids], "billed").values(), money(0))


def _charged(store: ChargeStore, bills: Sequence[Part]) -> dict[str, Decimal]:
    if not bills:
        return {}
    with store.reading() as engine:
        rows = engine.execute(
            f"select BillingCurrency, coalesce(sum(BilledCost), 0) from {store.days_sql(bills)} group by 1"  # noqa: S608
        ).fetchall()
    return {currency or "?": money(total) for currency, total in rows}


def tie_out_line(tied: TieOut) -> str:
    """One line for the head of a report."""
    if not tied.months:
        line = "no bills in these days; all cost is metered"
    else:
        amounts = " + ".join(f"{cents(total):,} {c}" for c, total in tied.imported.items())
        wrong = {c: d for c, d in tied.differences.items() if d}
        line = f"bills {amounts} "
        line += "= charges" if not wrong else "≠ charges"
        line += "".join(f" (difference {d:,f} {c})" for c, d in wrong.items())
        if tied.invoice is not None and tied.invoiced is not None:
            off = tied.invoiced - tied.invoice
            sign = "≠" if cents(off) else "="
            line += f"; {cents(tied.invoiced):,} of them {sign} invoice {cents(tied.invoice):,}"
            line += f" (difference {cents(off):,})" if cents(off) else ""
        line += f"; {tied.rows_in:,} rows in = {tied.rows_stored:,} stored"
        line += f" + {tied.rows_quarantined:,} quarantined"
    if tied.unallocated is not None:
        line += f"; {tied.unallocated:.0%} unallocated"
    if tied.unrated:
        line += f"; {tied.unrated:,} uses without a price, in no sum"
    months = ", ".join(f"{m} {'CLOSED' if closed else 'OPEN'}" for m, closed in tied.months.items())
    return f"{line}; {months}" if months else line


def tie_out_json(tied: TieOut) -> dict[str, Any]:
    """The comparison as plain data; amounts as exact decimal text."""
    return {
        "line": tie_out_line(tied),
        "holds": tied.holds,
        "imported": {c: str(v) for c, v in tied.imported.items()},
        "charged": {c: str(v) for c, v in tied.charged.items()},
        "rows_in": tied.rows_in,
        "rows_stored": tied.rows_stored,
        "rows_quarantined": tied.rows_quarantined,
        "months": {m: "closed" if closed else "open" for m, closed in tied.months.items()},
        "unallocated": tied.unallocated,
        "unrated": tied.unrated,
        "invoice": None if tied.invoice is None else str(tied.invoice),
        "invoiced": None if tied.invoiced is None else str(tied.invoiced),
    }
