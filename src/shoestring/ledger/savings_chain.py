"""From list price to paid, step by step: what lowered the price, and what interruptions added."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shoestring.domain.lever import LeverKind, LeverVerdict
from shoestring.domain.units import money
from shoestring.domain.usage import CostPart
from shoestring.ledger.levers import lever_sum
from shoestring.ledger.savings import BilledSum, realized


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSum:
    """The three prices of some charges. ``run_id`` None: no run's. ``part`` None: the bill does not say."""

    run_id: str | None
    part: str | None
    prices: BilledSum


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The steps from the list price of the work that counts to what was paid; they add up exactly.

    Attributes:
        run_id: None for everything together.
        list_usd: of all charges but lost work and checkpoints, which no price list would have asked for.
        negotiated_usd, commitment_usd, spot_usd, other_usd: taken off.
        data_lever_usd, model_lever_usd: what recorded verdicts say was not needed, at the price really paid. It is on
            no bill, so it comes in as work that was not bought, after which every step of the bill stays as it is,
            and is taken off behind spot: no discount is claimed for hours that nobody bought.
        unused_commitment_usd, lost_work_usd, checkpoint_usd: put on, at what they cost.
    """

    run_id: str | None
    list_usd: Decimal
    negotiated_usd: Decimal
    commitment_usd: Decimal
    spot_usd: Decimal
    other_usd: Decimal
    unused_commitment_usd: Decimal
    data_lever_usd: Decimal
    model_lever_usd: Decimal
    lost_work_usd: Decimal
    checkpoint_usd: Decimal
    paid_usd: Decimal

    @property
    def steps(self) -> Mapping[str, Decimal]:
        """Names and signed amounts, from the list price on; their sum is ``paid_usd``."""
        return {
            "list price": self.list_usd,
            "work not bought": self.data_lever_usd + self.model_lever_usd,
            "negotiated": -self.negotiated_usd,
            "commitments": -self.commitment_usd,
            "spot": -self.spot_usd,
            "other discounts": -self.other_usd,
            "unused commitments": self.unused_commitment_usd,
            "data levers": -self.data_lever_usd,
            "model levers": -self.model_lever_usd,
            "lost work": self.lost_work_usd,
            "checkpoints": self.checkpoint_usd,
        }


def chain(sums: Iterable[ChainSum], run_id: str | None = None, levers: Sequence[LeverVerdict] = ()) -> Chain:
    """The chain of the given sums and verdicts, which are all of one run, or of everything."""
    counted: list[BilledSum] = []
    added = {CostPart.LOST_WORK.value: money(0), CostPart.CHECKPOINT.value: money(0)}
    for line in sums:
        if line.part in added:
            added[line.part] += line.prices.effective_usd
        else:
            counted.append(line.prices)
    steps = realized(counted)
    lost, saves = added[CostPart.LOST_WORK.value], added[CostPart.CHECKPOINT.value]
    return Chain(
        run_id=run_id,
        list_usd=steps.list_usd,
        negotiated_usd=steps.negotiated_usd,
        commitment_usd=steps.commitment_usd,
        spot_usd=steps.spot_usd,
        other_usd=steps.other_usd,
        unused_commitment_usd=steps.unused_commitment_usd,
        data_lever_usd=lever_sum(levers, LeverKind.DATA).usd,
        model_lever_usd=lever_sum(levers, LeverKind.MODEL).usd,
        lost_work_usd=lost,
        checkpoint_usd=saves,
        paid_usd=steps.paid_usd + lost + saves,
    )


def chains_by_run(
    sums: Iterable[ChainSum], most: int, levers: Sequence[LeverVerdict] = ()
) -> tuple[Chain, ...]:
    """A chain for each run, those with the dearest list price first."""
    groups: dict[str, list[ChainSum]] = {}
    for line in sums:
        if line.run_id is not None:
            groups.setdefault(line.run_id, []).append(line)
    found = [
        chain(group, run_id, [v for v in levers if v.run_id == run_id]) for run_id, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda c: (-c.list_usd, c.run_id or ""))[:most])
