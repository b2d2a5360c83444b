"""Savings: the bill's own three prices, and finished runs against their baselines; never added up."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.run import RunState
from shoestring.ledger.savings import BilledSum, avoided, realized
from tests.ledger.test_receipt import ON_DEMAND, paid


def billed(pricing, listed, contracted, effective, unused=False):
    amounts = (Decimal(a) for a in (listed, contracted, effective))
    names = ("list_usd", "contracted_usd", "effective_usd")
    return BilledSum(pricing=pricing, unused=unused, **dict(zip(names, amounts, strict=True)))


def test_the_way_from_list_to_paid():
    told = realized(
        [
            billed("Standard", "100", "90", "90"),
            billed("Dynamic", "100", "100", "35"),
            billed("Committed", "100", "95", "60"),
            billed("Committed", "0", "0", "12", unused=True),
        ]
    )
    assert (told.negotiated_usd, told.spot_usd, told.commitment_usd) == (15, 65, 35)
    assert (told.unused_commitment_usd, told.paid_usd, told.total_usd) == (12, 197, 103)


usd = st.integers(0, 10**6)


@given(
    st.lists(
        st.builds(
            billed, st.sampled_from(["Standard", "Dynamic", "Committed", ""]), usd, usd, usd, st.booleans()
        )
    )
)
def test_the_steps_always_lead_from_list_to_paid(lines):
    told = realized(lines)
    steps = told.negotiated_usd + told.commitment_usd + told.spot_usd + told.other_usd
    assert told.list_usd - steps + told.unused_commitment_usd == told.paid_usd


def test_avoided_cost_is_counted_for_finished_runs_with_a_baseline():
    good, bare = paid(baselines=(ON_DEMAND,)), paid()
    failed = paid(baselines=(ON_DEMAND,), state=RunState.FAILED)
    told = avoided([good, bare, failed])
    assert (told.usd, told.low_usd, told.high_usd) == (
        good.saving.usd,
        good.saving.low_usd,
        good.saving.high_usd,
    )
    assert (told.runs, told.without_baseline, told.baselines) == (1, 1, ("on_demand",))
