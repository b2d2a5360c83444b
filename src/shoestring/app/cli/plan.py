"""``shoestring plan JOB``."""

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shoestring import jobfile
from shoestring.app.planning import account_for, catalog_in_use, profile_of
from shoestring.domain import codec
from shoestring.domain.errors import FAILED
from shoestring.domain.plan import Option, Plan
from shoestring.workflows.plan import Choices, plan


def command(
    job: Annotated[Path, typer.Argument(help="Job file: a SkyPilot task YAML, with or without our block.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    all_clouds: Annotated[bool, typer.Option("--all-clouds", help="Clouds without an account too.")] = False,
    allow_suspect: Annotated[bool, typer.Option("--allow-suspect", help="Doubtful prices may win.")] = False,
    allow_unproven_resume: Annotated[
        bool, typer.Option("--allow-unproven-resume", help="Spot although no rehearsal proved resume.")
    ] = False,
    prices: Annotated[Path | None, typer.Option("--prices", help="Price sheet: YAML or CSV.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=VALUE, or NAME from here.")] = None,
    task: Annotated[int, typer.Option("--task", min=0, help="Which task of a pipeline.")] = 0,
) -> None:
    """What a finished job costs on every offer, which one to take, and why not the others."""
    loaded = jobfile.load(job, env=jobfile.parse_env(env or (), os.environ))
    workload = loaded.tasks[min(task, len(loaded.tasks) - 1)].workload
    account, note = account_for(workload, all_clouds=all_clouds)
    found = plan(
        workload,
        catalog_in_use(prices),
        account,
        now=datetime.now(UTC),
        profile=profile_of(workload),
        choices=Choices(allow_suspect=allow_suspect, allow_unproven_resume=allow_unproven_resume),
    )
    notes = (*((note,) if note else ()), *found.notes)
    if as_json:
        print(json.dumps(to_json(found, notes), indent=2))
    else:
        _show(found, notes)
    if found.chosen is None:
        raise typer.Exit(FAILED)


def to_json(found: Plan, notes: tuple[str, ...]) -> dict[str, Any]:
    """The plan with stable keys; the relative cost has a place of its own, so that options stay as they are."""

    def option(o: Option | None) -> dict[str, Any] | None:
        if o is None:
            return None
        value: dict[str, Any] = codec.to_json(o)
        return {key: v for key, v in value.items() if key != "relative_cost"}

    return {
        "options": [option(o) for o in found.options],
        "baseline": option(found.baseline),
        "chosen": option(found.chosen),
        "runner_up": option(found.runner_up),
        "rejected": [codec.to_json(r) for r in found.rejected],
        "work": {"kind": found.work_kind, "range": found.work_range_h},
        "prices_as_of": found.prices_as_of,
        "relative_cost": {o.offer_id: o.relative_cost for o in found.options if o.relative_cost is not None},
        "sensitivity": [codec.to_json(s) for s in found.sensitivity],
        "probe_saves_usd": found.probe_saves_usd,
        "notes": list(notes),
    }


def _show(found: Plan, notes: tuple[str, ...]) -> None:
    from rich.table import Table

    from shoestring.app.cli._show import console

    out, today = console(), datetime.now(UTC).date()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, side in (("", "left"), ("OFFER", "left"), ("$/H", "right"), ("COST", "right"), ("P90", "right"),
                       ("FINISH", "right"), ("P90", "right"), ("IN TIME", "right"), ("KG CO2", "right"),
                       ("PRICE AGE", "right"), ("WHY", "left")):  # fmt: skip
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for n, o in enumerate(found.options):
        mark = (
            "✔"
            if found.chosen and o.offer_id == found.chosen.offer_id
            else "0"
            if o is found.baseline and n == 0
            else ""
        )
        cost = _number(o.expected_cost_usd) if o.relative_cost is None else f"x{o.relative_cost:.2f}"
        table.add_row(
            mark, o.offer_id, f"{o.price_usd_per_hour:.2f}", cost, _number(o.p90_cost_usd),
            _number(o.expected_finish_h, "h"), _number(o.p90_finish_h, "h"),
            "-" if o.p_deadline is None else f"{o.p_deadline:.0%}", _number(o.co2_kg),
            f"{(today - date.fromisoformat(o.price_as_of)).days} d", _why(o),
        )  # fmt: skip
    out.print(table)
    if found.chosen is None:
        out.print("\nNothing can be chosen; see what to loosen below.")
    for r in found.rejected:
        out.print(f"  left out {r.count:5}  {r.group}: {r.reason}" + (f" -> {r.fix}" if r.fix else ""))
    for s in found.sensitivity:
        same = found.chosen is not None and s.chosen == found.chosen.offer_id
        out.print(f"  if {s.input}: {s.change}: {s.cost_usd:.2f} $" + ("" if same else f"; then {s.chosen}"))
    if found.probe_saves_usd:
        out.print(f"  a probe could save up to {found.probe_saves_usd:.2f} $")
    for note in notes:
        out.print(f"  note: {note}")


def _why(o: Option) -> str:
    odd = [f for f in o.flags if f not in ("single_source", "date_uncertain")]
    return o.reason + (f" [{', '.join(odd)}]" if odd else "")


def _number(value: float | None, unit: str = "") -> str:
    return "?" if value is None else f"{value:.2f}{unit}"
