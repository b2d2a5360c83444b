"""The pages of `shoestring costs --unit` and `--leaderboard`."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from shoestring.app.cli._show import console, print_json
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.ledger.unit_costs import POINT, UnitCost
from shoestring.store.answers import Question
from shoestring.store.charges import ChargeStore
from shoestring.workflows.costs import NONE
from shoestring.workflows.unit_costs import (
    cost_per_unit,
    marginal_costs,
    marginal_json,
    metric_per_dollar,
    unit_costs_json,
)


def tell_unit_costs(
    store: ChargeStore, question: Question, *, unit: str | None, metric: str | None, as_json: bool
) -> None:
    """Dollars per unit of work, or points per dollar; exactly one of ``unit`` and ``metric`` is asked for."""
    from shoestring.app.book_runs import all_receipts

    if metric is not None and unit is not None:
        raise BadInput("--unit and --leaderboard are two questions", next_step="ask for one at a time")
    receipts = all_receipts()
    if metric is not None:
        unit, lines = f"{POINT}{metric}", metric_per_dollar(store, receipts, question, metric)
    else:
        unit = unit or "run"
        lines = cost_per_unit(store, receipts, question, unit)
    if as_json:
        print_json(unit_costs_json(question.by, unit, lines))
        return
    _show(question, unit, lines, ranked=metric is not None)


def tell_marginal(store: ChargeStore, question: Question, metric: str, *, as_json: bool) -> None:
    """What the last bit of quality cost, run by run."""
    from shoestring.app.book_runs import all_receipts

    found = marginal_costs(store, all_receipts(), question, metric)
    if as_json:
        print_json(marginal_json(metric, found))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("RUN")
    for name in ("FIRST", "BEST", "$ UNTIL THEN", "$ PER POINT", "IN THE LAST TENTH"):
        table.add_column(name, justify="right")
    for m in found if question.limit is None else found[: question.limit]:
        ends = (_number(value, ",.6g") for value in (m.first, m.best))
        points = (_number(value, ",.4f") for value in (m.usd_per_point, m.last_usd_per_point))
        table.add_row(printable(m.run_id), *ends, f"{m.usd:,.2f}", *points)
    console().print(table)
    console().print(Text(f"  a point is one unit of {printable(metric)}", "dim"))


def _show(question: Question, unit: str, lines: Sequence[UnitCost], *, ranked: bool) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in question.by:
        table.add_column(name.upper())
    short = unit.removeprefix(POINT)
    for name in ("RUNS", "$", f"{short} PER $" if ranked else f"$ PER {short}", short.upper()):
        table.add_column(printable(name), justify="right")
    energy = not ranked and any(line.kwh_per_unit is not None for line in lines)
    if energy:
        table.add_column(printable(f"kWh PER {short}"), justify="right")
    shown = lines if question.limit is None else lines[: question.limit]
    for line in shown:
        ratio = line.units_per_usd if ranked else line.usd_per_unit
        table.add_row(
            *(NONE if key is None else printable(key) for key in line.keys),
            str(line.runs),
            _number(None if line.usd is None else float(line.usd), ",.2f"),
            _number(ratio, ",.6g"),
            _number(line.units, ",.6g"),
            *([_number(line.kwh_per_unit, ",.4g")] if energy else []),
        )
    out.print(table)
    if not lines:
        out.print(Text("  no runs in these days; --since all looks at every run", "dim"))
    if len(lines) > len(shown):
        out.print(Text(f"  and {len(lines) - len(shown)} more lines (--limit 0 shows all)", "dim"))
    if left_out := sum(line.left_out for line in lines):
        out.print(Text(f"  {left_out} runs don't say how much they did, or have no known price", "yellow"))


def _number(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
