"""Runs and budgets in Prometheus' text format, version 0.0.4, as its documentation gives it.

Unknown figures have no line: a sample that is missing is not a zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shoestring.ledger.budgets import BudgetStatus

# name -> (row's key, help); all gauges: a restarted exporter has no memory that a counter would need
RUN_METRICS = {
    "shoestring_run_spent_usd": ("spent_usd", "Dollars metered so far."),
    "shoestring_run_finish_usd": ("finish_usd", "Dollars expected at the end."),
    "shoestring_run_budget_usd": ("budget_usd", "The run's own limit."),
    "shoestring_run_step": ("step", "Optimizer steps done."),
    "shoestring_run_total_steps": ("total_steps", "Optimizer steps in all."),
    "shoestring_run_loss": ("loss", "The newest loss."),
    "shoestring_run_deadline_slack_seconds": ("slack_s", "Time until the deadline guard must act."),
    "shoestring_run_checkpoint_age_seconds": ("checkpoint_age_s", "Age of the newest durable checkpoint."),
    "shoestring_run_preemptions": ("preemptions", "Instances taken back by the provider."),
    "shoestring_run_moves": ("moves", "Times it went on in another place."),
}
BUDGET_METRICS = {
    "shoestring_budget_limit_usd": "The budget's limit.",
    "shoestring_budget_spent_usd": "Spent of it in this period.",
    "shoestring_budget_committed_usd": "Promised by unfinished runs.",
    "shoestring_budget_forecast_usd": "Forecast at the period's end.",
}


def exposition(rows: Sequence[Mapping[str, Any]], budgets: Sequence[BudgetStatus]) -> str:
    """The whole text.

    Args:
        rows: of :func:`shoestring.app.lookup.status_rows`.
    """
    lines: list[str] = []
    for name, (key, text) in RUN_METRICS.items():
        samples = [(_of_run(row), row.get(key)) for row in rows]
        lines += _family(name, text, samples)
    states = [(_of_run(row) | {"state": str(row["state"])}, 1) for row in rows]
    lines += _family("shoestring_run_state", "1 for the state that the run is in.", states)
    for name, text in BUDGET_METRICS.items():
        key = name.removeprefix("shoestring_budget_")
        budget_samples = [
            ({"scope": b.budget.name}, b.budget.limit_usd if key == "limit_usd" else getattr(b, key))
            for b in budgets
        ]
        lines += _family(name, text, budget_samples)
    return "\n".join(lines) + "\n"


def _of_run(row: Mapping[str, Any]) -> dict[str, str]:
    return {"run": str(row["run_id"]), "name": str(row["name"])}


def _family(name: str, text: str, samples: Iterable[tuple[Mapping[str, str], Any]]) -> list[str]:
    known = [(labels, value) for labels, value in samples if value is not None]
    if not known:
        return []
    return [f"# HELP {name} {text}", f"# TYPE {name} gauge", *(_sample(name, *pair) for pair in known)]


def _sample(name: str, labels: Mapping[str, str], value: Any) -> str:
    written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{written}}} {float(value)!r}"


def _escaped(text: str) -> str:
    r"""A label's value.

    >>> _escaped('a"b\\c')
    'a\\"b\\\\c'
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
