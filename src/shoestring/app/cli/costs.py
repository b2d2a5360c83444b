"""`shoestring costs`."""

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.store.allocation_book import in_force
from shoestring.store.answers import Answer, Question
from shoestring.store.charges import ChargeStore
from shoestring.workflows.costs import NONE, answer_csv, answer_json, costs, question_of, write_parquet


def command(
    by: Annotated[
        str | None, typer.Option(help="Dimensions, e.g. team,experiment,day; default: team.")
    ] = None,
    metric: Annotated[str, typer.Option(help="effective | billed | list | contracted")] = "effective",
    since: Annotated[str | None, typer.Option(help="Day, month or `all`; default: this month.")] = None,
    until: Annotated[str | None, typer.Option(help="Day (not included) or month.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="E.g. team=vision; != and ~ too.")] = None,
    fiscal_start: Annotated[int, typer.Option(help="Month in which the fiscal year begins.")] = 1,
    weeks_445: Annotated[bool, typer.Option("--445", help="Quarters of 4, 4 and 5 weeks.")] = False,
    rules: Annotated[
        Path | None, typer.Option("--allocate", help="YAML of rules: preview shared cost.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="With --allocate: put the rules in force.")] = False,
    undo: Annotated[bool, typer.Option("--undo-allocation", help="Take the rules out of force.")] = False,
    why: Annotated[str, typer.Option(help="With these two: for the record.")] = "",
    ahead: Annotated[bool, typer.Option("--outlook", help="Forecast the month; name odd days.")] = False,
    unit: Annotated[
        str | None, typer.Option(help="$ per run|epoch|million_samples|million_tokens|metric:NAME.")
    ] = None,
    board: Annotated[
        str | None, typer.Option("--leaderboard", help="Experiments by this metric (more is better) per $.")
    ] = None,
    marginal: Annotated[
        str | None, typer.Option(help="What the last bit of this metric cost, run by run.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Lines shown; 0 for all.")] = 30,
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output.")] = False,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.")] = None,
) -> None:
    """What was spent, by team or any other dimension; default: this month, effective cost."""
    everything = as_json or as_csv or parquet is not None or limit == 0
    question = question_of(
        today=datetime.now(UTC).date(),
        by=by or ("team" if board is None else "experiment"),
        metric=metric,
        since=since,
        until=until,
        where=where or (),
        fiscal_start=fiscal_start,
        weeks_445=weeks_445,
        limit=None if everything else limit,
    )
    store = booked_ledger(ledger)
    # Each kind of answer brings its own libraries; the plain one waits for none of them.
    if marginal is not None:
        from shoestring.app.cli._unit_costs import tell_marginal

        tell_marginal(store, question, marginal, as_json=as_json)
    elif unit is not None or board is not None:
        from shoestring.app.cli._unit_costs import tell_unit_costs

        tell_unit_costs(store, question, unit=unit, metric=board, as_json=as_json)
    elif ahead:
        _tell_outlook(store, question if by is not None else None, metric, as_json=as_json)
    elif undo:
        from shoestring.app.cli._allocation import end_allocation

        end_allocation(store, why=why, as_json=as_json)
    elif rules is not None:
        from shoestring.app.cli._allocation import allocate

        allocate(store, question, rules, apply=apply, why=why, as_json=as_json)
    elif apply:
        raise BadInput("--apply what?", next_step="shoestring costs --allocate rules.yaml --apply")
    else:
        _tell_costs(store, question, as_json=as_json, as_csv=as_csv, parquet=parquet)


def _tell_costs(
    store: ChargeStore, question: Question, *, as_json: bool, as_csv: bool, parquet: Path | None
) -> None:
    answer = costs(store, question)
    if parquet is not None:
        write_parquet(answer, parquet)
    if as_json:
        print_json(answer_json(question, answer))
    elif as_csv:
        sys.stdout.write(answer_csv(answer))
    elif parquet is None:
        _show(question, answer)
        if (fact := in_force(store.folder)) is not None:
            told = f"cost is shared out by rules of {fact.at:%Y-%m-%d} ({fact.user}); --undo-allocation takes them out"
            console().print(Text(f"  {printable(told)}", "dim"))


def _tell_outlook(store: ChargeStore, question: Question | None, metric: str, *, as_json: bool) -> None:
    from shoestring.workflows.outlook import outlook, outlook_json, sentences

    by = ("team", "experiment") if question is None else question.by
    told = outlook(store, today=datetime.now(UTC).date(), by=by, metric=metric)
    if as_json:
        print_json(outlook_json(told))
        return
    for line in sentences(told):
        console().print(Text(printable(line)))


def _show(question: Question, answer: Answer) -> None:
    out = console()
    period = f"since {question.since}" if question.since else "all time"
    period += f" until {question.until}" if question.until else ""
    out.print(Text(f"{answer.total_usd:,.2f} $ {answer.metric} cost, {period}", "bold"))
    if not answer.rows:
        out.print(Text("  no charges there; `shoestring bills list` shows what the ledger holds", "dim"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in answer.by:
        table.add_column(name.upper())
    told = [row for row in answer.rows if row.charges]  # the rest has no cost, only what meters know of it
    hours = any(row.accelerator_hours for row in told)
    energy = any(row.energy_kwh is not None for row in told)
    for name in (
        "$",
        "SHARE",
        "LIST $",
        "CHARGES",
        *(["ACCEL h"] if hours else []),
        *(["kWh"] if energy else []),
    ):
        table.add_column(name, justify="right")
    for row in told:
        share = f"{row.usd / answer.total_usd:.1%}" if answer.total_usd and row.usd is not None else ""
        keys = [NONE if key is None else printable(key) for key in row.keys]
        use = [_number(row.accelerator_hours)] * hours + [_number(row.energy_kwh)] * energy
        table.add_row(*keys, _dollars(row.usd), share, _dollars(row.list_usd), f"{row.charges:,}", *use)
    if told:
        out.print(table)
    if answer.more_rows:
        out.print(Text(f"  and {answer.more_rows} more lines (--limit 0 shows all)", "dim"))
    out.print(
        Text(
            f"  of it idle {answer.idle_usd:,.2f} $, unused commitments {answer.unused_usd:,.2f} $, "
            f"unallocated {answer.unallocated_usd:,.2f} $, credits {answer.credit_usd:,.2f} $, "
            f"metered and not yet billed {answer.metered_usd:,.2f} $",
            "dim",
        )
    )
    if use_told := _use_told(answer):
        out.print(Text(f"  {use_told}", "dim"))
    for currency, total in answer.unconverted.items():
        out.print(
            Text(f"  and {total:,.2f} {printable(currency)} without a rate, in no sum (--rates)", "yellow")
        )


def _use_told(answer: Answer) -> str:
    """What was used, billed or not; empty where nothing is known."""
    sums = {
        "accelerator hours": [r.accelerator_hours for r in answer.rows],
        "kWh": [r.energy_kwh for r in answer.rows],
        "kg CO2e": [r.carbon_kg for r in answer.rows],
    }
    known = {name: sum(v for v in values if v is not None) for name, values in sums.items() if any(values)}
    return (
        "metered or stated: " + ", ".join(f"{_number(v)} {name}" for name, v in known.items())
        if known
        else ""
    )


def _number(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _dollars(amount: Decimal | None) -> str:
    return "?" if amount is None else f"{amount:,.2f}"
