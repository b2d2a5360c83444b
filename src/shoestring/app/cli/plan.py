"""``shoestring plan JOB``."""

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from shoestring import jobfile
from shoestring.app.config import load_settings
from shoestring.app.planning import account_for, prices_in_use, profile_of, with_own
from shoestring.catalog.load import embedded
from shoestring.catalog.reserved import View
from shoestring.domain.errors import FAILED, BadInput
from shoestring.domain.plan import Option, Plan, PriceLayer
from shoestring.domain.price import PricePoint
from shoestring.workflows.plan import Choices, plan, to_json

USUAL_FLAGS = ("single_source", "date_uncertain", "confirmed")  # on nearly every row: only JSON repeats them


def command(
    job: Annotated[Path, typer.Argument(help="Job file: a SkyPilot task YAML, with or without our block.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    all_clouds: Annotated[bool, typer.Option("--all-clouds", help="Clouds without an account too.")] = False,
    allow_suspect: Annotated[bool, typer.Option("--allow-suspect", help="Doubtful prices may win.")] = False,
    managed: Annotated[
        bool, typer.Option("--managed", help="SageMaker and the like too: the job can be submitted there.")
    ] = False,
    allow_unproven_resume: Annotated[
        bool, typer.Option("--allow-unproven-resume", help="Spot although no rehearsal proved resume.")
    ] = False,
    prices: Annotated[Path | None, typer.Option("--prices", help="Price sheet: YAML or CSV.")] = None,
    bill_rates: Annotated[
        bool | None, typer.Option("--bill-rates/--no-bill-rates", help="Rates learnt from your bills.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask providers for their prices first.")] = False,
    machine: Annotated[Path | None, typer.Option("--machine", help="YAML of the owned machine.")] = None,
    view: Annotated[
        View | None,
        typer.Option("--view", help="Price of own capacity; default: loaded, reserved: opportunity."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a picture to this file.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="The same as an image.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from here.")] = None,
    task: Annotated[int, typer.Option("--task", min=0, help="Which task of a pipeline, from 0.")] = 0,
) -> None:
    """What a finished job costs on every offer, which one to take, and why not the others."""
    loaded = jobfile.load(job, env=jobfile.parse_env(env or (), os.environ))
    if task >= len(loaded.tasks):
        raise BadInput(f"--task {task}: the file holds {len(loaded.tasks)}", next_step="tasks count from 0")
    workload = loaded.tasks[task].workload
    settings = load_settings({"prices": prices, "machine": machine, "bill_rates": bill_rates})
    points: tuple[PricePoint, ...] = ()
    unanswered: tuple[str, ...] = ()
    if live:
        from shoestring.app.live import for_plan

        account, _ = account_for(workload, settings, embedded(), all_clouds=all_clouds)
        points, unanswered = for_plan(workload, settings, account, quiet=as_json)
    catalog, unused = prices_in_use(settings, points)
    catalog, own = with_own(catalog, settings, view)
    account, note = account_for(workload, settings, catalog, all_clouds=all_clouds)
    account = replace(account, managed=managed)
    found = plan(
        workload,
        catalog,
        account,
        now=datetime.now(UTC),
        profile=profile_of(workload),
        choices=Choices(allow_suspect=allow_suspect, allow_unproven_resume=allow_unproven_resume),
        notes=tuple(text for text in (note, *own, *unanswered, *unused) if text),
    )
    if html is not None or png is not None:
        from shoestring.app.cli._plan_page import write_page, write_png

        if html is not None:
            write_page(found, html)
        if png is not None:
            write_png(found, png)
    if as_json:
        print(json.dumps(to_json(found), indent=2, allow_nan=False))
    else:
        _show(found)
    if found.chosen is None:
        raise typer.Exit(FAILED)


def _show(found: Plan) -> None:
    from rich.table import Table

    from shoestring.app.cli._show import console

    out, today = console(), datetime.now(UTC).date()
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("OFFER", overflow="fold", min_width=30)
    for name in ("$/H", "COST $", "P90", "ENDS H", "P90", "SURE", "PRICE"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, o in enumerate(found.options):
        table.add_row(*_row(found, place, o, today))
    out.print(table)
    for line in _lines(found, today):
        out.print(line)


def _row(found: Plan, place: int, o: Option, today: date) -> list[str]:
    taken = found.chosen is not None and o.offer_id == found.chosen.offer_id
    base = place == 0 and found.baseline is not None
    cost = _number(o.expected_cost_usd) if o.relative_cost is None else f"x{o.relative_cost:.2f}"
    return [
        ("0" if base else "") + ("✔" if taken else ""),
        f"{o.accelerator}:{o.count:g} {o.market} {o.provider} {o.zone or o.region}",
        f"{o.price_usd_per_hour:.2f}",
        cost,
        _number(o.p90_cost_usd),
        _number(o.expected_finish_h),
        _number(o.p90_finish_h),
        "-" if o.p_deadline is None else f"{o.p_deadline:.0%}",
        f"{(today - date.fromisoformat(o.price_as_of)).days}d"
        + ("" if o.price_layer == "embedded" else f" {o.price_layer}"[:13]),
    ]


def _lines(found: Plan, today: date) -> list[str]:
    lines = [""]
    named = (("0 ", found.baseline), ("✔ ", found.chosen), ("2 ", found.runner_up))
    for mark, o in named:
        if o is not None:
            odd = [f for f in o.flags if f not in USUAL_FLAGS]
            lines.append(f"{mark}{o.offer_id}: {o.reason}" + (f" [{', '.join(odd)}]" if odd else ""))
    if found.chosen is None:
        lines.append("Nothing can be chosen; loosen one of these:")
    lines += [
        f"- {r.count} x {r.group}: {r.reason}" + (f" -> {r.fix}" if r.fix else "") for r in found.rejected
    ]
    for s in found.sensitivity:
        other = found.chosen is None or s.chosen != found.chosen.offer_id
        lines.append(
            f"if {s.input}: {s.change}: {s.cost_usd:.2f} $" + (f"; then {s.chosen}" if other else "")
        )
    if found.chosen is not None and found.chosen.co2_kg is not None:
        lines.append(
            f"the choice takes {_number(found.chosen.energy_kwh)} kWh and {_number(found.chosen.co2_kg)} kg CO2"
        )
    if found.probe_saves_usd:
        lines.append(f"one more probe (shoestring probe) could save up to {found.probe_saves_usd:.2f} $")
    elif found.probe_saves_usd is not None:
        lines.append(
            "one more probe would not change the choice: nothing else wins at the low end of its work"
        )
    lines.append(_prices(found, today))
    return [*lines, *(f"note: {note}" for note in found.notes)]


def _prices(found: Plan, today: date) -> str:
    """Which prices were used, what goes first first, and how old they are."""

    def age(layer: PriceLayer) -> str:
        days = [(today - date.fromisoformat(day)).days for day in (layer.newest, layer.oldest)]
        return f"{days[0]} to {days[1]} days" if days[0] != days[1] else f"{days[0]} days"

    return "prices: " + ", then ".join(f"{p.name} ({p.offers} offers, {age(p)} old)" for p in found.prices)


def _number(value: float | None) -> str:
    """Three digits that matter; unknown is not zero."""
    return "?" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.3g}"
