"""List price to paid, for every run and for everything together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from shoestring.ledger.savings_chain import Chain, ChainSum, chain, chains_by_run
from shoestring.store.charges import ChargeStore
from shoestring.workflows.levers import levers_in
from shoestring.workflows.savings import price_sums

RUNS_SHOWN = 50
NO_LEVERS = "data and model levers: none recorded; a comparison is booked by shoestring savings record"
LEVERS = (
    "data and model levers: hours that {count} recorded verdict{s} found not needed, at the price really paid; "
    "on no bill"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """The chain of everything, and of the runs with the dearest list prices."""

    total: Chain
    runs: tuple[Chain, ...]
    verdicts: int = 0

    @property
    def levers_told(self) -> str:
        """What the steps of the levers rest on."""
        return (
            LEVERS.format(count=self.verdicts, s="s" * (self.verdicts != 1)) if self.verdicts else NO_LEVERS
        )


def savings_chains(store: ChargeStore, *, since: date | None, until: date | None) -> Chains:
    """The chains of the charges of some days."""
    sums = [
        ChainSum(run_id=run_id, part=part, prices=prices)
        for (run_id, part), prices in price_sums(store, since, until, ("x_RunId", "x_CostPart"))
    ]
    levers = levers_in(store, since, until)
    return Chains(
        total=chain(sums, levers=levers),
        runs=chains_by_run(sums, RUNS_SHOWN, levers),
        verdicts=len(levers),
    )


def chains_json(found: Chains) -> dict[str, Any]:
    """Chains as plain data: signed steps, and what they add up to."""
    return {
        "total": _chain(found.total),
        "runs": [_chain(c) for c in found.runs],
        "data_and_model_usd": float(found.total.data_lever_usd + found.total.model_lever_usd)
        if found.verdicts
        else None,
        "data_and_model_note": found.levers_told,
    }


def _chain(found: Chain) -> dict[str, Any]:
    steps: Sequence[dict[str, Any]] = [{"step": n, "usd": float(usd)} for n, usd in found.steps.items()]
    return {"run": found.run_id, "steps": steps, "paid_usd": float(found.paid_usd)}
