"""Given a budget that is used up, when a policy wants to act, then new runs wait and running ones are saved."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shoestring.domain.fleet import (
    Allowance,
    AttemptView,
    FleetView,
    Hold,
    Launch,
    Phase,
    Reason,
    RunView,
    Suspend,
)
from shoestring.domain.run import RunState
from shoestring.policies.budget import within_budget
from shoestring.testing import an_offer

OFFER = an_offer()
NOW = datetime(2026, 1, 5, tzinfo=UTC)
VIEW = FleetView(now=NOW, runs=(), offers={OFFER.id: OFFER})
RUN = RunView(
    run_id="r", state=RunState.WAITING, submitted_at=NOW, work_total_s={"cpu": 3600.0}, work_left_s={"cpu": 3600.0}
)  # fmt: skip
WISH = Launch(run_id="r", offer_id=OFFER.id, reason=Reason(code="spot_up", text="spot is up"))


def allowed(remaining_usd: float, on_breach: str) -> tuple[Allowance, ...]:
    return (Allowance(scope="team=vision", remaining_usd=remaining_usd, on_breach=on_breach),)


def test_a_new_run_waits_where_the_budget_holds_and_what_has_begun_goes_on() -> None:
    new = replace(RUN, fresh=True, allowances=allowed(0.0, "hold"))

    held = within_budget(new, WISH, VIEW)

    assert isinstance(held, Hold) and held.reason.code == "budget_hold" and "approve r" in held.reason.text
    assert within_budget(replace(new, fresh=False), WISH, VIEW) is WISH
    assert within_budget(replace(new, allowances=allowed(0.01, "hold")), WISH, VIEW) is WISH


@pytest.mark.parametrize("fresh", [True, False])
def test_a_warning_changes_nothing(fresh: bool) -> None:
    assert within_budget(replace(RUN, fresh=fresh, allowances=allowed(-9.0, "warn")), WISH, VIEW) is WISH


def test_the_tightest_of_the_budgets_above_a_run_suspends_it() -> None:
    on = AttemptView(
        attempt_id="r-1", offer_id=OFFER.id, place="us-east-1a", phase=Phase.TRAINING, age_s=60.0
    )
    running = replace(RUN, state=RunState.RUNNING, attempt=on, budget_usd=100.0)
    roomy, used_up = allowed(50.0, "suspend"), allowed(0.0, "suspend")

    assert within_budget(replace(running, allowances=roomy), None, VIEW) is None
    assert isinstance(within_budget(replace(running, allowances=roomy + used_up), None, VIEW), Suspend)
