"""What Prometheus reads: one line a known figure, none for an unknown one, and no way out of a label."""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from shoestring.ledger.budgets import Budget, status_of
from shoestring.workflows.metrics import exposition

LINE = re.compile(
    r'[a-z_]+\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\} -?[0-9.e+-]+'
)


def a_row(**changes: Any) -> dict[str, Any]:
    return {"run_id": "job-1", "name": "job", "state": "running", "spent_usd": 1.5, "step": 7} | changes


def samples(text: str) -> list[str]:
    found = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in found), found
    return found


def test_known_figures_have_a_line_and_unknown_ones_none() -> None:
    found = samples(exposition([a_row(loss=None)], ()))

    assert 'shoestring_run_spent_usd{run="job-1",name="job"} 1.5' in found
    assert 'shoestring_run_state{run="job-1",name="job",state="running"} 1.0' in found
    assert not any("loss" in line for line in found)


def test_budgets_are_there_by_scope() -> None:
    budget = Budget(scope={"team": "vision"}, limit_usd=Decimal(100))
    found = samples(exposition([], [status_of(budget, [], [], date(2026, 1, 1))]))

    assert 'shoestring_budget_limit_usd{scope="team=vision"} 100.0' in found
    assert not any("forecast" in line for line in found), "on the first day nothing is known of the last"


def test_hostile_names_stay_inside_their_label() -> None:
    name = 'x"} 1\nevil_metric{a="b\\'
    found = samples(exposition([a_row(name=name)], ()))

    assert not any(line.startswith("evil") for line in found)


def test_every_family_is_described_once() -> None:
    text = exposition([a_row(), a_row(run_id="job-2")], ())
    described = [line for line in text.splitlines() if line.startswith("# TYPE")]

    assert len(described) == len(set(described)) == 3
