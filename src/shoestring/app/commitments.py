"""What this machine's unfinished runs will still cost: the promises that a budget has to keep in mind."""

from decimal import Decimal
from typing import Any

from shoestring.app.lookup import book_of, status_rows
from shoestring.app.site import sites
from shoestring.app.wiring import open_doors
from shoestring.domain.errors import ShoestringError
from shoestring.ledger.budgets import Commitment
from shoestring.supervisor import RunBook


def commitments() -> tuple[Commitment, ...]:
    """A line for each run that has not ended and whose end can be priced.

    A run promises what its supervisor expects it to cost at its end; without such an estimate, what its own
    budget leaves it; without that either, nothing is known and nothing is promised. Journals that can't be
    read are passed over: booking tells of them.
    """
    found = []
    for site in sites():
        try:
            run = book_of(open_doors(site).journal).runs.get(site.run_id)
            if run is None or run.done:
                continue
            row = next(iter(status_rows(site.run_id, 1)), {})
        except ShoestringError:
            continue
        usd = promised_usd(row, run)
        if usd is not None:
            labels = {**run.submitted.workload.labels, "run": site.run_id}
            found.append(Commitment(labels=labels, usd=Decimal(str(round(usd, 6)))))
    return tuple(found)


def promised_usd(row: dict[str, Any], run: RunBook) -> float | None:
    """Dollars from now to the run's end; None if unknown."""
    spent: float | None = row.get("spent_usd")
    finish: float | None = row.get("finish_usd")
    if spent is None:
        return None
    if finish is not None:
        return max(0.0, finish - spent)
    return None if run.budget_usd is None else max(0.0, float(run.budget_usd) - spent)
