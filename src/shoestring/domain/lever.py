"""LeverVerdict: what better data or a smaller model saved, against what, and what shows that quality was kept."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class LeverKind(StrEnum):
    """What was pulled: what the model learnt from, or how it was trained."""

    DATA = "data"  # fewer or better examples
    MODEL = "model"  # low precision, adapters, a smaller model, an earlier end


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityEvidence:
    """A metric of the run beside the same metric without the lever.

    Attributes:
        value: of the run. reference: of the counterfactual. tolerance: how much worse the run may be; 0 or more, in
            the metric's own unit.
        source: where the reference comes from.
    """

    metric: str
    value: float
    reference: float
    more_is_better: bool
    tolerance: float
    source: str

    @property
    def given_up(self) -> Decimal:
        """How much worse the run is than its reference; negative where it is better.

        >>> QualityEvidence(metric="accuracy", value=0.90, reference=0.91, more_is_better=True, tolerance=0.01,
        ...                 source="").given_up
        Decimal('0.01')
        """
        less = Decimal(str(self.reference)) - Decimal(str(self.value))
        return less if self.more_is_better else -less

    @property
    def kept(self) -> bool:
        """Whether the run is worse by no more than the tolerance."""
        return self.given_up <= Decimal(str(self.tolerance))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverVerdict:
    """A comparison that was judged, with its dollars. Avoided, never realized: what was not bought is on no bill.

    Attributes:
        user: the operating system's, not authenticated. run_ended: says in which days the saving counts.
        what: what was done, in words. counterfactual: what it is compared with. reference_run: None if it is no run.
        basis: ``METERED`` or ``BILLED``: what the price per hour rests on; ``STATED``: somebody gave the dollars.
        hours_saved, usd_per_hour: machine-hours that were not needed, and what the run's own really cost on average;
            None for stated dollars.
        spent_usd: what the lever itself cost (scoring, pruning, distilling); already taken off.
        usd, low_usd, high_usd: saved, and its range.
    """

    at: datetime
    user: str
    run_id: str
    run_ended: datetime
    kind: LeverKind
    what: str
    counterfactual: str
    reference_run: str | None
    basis: str
    hours_saved: float | None
    usd_per_hour: Decimal | None
    spent_usd: Decimal
    usd: Decimal
    low_usd: Decimal
    high_usd: Decimal
    quality: QualityEvidence
    why: str
